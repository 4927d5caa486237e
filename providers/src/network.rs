//! The network that a platform wants, asked for again and again while the machine runs.
//!
//! What a platform says is one JSON text, a [`Said`]: it is kept for the time when the platform does not answer,
//! shown to people, and planned on by `oem plan`. What it means is decided by the platform's own file.

pub use crate::said::{Cursor, PolicySwitches, Rhythm, Said};
pub use crate::switches::Switches;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};
    use crate::{
        Platform, digitalocean_network, hetzner_network, openstack_network, vmware_network,
    };
    use pilotlight_core::model::Metadata;
    use pilotlight_core::net::Actual;

    #[test]
    fn the_network_alone_is_kept() {
        let said = r#"{"instance": {"attributes": {"user-data": "secret", "disable-address-manager": "true"},
            "networkInterfaces": [{"mac": "42:01:0a:80:00:0d"}]}, "project": {"attributes": {"ssh-keys": "k"}}}"#;
        assert_eq!(
            Platform::Gcp.kept(said).unwrap(),
            r#"{"instance":{"attributes":{"disable-address-manager":"true"},"networkInterfaces":[{"mac":"42:01:0a:80:00:0d"}]}}"#
        );
        let said = r#"{"user_data": "secret", "interfaces": {"public": []}}"#;
        let kept = Platform::DigitalOcean.kept(said);
        assert_eq!(kept.unwrap(), r#"{"interfaces":{"public":[]}}"#);
        assert_eq!(Platform::Gcp.kept("{"), None);
    }

    /// The units of what the metadata are after the way from one stage to the next, with the names of their files.
    fn units(platform: Platform, host: &Transcript) -> (Vec<(String, String)>, String) {
        let said = now(platform.metadata(host)).unwrap().unwrap();
        let text = serde_json::to_string(&said).unwrap();
        let (units, left_out) = platform.networkd_units(&serde_json::from_str(&text).unwrap());
        assert_eq!(left_out, []);
        assert!(!units.is_empty(), "{text}");
        (units, text)
    }

    #[test]
    fn units_are_those_of_the_platforms_own_words() {
        let body = |transcript: &'static str, url: &str| -> &'static str {
            let rest = transcript.split_once(url).unwrap().1;
            let rest = rest.split_once("< 200\n").unwrap().1;
            rest.split("\n> ").next().unwrap()
        };
        let of = |platform, transcript: &str| {
            // The first request is for the user config.
            let rest = transcript.split_once("\n> ").unwrap().1;
            units(platform, &Transcript::of(&format!("> {rest}"))).0
        };
        let transcript = include_str!("../testdata/digitalocean.txt");
        let (own, _) = digitalocean_network::networkd_units(body(transcript, "v1.json"));
        assert_eq!(of(Platform::DigitalOcean, transcript), own);
        let transcript = include_str!("../testdata/openstack.txt");
        let broken = "\n  {\"id\": \"network1\", \"type\": \"ipv4_dhcp\", \"link\": \"tap1\"}";
        let transcript: &'static str = transcript.replace(&format!(",{broken}"), "").leak();
        let (own, _) = openstack_network::networkd_units(body(transcript, "network_data.json"));
        assert_eq!(of(Platform::OpenStack, transcript), own);
        let transcript = include_str!("../testdata/hetzner.txt");
        let config = body(transcript, "network-config");
        // As the service answers: the transcript's lists are in part for another reader.
        let usual = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: 96:00:00:00:00:01\n  \
            subnets:\n  - {type: dhcp, ipv4: true}\n  - {type: static, ipv6: true, address: 2001:db8:30::1/64, \
            gateway: fe80::1}";
        let private = "- {ip: 10.0.0.2, mac_address: 86:00:00:00:00:02, alias_ips: [10.0.0.9]}";
        let given = body(transcript, "private-networks");
        let transcript = transcript.replace(config, usual).replace(given, private);
        let (own, _) = hetzner_network::networkd_units(&hetzner_network::Said {
            network_config: usual,
            private_networks: Some(private),
        });
        assert_eq!(of(Platform::Hetzner, &transcript), own);
    }

    #[test]
    fn of_guestinfo_the_network_alone_is_taken() {
        let machine = crate::vmware_network_tests::MACHINE;
        let (own, _) = vmware_network::networkd_units(machine);
        let secret = format!("{machine}password: hunter2\n");
        let inner: &'static str = secret.leak();
        let host = |guestinfo| Transcript {
            guestinfo,
            ..Transcript::default()
        };
        let (made, kept) = units(Platform::VmWare, &host(vec![("metadata", inner)]));
        assert_eq!(made, own);
        assert!(!kept.contains("hunter2"), "{kept}");
        // {"network": {"version":2,"ethernets":{"a":{"match":{"macaddress":"00:50:56:00:00:01"},
        //  "addresses":["192.0.2.30/24"]}}}}
        let encoded = "eyJuZXR3b3JrIjogeyJ2ZXJzaW9uIjoyLCJldGhlcm5ldHMiOnsiYSI6eyJtYXRjaCI6eyJtYWNhZGRyZXNzIjoiMDA6NTA6NTY6MDA6MDA6MDEifSwiYWRkcmVzc2VzIjpbIjE5Mi4wLjIuMzAvMjQiXX19fX0=";
        let (made, _) = units(
            Platform::VmWare,
            &host(vec![("metadata", encoded), ("metadata.encoding", "base64")]),
        );
        assert!(made[0].1.contains("Address=192.0.2.30/24"), "{made:?}");
        // No network is none; what cannot be read is told, and not taken for none.
        for (text, has) in [
            ("instance-id: a\n", true),
            ("network:\n", true),
            ("a: [", false),
        ] {
            let said = now(Platform::VmWare.metadata(&host(vec![("metadata", text)])));
            assert_eq!(
                said.is_ok_and(|said| said.unwrap().network.is_none()),
                has,
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let said = Metadata {
            network: Some(r#"{"links": [{"id": "tap0", "type": "phy"}], "networks": []}"#.into()),
            ..Metadata::default()
        };
        let (units, left_out) = Platform::OpenStack.networkd_units(&said);
        assert_eq!(units, []);
        assert_eq!(left_out.len(), 1, "{left_out:?}");
    }

    /// The links that are wanted by what a platform answers.
    fn links(platform: Platform, transcript: &str) -> Vec<String> {
        let host = Transcript::of(transcript);
        let said = now(platform.network(&host, None)).unwrap().unwrap();
        host.is_used_up();
        let (desired, invalid) =
            platform.desired(&said.document, &Switches::default(), &Actual::default());
        assert_eq!(invalid, [], "{}", said.document);
        let links = desired.links().iter();
        links.map(|link| link.mac.to_string()).collect()
    }

    #[test]
    fn what_is_asked_is_what_is_read() {
        let azure = "> GET http://169.254.169.254/metadata/instance/network/interface?api-version=2021-12-13&format=json\n\
            > Metadata: true\n< 400\n\
            > GET http://169.254.169.254/metadata/instance/network/interface?api-version=2019-06-01&format=json\n\
            > Metadata: true\n< 200\n\
            [{\"macAddress\": \"002248000001\", \"ipv4\": {\"ipAddress\": [{\"privateIpAddress\": \"10.0.0.4\"}], \
            \"subnet\": [{\"address\": \"10.0.0.0\", \"prefix\": \"24\"}]}}]\n";
        assert_eq!(links(Platform::Azure, azure), ["00:22:48:00:00:01"]);
        let hetzner = "> GET http://169.254.169.254/hetzner/v1/metadata/network-config\n< 200\n\
            version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: 96:00:00:00:00:01\n  subnets:\n  \
            - ipv4: true\n    type: dhcp\n\
            > GET http://169.254.169.254/hetzner/v1/metadata/private-networks\n< 200\n[]\n";
        assert_eq!(links(Platform::Hetzner, hetzner), ["96:00:00:00:00:01"]);
        let openstack = "> GET http://169.254.169.254/openstack/latest/network_data.json\n< 200\n\
            {\"links\": [{\"id\": \"t\", \"type\": \"ovs\", \"ethernet_mac_address\": \"fa:16:3e:00:00:01\"}], \
            \"networks\": [], \"services\": []}\n";
        assert_eq!(links(Platform::OpenStack, openstack), ["fa:16:3e:00:00:01"]);
    }

    #[test]
    fn a_platform_without_such_a_service_is_not_asked() {
        for platform in Platform::ALL.iter().filter(|one| one.rhythm().is_none()) {
            let answer = now(platform.network(&Transcript::default(), None));
            assert!(matches!(answer, Ok(None)), "{}", platform.name());
        }
    }
}
