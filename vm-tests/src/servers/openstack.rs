//! OpenStack's metadata service.

use serde_json::json;

use super::{Facts, Request, Response, Service};

/// The service.
pub struct Openstack(pub Facts);

impl Service for Openstack {
    fn answer(&mut self, request: &Request) -> Response {
        if request.method != "GET" {
            return Response::status(405);
        }
        let facts = &self.0;
        let keys = facts.keys.iter().enumerate();
        match request.path().trim_start_matches("/openstack/latest/") {
            "user_data" => Response::found(facts.user_data.clone()),
            "meta_data.json" => Response::ok(
                json!({
                    "uuid": "83679162-1378-4288-a2d4-70e13ec132aa",
                    "name": facts.host_name.split('.').next(),
                    "hostname": facts.host_name,
                    "availability_zone": "nova",
                    "public_keys": keys
                        .map(|(number, key)| (format!("key-{number}"), format!("{key}\n").into()))
                        .collect::<serde_json::Map<_, _>>(),
                    "meta": {},
                })
                .to_string(),
            ),
            "network_data.json" => Response::ok(r#"{"links":[],"networks":[],"services":[]}"#),
            _ => Response::status(404),
        }
    }
}
