//! Hetzner Cloud's metadata service.

use super::{Facts, Request, Response, Service};

/// The service.
pub struct Hetzner(pub Facts);

impl Service for Hetzner {
    fn answer(&mut self, request: &Request) -> Response {
        if request.method != "GET" {
            return Response::status(405);
        }
        let facts = &self.0;
        let name = &facts.host_name;
        match request.path() {
            "/hetzner/v1/userdata" => Response::found(facts.user_data.clone()),
            "/hetzner/v1/metadata" => {
                let keys = facts.keys.iter().map(|key| format!("- {key}\n"));
                Response::ok(format!(
                    "availability-zone: fsn1-dc14\nhostname: {name}\ninstance-id: 1234567\n\
                     public-ipv4: 203.0.113.7\npublic-keys:\n{}region: eu-central\n",
                    keys.collect::<String>()
                ))
            }
            "/hetzner/v1/metadata/hostname" => Response::ok(name.as_str()),
            "/hetzner/v1/metadata/instance-id" => Response::ok("1234567"),
            "/hetzner/v1/metadata/region" => Response::ok("eu-central"),
            "/hetzner/v1/metadata/availability-zone" => Response::ok("fsn1-dc14"),
            "/hetzner/v1/metadata/public-ipv4" => Response::ok("203.0.113.7"),
            "/hetzner/v1/metadata/public-keys" => {
                Response::ok(serde_json::json!(facts.keys).to_string())
            }
            _ => Response::status(404),
        }
    }
}
