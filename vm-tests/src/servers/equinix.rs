//! Equinix Metal's metadata over TLS, and where machines tell their events.

use serde_json::{Value, json};

use super::{Facts, Request, Response, Service};

/// Named in the metadata.
pub const EVENTS_HOST: &str = "tinkerbell.sv15.packet.net";

/// Metadata and user data.
pub struct Metadata(pub Facts);

impl Metadata {
    fn document(&self) -> Value {
        let address =
            |family: u8, public: bool, address: &str, netmask: &str, cidr: u8, gateway: &str| {
                json!({
                    "id": format!("id-of-{address}"), "address_family": family, "public": public,
                    "management": true, "enabled": true, "address": address, "netmask": netmask,
                    "cidr": cidr, "gateway": gateway,
                })
            };
        json!({
            "id": "4a2f5a0c-2f3d-4c6b-9d2e-1f0b7c8d9e0f",
            "hostname": self.0.host_name,
            "iqn": "iqn.2021-01.net.packet:device.4a2f5a0c",
            "operating_system": { "slug": "custom_ipxe" },
            "plan": "c3.small.x86",
            "class": "c3.small.x86",
            "facility": "sv15",
            "metro": "sv",
            "tags": ["a"],
            "ssh_keys": self.0.keys,
            "customdata": {},
            "network": {
                "bonding": { "mode": 4, "link_aggregation": "bonded", "mac": crate::network::MAC },
                "interfaces": [{ "name": "eth0", "mac": crate::network::MAC, "bond": "bond0" }],
                "addresses": [
                    address(4, true, "198.51.100.3", "255.255.255.254", 31, "198.51.100.2"),
                    address(6, true, "2001:db8:1::3", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 127, "2001:db8:1::2"),
                    address(4, false, "10.70.1.3", "255.255.255.254", 31, "10.70.1.2"),
                ],
            },
            "bgp_neighbors": [],
            "phone_home_url": format!("http://{EVENTS_HOST}/phone-home"),
            "user_state_url": format!("http://{EVENTS_HOST}/events"),
            "api_url": "https://metadata.packet.net",
        })
    }
}

impl Service for Metadata {
    fn answer(&mut self, request: &Request) -> Response {
        // The service gives JSON or text whatever is asked for, and refuses who asks for neither.
        let accept = request.header("accept").unwrap_or("*/*");
        if !accept.split([',', ';']).any(|kind| kind.trim() == "*/*") {
            return Response::status(406);
        }
        match (request.method.as_str(), request.path()) {
            ("GET", "/metadata") => {
                Response::ok(self.document().to_string()).header("Content-Type", "application/json")
            }
            ("GET", "/userdata") => Response::found(self.0.user_data.clone()),
            ("GET", _) => Response::status(404),
            _ => Response::status(405),
        }
    }
}

/// Events and the call home.
pub struct Events;

impl Service for Events {
    fn answer(&mut self, request: &Request) -> Response {
        if request.method != "POST" {
            return Response::status(405);
        }
        match request.path() {
            "/phone-home" => Response::ok(""),
            "/events" if is_event(&request.body) => Response::ok(""),
            "/events" => Response::status(422),
            _ => Response::status(404),
        }
    }
}

/// State, code and message as the service knows them.
fn is_event(body: &[u8]) -> bool {
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let known = ["running", "succeeded", "failed"];
    event["state"]
        .as_str()
        .is_some_and(|state| known.contains(&state))
        && event["code"]
            .as_u64()
            .is_none_or(|code| (1000..1100).contains(&code))
        && event["message"].is_string()
}

#[cfg(test)]
mod tests {
    use super::{Events, Metadata};
    use crate::servers::{Facts, Request, Service};

    fn ask(service: &mut dyn Service, method: &str, target: &str, accept: &str, body: &str) -> u16 {
        service
            .answer(&Request {
                method: method.to_owned(),
                target: target.to_owned(),
                headers: [("accept".to_owned(), accept.to_owned())].into(),
                body: body.into(),
            })
            .status
    }

    #[test]
    fn metadata_are_not_acceptable_to_everybody() {
        let mut metadata = Metadata(Facts {
            user_data: None,
            host_name: "node".to_owned(),
            keys: Vec::new(),
            forwarded: Vec::new(),
            secondary: Vec::new(),
            token_uses: None,
        });
        assert_eq!(ask(&mut metadata, "GET", "/metadata", "*/*", ""), 200);
        assert_eq!(
            ask(
                &mut metadata,
                "GET",
                "/metadata",
                "application/x, */*;q=0.1",
                ""
            ),
            200
        );
        assert_eq!(
            ask(
                &mut metadata,
                "GET",
                "/metadata",
                "application/vnd.coreos.ignition+json",
                ""
            ),
            406
        );
        assert_eq!(ask(&mut metadata, "GET", "/userdata", "*/*", ""), 404);
    }

    #[test]
    fn an_event_has_a_state_a_code_and_a_message() {
        let mut events = Events;
        let mut event = |body: &str| ask(&mut events, "POST", "/events", "*/*", body);
        assert_eq!(
            event(r#"{"state":"running","code":1000,"message":"m"}"#),
            200
        );
        assert_eq!(event(r#"{"state":"good","code":1000,"message":"m"}"#), 422);
        assert_eq!(event(r#"{"state":"failed","code":7,"message":"m"}"#), 422);
        assert_eq!(event("m"), 422);
    }
}
