//! Metadata services with data of a made-up machine each.

use crate::faults::{Act, Asked, say};
use serde_json::json;

/// The address of nearly every metadata service.
pub const LINK: &str = "169.254.169.254";
/// The address of Azure's server for reports.
pub const WIRESERVER: &str = "168.63.129.16";
/// The address that the tests' name server has for Equinix Metal's service.
pub const PACKET: &str = "192.0.2.80";

/// A key whose other half is lost.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmkTfuPejK8ZPh1qGOkShcxeDgpOAhpcFU9wDtEs6vm me@example";

fn found(text: Option<impl AsRef<str>>) -> Act {
    match text {
        Some(text) => say("200 OK", &[], text.as_ref()),
        None => say("404 Not Found", &[], ""),
    }
}

/// Amazon EC2.
pub fn aws(asked: &Asked) -> Act {
    if asked.method == "PUT" {
        return found(Some("token"));
    }
    let item = asked.path.strip_prefix("/2021-01-03/").unwrap_or_default();
    let known = [
        (
            "dynamic/instance-identity/document",
            r#"{"region":"xx-land-1"}"#,
        ),
        ("meta-data/placement/region", "xx-land-1"),
        ("meta-data/placement/availability-zone", "xx-land-1b"),
        ("meta-data/placement/availability-zone-id", "xxl1-az2"),
        ("meta-data/hostname", "ip-10-0-0-9.xx-land-1.example"),
        // What a machine without public names has.
        ("meta-data/public-hostname", ""),
        ("meta-data/instance-id", "i-0123456789abcdef0"),
        ("meta-data/instance-type", "m9.large"),
        ("meta-data/local-ipv4", "10.0.0.9"),
        ("meta-data/public-ipv4", "203.0.113.9"),
        ("meta-data/ipv6", "2001:db8:9::9"),
        ("meta-data/public-keys", "0=mine"),
        ("meta-data/public-keys/0/openssh-key", KEY),
    ];
    found(
        known
            .iter()
            .find(|known| known.0 == item)
            .map(|known| known.1),
    )
}

/// Microsoft Azure.
pub fn azure(asked: &Asked) -> Act {
    let path = asked.path.strip_prefix("/metadata/instance");
    let (path, query) = path
        .and_then(|rest| rest.split_once('?'))
        .unwrap_or_default();
    let all = json!({
        "compute": {
            "name": "vm-a", "vmSize": "Standard_X2", "vmId": "id-a", "location": "land",
            "osProfile": {"computerName": "vm-a", "adminUsername": "ann"},
            "publicKeys": [{"keyData": format!("{KEY}\r\n"), "path": "/home/ann/.ssh/authorized_keys"}],
        },
        "network": {"interface": [{
            "macAddress": "001122AABBCC",
            "ipv4": {"subnet": [{"address": "10.1.0.0", "prefix": "24"}],
                "ipAddress": [{"privateIpAddress": "10.1.0.4", "publicIpAddress": "203.0.113.4"}]},
        }]},
    });
    let value = all.pointer(path);
    found(value.map(|value| match value.as_str() {
        Some(text) if query.contains("format=text") => text.to_string(),
        _ => value.to_string(),
    }))
}

/// Azure's server for reports.
pub fn wireserver(asked: &Asked) -> Act {
    let shared = "<SharedConfig><Incarnation instance=\"i-a\"/><Instances><Instance id=\"i-a\" address=\"10.1.0.4\">\
        <InputEndpoints><Endpoint loadBalancedPublicAddress=\"203.0.113.4:22\"/></InputEndpoints>\
        </Instance></Instances></SharedConfig>";
    found(match asked.path.as_str() {
        "/?comp=versions" => {
            Some("<Versions><Supported><Version>2012-11-30</Version></Supported></Versions>")
        }
        "/machine/?comp=goalstate" => Some(
            "<GoalState><Incarnation>7</Incarnation><Container><ContainerId>c-a</ContainerId><RoleInstanceList>\
             <RoleInstance><InstanceId>i-a</InstanceId><Configuration>\
             <SharedConfig>http://168.63.129.16/shared</SharedConfig></Configuration></RoleInstance>\
             </RoleInstanceList></Container></GoalState>",
        ),
        "/shared" => Some(shared),
        "/machine/?comp=health" => Some(""),
        _ => None,
    })
}

/// Google Compute Engine.
pub fn gcp(asked: &Asked) -> Act {
    let path = asked.path.strip_prefix("/computeMetadata/v1/");
    let machine = "projects/1234/machineTypes/e9-small";
    let text = match path.unwrap_or_default() {
        "instance/?recursive=true&alt=json" => Some(
            json!({
                "id": 77, "hostname": "vm-a.c.example.internal", "machineType": machine,
                "zone": "projects/1234/zones/land-east2-c",
                "attributes": {"ssh-keys": format!("ann:{KEY}")},
                "networkInterfaces": [{"mac": "42:01:0a:80:00:0d", "ip": "10.128.0.13",
                    "accessConfigs": [{"externalIp": "198.51.100.9", "type": "ONE_TO_ONE_NAT"}]}],
            })
            .to_string(),
        ),
        "project/attributes/?recursive=true&alt=json" => Some("{}".into()),
        "instance/hostname" => Some("vm-a.c.example.internal".into()),
        "instance/machine-type" => Some(machine.into()),
        "instance/network-interfaces/0/ip" => Some("10.128.0.13".into()),
        "instance/network-interfaces/0/access-configs/0/external-ip" => Some("198.51.100.9".into()),
        "instance/attributes/ssh-keys" => Some(format!("ann:{KEY}")),
        _ => None,
    };
    match text {
        Some(text) => say("200 OK", &["Metadata-Flavor: Google"], text),
        None => say("404 Not Found", &["Metadata-Flavor: Google"], ""),
    }
}

