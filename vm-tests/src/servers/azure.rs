//! Azure's instance metadata service, and the wireserver that virtual machines report to.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Facts, Request, Response, Service};

/// The oldest version of the API that knows user data.
const USER_DATA_SINCE: &str = "2021-01-01";

/// The metadata service.
pub struct Imds(pub Facts);

impl Imds {
    fn compute(&self) -> Value {
        let facts = &self.0;
        let key = |key: &String| {
            json!({
                // Azure wraps what users paste.
                "keyData": format!("{key}\r\n"),
                "path": "/home/core/.ssh/authorized_keys",
            })
        };
        let user_data = facts.user_data.as_deref().unwrap_or_default();
        json!({
            "name": facts.host_name,
            "osProfile": { "adminUsername": "core", "computerName": facts.host_name },
            "publicKeys": facts.keys.iter().map(key).collect::<Vec<_>>(),
            "userData": base64::engine::general_purpose::STANDARD.encode(user_data),
            "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
            "vmSize": "Standard_B2s",
            "location": "westeurope",
            "zone": "1",
            "tags": "",
            "tagsList": [],
            "platformFaultDomain": "0",
            "platformUpdateDomain": "0",
            "vmScaleSetName": "",
            "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v",
            "subscriptionId": "s",
        })
    }

    fn instance(&self) -> Value {
        let own = std::iter::once("10.0.2.50");
        let all = own.chain(self.0.secondary.iter().map(String::as_str));
        let addresses: Vec<Value> = all
            .map(|ip| json!({ "privateIpAddress": ip, "publicIpAddress": "" }))
            .collect();
        json!({
            "compute": self.compute(),
            "network": { "interface": [{
                "macAddress": crate::network::MAC.replace(':', "").to_uppercase(),
                "ipv4": {
                    "ipAddress": addresses,
                    "subnet": [{ "address": "10.0.2.0", "prefix": "24" }],
                },
                "ipv6": { "ipAddress": [] },
            }] },
        })
    }
}

impl Service for Imds {
    fn answer(&mut self, request: &Request) -> Response {
        let flag = request.header("metadata").map(str::to_ascii_lowercase);
        let version = request.parameter("api-version").unwrap_or_default();
        if flag.as_deref() != Some("true")
            || request.header("x-forwarded-for").is_some()
            || version.is_empty()
        {
            return Response::status(400);
        }
        if request.method != "GET" {
            return Response::status(405);
        }
        let Some(path) = request.path().strip_prefix("/metadata/instance") else {
            return Response::status(404);
        };
        if path.ends_with("/userData") && version < USER_DATA_SINCE {
            return Response::status(404);
        }
        let Some(value) = self.instance().pointer(path.trim_end_matches('/')).cloned() else {
            return Response::status(404);
        };
        match (request.parameter("format"), &value) {
            (Some("text"), Value::String(text)) => Response::ok(text.as_str()),
            // Text is for leaves alone.
            (Some("text"), _) => Response::status(400),
            _ => Response::ok(value.to_string()).header("Content-Type", "application/json"),
        }
    }
}

/// The wireserver; what is reported is in the record.
pub struct Wireserver;

impl Service for Wireserver {
    fn answer(&mut self, request: &Request) -> Response {
        let version = request.header("x-ms-version");
        let path = request.path().trim_end_matches('/');
        match (request.method.as_str(), path, request.parameter("comp")) {
            ("GET", "", Some("versions")) => Response::ok(VERSIONS),
            (_, "/machine", _) if version != Some("2012-11-30") => Response::status(400),
            ("GET", "/machine", Some("goalstate")) => Response::ok(GOAL_STATE),
            ("POST", "/machine", Some("health")) if is_health(request) => Response::ok(""),
            ("POST", "/machine", Some("health")) => Response::status(400),
            ("GET" | "POST", ..) => Response::status(404),
            _ => Response::status(405),
        }
    }
}

