//! The network that a platform wants, asked for again and again while the machine runs.
//!
//! What a platform says is one JSON text, a [`Said`]: it is kept for the time when the platform does not answer,
//! shown to people, and planned on by `oem plan`. What it means is decided by the platform's own file.

pub use crate::said::{Cursor, PolicySwitches, Rhythm, Said};
pub use crate::switches::Switches;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;
    use crate::transcript::{Transcript, now};
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