/// DigitalOcean.
pub fn digitalocean(asked: &Asked) -> Act {
    let all = json!({
        "droplet_id": 7, "hostname": "drop-1", "region": "sea9", "tags": ["web"], "public_keys": [KEY],
        "dns": {"nameservers": ["192.0.2.53"]},
        "interfaces": {
            "public": [{"mac": "04:01:2a:00:00:01", "type": "public",
                "ipv4": {"ip_address": "198.51.100.20", "netmask": "255.255.240.0", "gateway": "198.51.96.1"},
                "ipv6": {"ip_address": "2001:0db8:20:0::1", "cidr": 64, "gateway": "2001:db8:20::ff"},
                "anchor_ipv4": {"ip_address": "10.17.0.5", "netmask": "255.255.0.0", "gateway": "10.17.0.1"}}],
            "private": [{"mac": "04:01:2a:00:00:02", "type": "private",
                "ipv4": {"ip_address": "10.108.0.3", "netmask": "255.255.240.0", "gateway": "0.0.0.0"}}],
        },
    });
    found((asked.path == "/metadata/v1.json").then(|| all.to_string()))
}

/// Hetzner Cloud.
pub fn hetzner(asked: &Asked) -> Act {
    const NETWORK: &str = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: 96:00:00:00:00:01\n  \
        subnets:\n  - type: dhcp\n    ipv4: true\n  - type: static\n    address: 2001:db8:30:0::1/64\n    ipv6: true\n    \
        gateway: fe80::1\n";
    const PLAIN: [(&str, &str); 5] = [
        ("hostname", "server-1"),
        ("instance-id", "9000001"),
        ("public-ipv4", "203.0.113.30"),
        ("region", "xx-central"),
        ("availability-zone", "xx-dc1"),
    ];
    let path = asked.path.strip_prefix("/hetzner/v1/metadata");
    let path = path.unwrap_or("/").trim_start_matches('/');
    found(match path {
        "" => {
            let plain = PLAIN.iter().map(|(name, text)| format!("{name}: {text}\n"));
            let network = NETWORK.replace('\n', "\n  ");
            Some(plain.collect::<String>() + "network-config:\n  " + network.trim_end() + "\n")
        }
        "network-config" => Some(NETWORK.into()),
        "private-networks" => Some("- ip: 10.0.0.2\n  alias_ips: []\n- ip: 10.128.0.2\n".into()),
        "public-keys" => Some(json!([KEY]).to_string()),
        key => PLAIN
            .iter()
            .find(|known| known.0 == key)
            .map(|known| known.1.into()),
    })
}

/// OpenStack.
pub fn openstack(asked: &Asked) -> Act {
    let meta = json!({"uuid": "c0ffee00-0000-4000-8000-000000000002", "hostname": "vm-2.cloud.example",
        "public_keys": {"mine": KEY}});
    found(match asked.path.as_str() {
        "/openstack/latest/meta_data.json" | "/openstack/2012-08-10/meta_data.json" => {
            Some(meta.to_string())
        }
        "/latest/meta-data/hostname" => Some("vm-2.cloud.example".into()),
        "/latest/meta-data/instance-id" => Some("i-00000002".into()),
        "/latest/meta-data/instance-type" => Some("m1.small".into()),
        "/latest/meta-data/local-ipv4" => Some("10.0.3.7".into()),
        "/latest/meta-data/public-keys" => Some("0=mine".into()),
        "/latest/meta-data/public-keys/0/openssh-key" => Some(KEY.into()),
        // Without a floating address.
        "/latest/meta-data/public-ipv4" => Some(String::new()),
        _ => None,
    })
}

/// Equinix Metal's document.
pub fn packet_document() -> String {
    json!({
        "id": "u-1", "hostname": "m1", "iqn": "iqn.2021-01.example:u1", "plan": "c3.small.x86", "facility": "xx1",
        "tags": ["a"], "ssh_keys": [KEY], "phone_home_url": "http://192.0.2.80/phone-home", "error": null,
        "network": {
            "bonding": {"mode": 4},
            "interfaces": [{"name": "eth0", "mac": "0c:42:a1:00:00:01", "bond": "bond0"}],
            "addresses": [
                {"id": "a1", "address_family": 4, "public": true, "management": true, "enabled": true,
                 "address": "198.51.100.3", "netmask": "255.255.255.254", "cidr": 31, "gateway": "198.51.100.2"},
                {"id": "a2", "address_family": 6, "public": true, "management": true, "enabled": true,
                 "address": "2001:db8:5:0::3", "netmask": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "cidr": 127,
                 "gateway": "2001:db8:5:0::2"},
                {"id": "a3", "address_family": 4, "public": false, "management": true, "enabled": true,
                 "address": "10.70.1.3", "netmask": "255.255.255.254", "cidr": 31, "gateway": "10.70.1.2"},
            ],
        },
    })
    .to_string()
}

/// Equinix Metal.
pub fn packet(asked: &Asked) -> Act {
    found((asked.path == "/metadata").then(packet_document))
}
