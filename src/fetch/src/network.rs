//! The HTTP clients of one set of settings, by where a request leads.

use std::sync::OnceLock;

use reqwest::Url;

use crate::error::{self, Cause};
use crate::proxy::{Proxy, Rules};
use crate::redirect::Outward;
use crate::settings::ClientConfig;
use crate::tls;

/// What only network schemes need.
pub(crate) struct Network {
    pub(crate) http: reqwest::Client,
    /// For redirects to where no proxy stands between: it does not connect to internal addresses, and shares no
    /// connections with the one that does.
    outward: OnceLock<reqwest::Client>,
    pub(crate) rules: Rules,
}

impl Network {
    pub(crate) fn new(config: &ClientConfig, proxy: &Proxy) -> Result<Self, Cause> {
        let rules = Rules::new(proxy)?;
        let chosen = rules.clone();
        let builder = builder(config)?.proxy(reqwest::Proxy::custom(move |url| {
            chosen.proxy_for(url).cloned()
        }));
        Ok(Self {
            http: built(builder)?,
            outward: OnceLock::new(),
            rules,
        })
    }

    /// What asks for a URL; only the config's own URLs lead to internal addresses.
    pub(crate) fn http(
        &self,
        url: &Url,
        outward: bool,
        config: &ClientConfig,
    ) -> Result<&reqwest::Client, Cause> {
        // A proxy looks names up by itself.
        if !outward || self.rules.proxy_for(url).is_some() {
            return Ok(&self.http);
        }
        if let Some(http) = self.outward.get() {
            return Ok(http);
        }
        let builder = builder(config)?.no_proxy().dns_resolver(Outward);
        let http = built(builder)?;
        Ok(self.outward.get_or_init(|| http))
    }
}

fn builder(config: &ClientConfig) -> Result<reqwest::ClientBuilder, Cause> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(
            &config.extra_ca_pem,
            config.system_authorities,
        )?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Divided among the addresses of a name, so that a dead one does not use up all the time.
        .connect_timeout(config.response_header_timeout))
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Cause> {
    builder.build().map_err(|error| {
        Cause::InvalidSetting(format!(
            "while setting up HTTP: {}",
            error::describe(&error)
        ))
    })
}
