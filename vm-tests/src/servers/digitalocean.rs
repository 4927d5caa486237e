//! DigitalOcean's metadata service.

use serde_json::json;

use super::{Facts, Request, Response, Service};

/// The service.
pub struct Digitalocean(pub Facts);

impl Service for Digitalocean {
    fn answer(&mut self, request: &Request) -> Response {
        if request.method != "GET" {
            return Response::status(405);
        }
        let facts = &self.0;
        let data = facts.user_data.as_deref();
        match request.path() {
            "/metadata/v1.json" => Response::ok(
                json!({
                    "droplet_id": 2_756_294,
                    "hostname": facts.host_name,
                    "region": "fra1",
                    "public_keys": facts.keys,
                    "tags": ["web"],
                    "user_data": data.map(String::from_utf8_lossy),
                    "dns": { "nameservers": ["10.0.2.2"] },
                    "interfaces": { "public": [{
                        "mac": crate::network::MAC,
                        "type": "public",
                        "ipv4": { "ip_address": "10.0.2.50", "netmask": "255.255.255.0", "gateway": "10.0.2.2" },
                    }] },
                })
                .to_string(),
            ),
            "/metadata/v1/user-data" => Response::found(facts.user_data.clone()),
            "/metadata/v1/hostname" => Response::ok(facts.host_name.as_str()),
            "/metadata/v1/id" => Response::ok("2756294"),
            "/metadata/v1/region" => Response::ok("fra1"),
            "/metadata/v1/public-keys" => Response::ok(facts.keys.join("\n")),
            _ => Response::status(404),
        }
    }
}
