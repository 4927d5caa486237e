//! Google Compute Engine's metadata server.

use serde_json::{Value, json};

use super::{Facts, Request, Response, Service};

/// The service.
pub struct Gcp(pub Facts);

impl Gcp {
    fn tree(&self) -> Value {
        let facts = &self.0;
        let keys = facts.keys.iter().map(|key| format!("core:{key}\n"));
        let mut attributes = json!({ "ssh-keys": keys.collect::<String>() });
        if let Some(data) = &facts.user_data {
            attributes["user-data"] = String::from_utf8_lossy(data).into();
        }
        json!({
            "instance": {
                "attributes": attributes,
                "hostname": facts.host_name,
                "name": facts.host_name.split('.').next(),
                "id": 5_234_567_890_123_456_789_u64,
                "machineType": "projects/123456/machineTypes/e2-small",
                "zone": "projects/123456/zones/europe-west3-a",
                "tags": ["web"],
                "image": "projects/p/global/images/i",
                "scheduling": { "preemptible": "FALSE" },
                "networkInterfaces": [{
                    "mac": crate::network::MAC,
                    "ip": "10.0.2.50",
                    "accessConfigs": [],
                    "forwardedIps": facts.forwarded,
                }],
            },
            "project": { "attributes": {}, "projectId": "p" },
        })
    }
}

/// `/instance/machine-type` → `/instance/machineType`: paths have hyphens where JSON has not.
fn camel_case(path: &str) -> String {
    let mut parts = path.split('-');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        whole.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        whole.push_str(letters.as_str());
    }
    whole
}

impl Service for Gcp {
    fn answer(&mut self, request: &Request) -> Response {
        let flavor = |response: Response| response.header("Metadata-Flavor", "Google");
        if request.path() == "/" {
            return flavor(Response::ok("computeMetadata/\n"));
        }
        if request.header("metadata-flavor") != Some("Google")
            || request.header("x-forwarded-for").is_some()
        {
            return Response::status(403);
        }
        if request.method != "GET" {
            return flavor(Response::status(405));
        }
        let path = request.path().strip_prefix("/computeMetadata/v1/");
        // Of the whole tree it is the empty one.
        let pointer = path.map(|path| match path.trim_end_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        });
        let tree = self.tree();
        let value = pointer.and_then(|pointer| {
            let found = tree.pointer(&pointer);
            found
                .or_else(|| tree.pointer(&camel_case(&pointer)))
                .cloned()
        });
        flavor(match value {
            None => Response::status(404),
            Some(Value::String(text)) if request.parameter("alt") != Some("json") => {
                Response::ok(text)
            }
            Some(Value::Number(number)) => Response::ok(number.to_string()),
            Some(value) if request.parameter("recursive") == Some("true") => {
                Response::ok(value.to_string()).header("Content-Type", "application/json")
            }
            // A directory lists its names, those of directories with a slash.
            Some(Value::Object(map)) => Response::ok(
                map.iter()
                    .map(|(name, value)| {
                        format!("{name}{}\n", if value.is_object() { "/" } else { "" })
                    })
                    .collect::<String>(),
            ),
            Some(Value::Array(list)) => Response::ok(
                (0..list.len())
                    .map(|number| format!("{number}/\n"))
                    .collect::<String>(),
            ),
            Some(value) => Response::ok(value.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Gcp;
    use crate::servers::{Facts, Request, Response, Service};

    #[test]
    fn flavor_is_asked_for_and_given() {
        let mut gcp = Gcp(Facts {
            user_data: Some(b"data".to_vec()),
            host_name: "node.zone.internal".to_owned(),
            keys: vec!["ssh-ed25519 AAAA".to_owned()],
            forwarded: Vec::new(),
            secondary: Vec::new(),
            token_uses: None,
        });
        let mut ask = |target: &str, flavor: Option<&str>| {
            let header = flavor.map(|flavor| ("metadata-flavor".to_owned(), flavor.to_owned()));
            gcp.answer(&Request {
                method: "GET".to_owned(),
                target: format!("/computeMetadata/v1/{target}"),
                headers: header.into_iter().collect(),
                body: Vec::new(),
            })
        };
        let good = |text: &str| Response::ok(text).header("Metadata-Flavor", "Google");
        let google = Some("Google");
        assert_eq!(ask("instance/attributes/user-data", None).status, 403);
        assert_eq!(ask("instance/attributes/user-data", google), good("data"));
        assert_eq!(ask("instance/name", google), good("node"));
        let machine = "projects/123456/machineTypes/e2-small";
        assert_eq!(ask("instance/machine-type", google), good(machine));
        let all = ask("instance/?recursive=true", google);
        let all = String::from_utf8_lossy(&all.body);
        assert!(all.contains(r#""machineType":"projects"#), "{all}");
        assert_eq!(
            ask("instance/attributes/", google),
            good("ssh-keys\nuser-data\n")
        );
        let missing = Response::status(404).header("Metadata-Flavor", "Google");
        assert_eq!(ask("project/attributes/ssh-keys", google), missing);
        let whole = ask("?recursive=true&alt=json", google);
        let whole = String::from_utf8_lossy(&whole.body);
        assert!(whole.contains(r#""forwardedIps":[]"#), "{whole}");
        let scheduling = ask("instance/scheduling/?recursive=true", google);
        assert_eq!(scheduling.body, br#"{"preemptible":"FALSE"}"#);
    }
}
