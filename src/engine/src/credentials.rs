//! What the machine shows to stores: keys of its environment, or those that its platform gives it.

use pilotlight_fetch::{Asked, AwsKeys, Credentials, Token};
use pilotlight_host::{
    Machine, aws_region, aws_role_credentials, azure_access_token, gcp_access_token,
};
use pilotlight_providers::{HostError, Platform};

/// The server that speaks S3 in place of AWS's, as AWS's own tools are told of it.
pub fn s3_endpoint() -> Option<String> {
    variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The credentials of this machine. Nothing is asked before a store is.
pub struct OfMachine {
    /// The platform whose metadata service has them; without one, only the environment has.
    pub platform: Option<Platform>,
}

impl OfMachine {
    /// The machine, if it is on this platform.
    fn on(&self, platform: Platform) -> Option<Machine> {
        // The bound of the fetch that asks for credentials is theirs as well.
        (self.platform == Some(platform)).then(|| Machine::new(true, None))
    }
}

impl Credentials for OfMachine {
    fn aws(&self) -> Asked<'_, AwsKeys> {
        Box::pin(async {
            let keys = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
            if let Some((id, secret)) = keys {
                let token = variable("AWS_SESSION_TOKEN");
                return Ok(Some(AwsKeys { id, secret, token }));
            }
            let Some(machine) = self.on(Platform::Aws) else {
                return Ok(None);
            };
            let role = said(aws_role_credentials(&machine).await)?;
            Ok(role.map(|role| AwsKeys {
                id: role.access_key,
                secret: role.secret_key,
                token: Some(role.token),
            }))
        })
    }

    fn aws_region(&self) -> Asked<'_, String> {
        Box::pin(async {
            let named = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
            match self.on(Platform::Aws) {
                Some(machine) if named.is_none() => said(aws_region(&machine).await),
                _ => Ok(named),
            }
        })
    }

    fn gcp(&self) -> Asked<'_, Token> {
        Box::pin(async {
            Ok(match self.on(Platform::Gcp) {
                Some(machine) => said(gcp_access_token(&machine).await)?.map(Token),
                None => None,
            })
        })
    }

    fn azure(&self, resource: &'static str) -> Asked<'_, Token> {
        Box::pin(async move {
            Ok(match self.on(Platform::Azure) {
                Some(machine) => said(azure_access_token(&machine, resource).await)?.map(Token),
                None => None,
            })
        })
    }
}

/// A provider's answer; its error in the words of a fetch.
fn said<T>(answer: Result<T, HostError>) -> Result<T, String> {
    answer.map_err(|error| format!("while asking the platform for credentials: {error}"))
}

/// A variable of the agent's environment; an empty one is none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