const VERSIONS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Versions><Preferred>\
    <Version>2015-04-05</Version></Preferred><Supported><Version>2015-04-05</Version>\
    <Version>2012-11-30</Version></Supported></Versions>";
const GOAL_STATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
    <GoalState xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
    <Version>2012-11-30</Version><Incarnation>7</Incarnation>\
    <Machine><ExpectedState>Started</ExpectedState></Machine>\
    <Container><ContainerId>container-a</ContainerId><RoleInstanceList><RoleInstance>\
    <InstanceId>instance-b</InstanceId><State>Started</State><Configuration>\
    <SharedConfig>http://168.63.129.16:80/machine/container-a/instance-b?comp=config&amp;type=sharedConfig\
    </SharedConfig></Configuration></RoleInstance></RoleInstanceList></Container></GoalState>";

/// A report on this very instance.
fn is_health(request: &Request) -> bool {
    let xml = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/xml"));
    let body = String::from_utf8_lossy(&request.body);
    let named = [
        "<GoalStateIncarnation>7</GoalStateIncarnation>",
        "<ContainerId>container-a</ContainerId>",
        "<InstanceId>instance-b</InstanceId>",
    ];
    xml && named.iter().all(|part| body.contains(part))
}

#[cfg(test)]
mod tests {
    use super::{Imds, Wireserver};
    use crate::servers::{Facts, Request, Response, Service};

    fn ask(
        service: &mut dyn Service,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        service.answer(&Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.iter().map(owned).collect(),
            body: body.into(),
        })
    }

    #[test]
    fn metadata_want_their_header_and_version() {
        let mut imds = Imds(Facts {
            user_data: Some(b"user data".to_vec()),
            host_name: "node".to_owned(),
            keys: vec!["ssh-ed25519 AAAA".to_owned()],
            forwarded: Vec::new(),
            secondary: Vec::new(),
            token_uses: None,
        });
        let flag = [("metadata", "true")];
        let data = "/metadata/instance/compute/userData?format=text&api-version=";
        assert_eq!(
            ask(&mut imds, "GET", &format!("{data}2021-01-01"), &[], "").status,
            400
        );
        assert_eq!(
            ask(&mut imds, "GET", &format!("{data}2019-06-01"), &flag, "").status,
            404
        );
        let answer = ask(&mut imds, "GET", &format!("{data}2021-01-01"), &flag, "");
        assert_eq!(answer, Response::ok("dXNlciBkYXRh"));
        let keys = "/metadata/instance/compute/publicKeys?api-version=2021-02-01";
        let answer = ask(&mut imds, "GET", keys, &flag, "");
        assert_eq!(
            String::from_utf8_lossy(&answer.body),
            r#"[{"keyData":"ssh-ed25519 AAAA\r\n","path":"/home/core/.ssh/authorized_keys"}]"#
        );
        assert_eq!(
            ask(&mut imds, "GET", "/metadata/instance", &flag, "").status,
            400
        );
    }

    #[test]
    fn a_report_names_what_the_goal_state_named() {
        let version = ("x-ms-version", "2012-11-30");
        let kind = ("content-type", "text/xml; charset=utf-8");
        let health = "/machine/?comp=health";
        let report = "<Health><GoalStateIncarnation>7</GoalStateIncarnation><Container>\
            <ContainerId>container-a</ContainerId><InstanceId>instance-b</InstanceId></Container></Health>";
        let mut server = Wireserver;
        let goal = "/machine/?comp=goalstate";
        assert_eq!(ask(&mut server, "GET", goal, &[], "").status, 400);
        assert_eq!(ask(&mut server, "GET", goal, &[version], "").status, 200);
        assert_eq!(
            ask(&mut server, "POST", health, &[version, kind], report).status,
            200
        );
        assert_eq!(
            ask(&mut server, "POST", health, &[version], report).status,
            400
        );
        let other = report.replace('7', "8");
        assert_eq!(
            ask(&mut server, "POST", health, &[version, kind], &other).status,
            400
        );
    }
}
