//! What the machine shows to stores: keys of its environment, or those that its platform gives it.

use pilotlight_fetch::{Asked, AwsKeys, Credentials, Token};
use pilotlight_providers::Platform;

/// The server that speaks S3 in place of AWS's, as AWS's own tools are told of it.
pub fn s3_endpoint() -> Option<String> {
    variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The credentials of this machine. Nothing is asked before a store is.
pub struct OfMachine {
    /// The platform whose metadata service has them; without one, only the environment has.
    pub platform: Option<Platform>,
}

impl Credentials for OfMachine {
    fn aws(&self) -> Asked<'_, AwsKeys> {
        Box::pin(async {
            let keys = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
            Ok(keys.map(|(id, secret)| AwsKeys {
                id,
                secret,
                token: variable("AWS_SESSION_TOKEN"),
            }))
        })
    }

    fn aws_region(&self) -> Asked<'_, String> {
        Box::pin(async { Ok(variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"))) })
    }

    fn gcp(&self) -> Asked<'_, Token> {
        Box::pin(async { Ok(None) })
    }

    fn azure(&self, _resource: &'static str) -> Asked<'_, Token> {
        Box::pin(async { Ok(None) })
    }
}

/// A variable of the agent's environment; an empty one is none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
