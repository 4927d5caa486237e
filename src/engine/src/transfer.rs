//! From the config's words to those of the fetch crate.

use std::rc::Rc;
use std::time::Duration;

use pilotlight_core::dataurl;
use pilotlight_core::model::{Config, FetchOptions, Resource, Scheme};
use pilotlight_fetch::{ACCEPT_CONFIG, Client, ClientConfig, Proxy, Request};
use pilotlight_providers::{Platform, metal};

use crate::credentials::{self, OfMachine};
use crate::oem;

/// Fetch settings of a config, with the PEM texts of its authorities. `bound` is the total time where the
/// config says nothing about it. `platform` gives what stores are shown.
pub fn client_config(
    options: &FetchOptions,
    authorities: Vec<Vec<u8>>,
    bound: Option<Duration>,
    platform: Option<Platform>,
) -> ClientConfig {
    let default = ClientConfig::default();
    // The specification's 0 is "for ever"; the fetch crate wants a bound where it has no Option.
    let forever = Duration::from_secs(u64::from(u32::MAX));
    ClientConfig {
        response_header_timeout: match options.response_header_timeout {
            None => default.response_header_timeout,
            Some(0) => forever,
            Some(seconds) => Duration::from_secs(seconds),
        },
        total_timeout: match options.total_timeout {
            None => bound,
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds)),
        },
        proxy: Proxy {
            http: options.http_proxy.clone(),
            https: options.https_proxy.clone(),
            no_proxy: options.no_proxy.clone(),
        },
        extra_ca_pem: authorities,
        credentials: Some(Rc::new(OfMachine { platform })),
        s3_endpoint: credentials::s3_endpoint(),
        ..default
    }
}

/// The request that a resource stands for. The error says why there can be none.
pub fn request(resource: &Resource) -> Result<Request, String> {
    let url = match resource.scheme {
        Scheme::Oem => oem::data_url(&resource.url, metal::OEM_DIRECTORIES)?,
        _ => resource.url.to_string(),
    };
    let mut request = Request::new(url);
    request.accept = Some(ACCEPT_CONFIG.into());
    request.headers = resource.headers.clone();
    request.compression = resource.compression;
    request.verify = resource.digest;
    Ok(request)
}

/// A client with the merged config's settings, whose authorities are all `data:` URLs by now.
pub fn client(config: &Config, platform: Option<Platform>) -> Result<Client, String> {
    let authorities = config
        .fetch
        .certificate_authorities
        .iter()
        .map(|resource| dataurl::decode(&resource.url).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let settings = client_config(&config.fetch, authorities, None, platform);
    Ok(Client::new(settings))
}
