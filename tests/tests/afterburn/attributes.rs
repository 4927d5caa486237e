//! The files of attributes, platform by platform, with the host name and the keys.

use std::time::Duration;

use pilotlight_core::http::Reply;
use pilotlight_providers::{Ask, DeviceFiles, Found, FwCfg, Host, HostError, Platform};
use pilotlight_tests::Answer;
use pilotlight_tests::faults::{Act, Asked, Authority, Web, isolated, tls};

use crate::{Scratch, recorded, services, sorted};

type Service = fn(&Asked) -> Act;

/// Platforms that both know, with their services and the machine's name. Equinix Metal has a name and a certificate,
/// see below.
const PLATFORMS: [(&str, Service, &str); 6] = [
    ("aws", services::aws, "ip-10-0-0-9.xx-land-1.example"),
    ("azure", services::azure, "vm-a"),
    ("digitalocean", services::digitalocean, "drop-1"),
    ("gcp", services::gcp, "vm-a.c.example.internal"),
    ("hetzner", services::hetzner, "server-1"),
    ("openstack", services::openstack, "vm-2.cloud.example"),
];

/// Lines that only Afterburn writes, with the reason.
const NOT_OURS: [(&str, &str, &str); 2] = [
    (
        "aws",
        "AFTERBURN_AWS_PUBLIC_HOSTNAME=",
        "what is empty is not there: systemd expands both to nothing, and a test for the variable is true for both",
    ),
    ("openstack", "AFTERBURN_OPENSTACK_IPV4_PUBLIC=", "the same"),
];

/// Lines that only pilotlight writes, with the reason.
const OURS_ALONE: [(&str, &str, &str); 1] = [(
    "azure",
    "AFTERBURN_AZURE_IPV4_VIRTUAL=203.0.113.4",
    "Afterburn documents it, but 5.11 looks for an element where the wireserver has an attribute, and \
     never finds it; the metadata service has the address, too",
)];

/// The attributes that a program writes on a platform. The host name and the keys are the same in any case.
fn written(
    (platform, service, name): (&str, Service, &str),
    run: fn(&Scratch, &[&str]) -> Answer,
) -> String {
    let addresses = [services::LINK, services::WIRESERVER].map(|address| format!("{address}/32"));
    let mut files = isolated(&addresses.each_ref().map(String::as_str), || {
        let _link = Web::start(&format!("{}:80", services::LINK), service);
        let _wire = Web::start(
            &format!("{}:80", services::WIRESERVER),
            services::wireserver,
        );
        let scratch = Scratch::make();
        let jobs = [
            "--attributes=attributes",
            "--hostname=hostname",
            "--ssh-keys=root",
        ];
        let answer = run(&scratch, &[&["--provider", platform], &jobs[..]].concat());
        assert_eq!(answer.code, Some(0), "{platform}: {answer:?}");
        scratch.written()
    });
    let file = |name: &str, text: String| (name.to_string(), text);
    let attributes = files.remove(1).1;
    assert_eq!(
        files,
        [
            file(
                "root/.ssh/authorized_keys.d/afterburn",
                format!("{}\n", services::KEY)
            ),
            file("work/hostname", format!("{name}\n")),
        ],
        "{platform}"
    );
    attributes
}

/// The peer's lines without those that are not ours, and with those that are ours alone.
fn expected(platform: &str, theirs: &str) -> String {
    let mut lines: Vec<&str> = theirs.lines().collect();
    for (_, line, why) in NOT_OURS.iter().filter(|known| known.0 == platform) {
        let at = lines.iter().position(|known| known == line);
        lines.remove(at.unwrap_or_else(|| panic!("{platform}: {line:?} is no difference ({why})")));
    }
    for (_, line, why) in OURS_ALONE.iter().filter(|known| known.0 == platform) {
        assert!(
            !lines.contains(line),
            "{platform}: {line:?} is no difference ({why})"
        );
        lines.push(line);
    }
    sorted(&lines.join("\n"))
}

#[test]
fn the_same_lines_are_written() {
    for of in PLATFORMS {
        let (platform, ..) = of;
        let ours = written(of, |scratch, line| scratch.ours(line));
        let theirs = recorded(&format!("{platform}.env"), None);
        println!("-- {platform}, Afterburn:\n{theirs}-- {platform}, pilotlight:\n{ours}");
        assert_eq!(ours, expected(platform, &theirs), "{platform}");
    }
}

#[test]
#[ignore = "needs Afterburn: make peers"]
fn the_peer_writes_what_was_recorded() {
    for of in PLATFORMS {
        let (platform, ..) = of;
        let theirs = written(of, |scratch, line| scratch.peer(line));
        assert_eq!(
            recorded(&format!("{platform}.env"), Some(&theirs)),
            theirs,
            "{platform}"
        );
    }
    let theirs = isolated(&[&format!("{}/32", services::PACKET)], || {
        let authority = Authority::new("test");
        let identity = authority.issue(&["metadata.packet.net"], false);
        let address = format!("{}:443", services::PACKET);
        let _web = Web::start_tls(&address, tls(&identity), services::packet);
        let scratch = Scratch::make();
        std::fs::write(scratch.path("authority.pem"), authority.pem()).unwrap();
        let answer = scratch.peer(&["--provider", "packet", "--attributes", "attributes"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        scratch.written()[0].1.clone()
    });
    assert_eq!(recorded("packet.env", Some(&theirs)), theirs);
}

/// A machine whose only server has one document. pilotlight trusts the authorities that it is built with, none of
/// which a test can be: so what it makes of the document is compared, without the wire.
struct Document(String);

impl Host for Document {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn seconds(&self) -> u64 {
        0
    }
    fn read_file(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn has_fw_cfg(&self) -> FwCfg {
        FwCfg::Absent
    }
    fn fw_cfg(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    async fn device_files(&self, _: &DeviceFiles<'_>) -> Result<Option<Found>, HostError> {
        Ok(None)
    }
    async fn raw_device(&self, _: &str, _: Duration) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn load_module(&self, _: &str) {}
    fn hyperv_pairs(&self) -> Result<Vec<(String, String)>, HostError> {
        Ok(Vec::new())
    }
    fn guest_property(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn guestinfo(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    async fn http(&self, ask: &Ask) -> Result<Reply, HostError> {
        assert_eq!(ask.url, "https://metadata.packet.net/metadata");
        Ok(Reply {
            status: 200,
            headers: Vec::new(),
            body: self.0.clone().into_bytes(),
        })
    }
}

#[test]
fn equinix_metals_document_gives_the_same_lines() {
    let host = Document(services::packet_document());
    let mut asked = std::pin::pin!(Platform::Packet.metadata(&host));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(said) = asked.as_mut().poll(&mut context) else {
        panic!("nothing here waits");
    };
    let lines = said.unwrap().unwrap().attribute_lines();
    assert_eq!(sorted(&lines), recorded("packet.env", None));
}
