//! Platforms on real kernel objects: media with their file systems, and whole first boots with a platform's
//! servers on their own addresses. In user-mode Linux, whose kernel has what the host's may lack.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use pilotlight_sys::media::{self, Wanted, Which};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, FirstBoot, pilotlight, program, tool_with};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const META: &str = "openstack/latest/meta_data.json";
const DATA: &str = "openstack/latest/user_data";

/// A disc of these files, as the tool makes it, at the beginning of a disk's image.
fn disc(image: &Path, make: &[&str], files: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&dir.path().join("files").join(name), text);
    }
    let disc = dir.path().join("disc");
    let mut line = make.to_vec();
    let (files, out) = (dir.path().join("files"), disc.display().to_string());
    line.extend(["-o", &out, files.to_str().unwrap()]);
    tool_with(&line);
    let bytes = fs::read(&disc).unwrap();
    let mut image = fs::File::options().write(true).open(image).unwrap();
    image.write_all(&bytes).unwrap();
}

/// A device and the texts of its files.
type Texts = (String, Vec<Option<String>>);

#[test]
fn media_are_found_and_read_whatever_their_format() {
    let mut guest = Guest::new();
    let names = [8, 8, 8, 8, 4].map(|mib| guest.disk(mib));
    let [iso, udf, fat, ext, raw] = &names;
    guest.on_host(|| {
        let iso_tool = [
            "xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "config-2",
        ];
        disc(
            &guest.image(iso),
            &iso_tool,
            &[(META, "{}"), (DATA, "from iso")],
        );
        let udf_tool = ["genisoimage", "-quiet", "-udf", "-V", "provision"];
        disc(
            &guest.image(udf),
            &udf_tool,
            &[("ovf-env.xml", "<E/>"), ("CustomData.bin", "from udf")],
        );
        let (fat, ext) = (guest.image(fat), guest.image(ext));
        tool_with(&["mkfs.vfat", "-n", "IGNITION", fat.to_str().unwrap()]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.ign");
        write(&file, "from vfat");
        tool_with(&["mmd", "-i", fat.to_str().unwrap(), "::ignition"]);
        tool_with(&[
            "mcopy",
            "-i",
            fat.to_str().unwrap(),
            file.to_str().unwrap(),
            "::ignition/config.ign",
        ]);
        fs::create_dir(dir.path().join("tree")).unwrap();
        write(&dir.path().join("tree/large"), &"x".repeat(5000));
        std::os::unix::fs::symlink("large", dir.path().join("tree/link")).unwrap();
        let tree = dir.path().join("tree");
        tool_with(&[
            "mkfs.ext4",
            "-q",
            "-L",
            "stick",
            "-d",
            tree.to_str().unwrap(),
            ext.to_str().unwrap(),
        ]);
        let mut file = fs::File::options()
            .write(true)
            .open(guest.image(raw))
            .unwrap();
        file.write_all(b"raw config\0\0").unwrap();
    });
    guest.boot(|| {
        fn look(
            which: Which<'_>,
            formats: &[&str],
            mark: Option<&str>,
            files: &[&str],
        ) -> Result<Option<Texts>, String> {
            let wanted = Wanted {
                which,
                formats,
                mark,
                files,
                limit: 4096,
            };
            let found = media::look(&wanted).map_err(|error| error.to_string())?;
            Ok(found.map(|(device, files)| {
                let texts = files
                    .into_iter()
                    .map(|file| file.map(|bytes| String::from_utf8(bytes).unwrap()));
                (device, texts.collect::<Vec<_>>())
            }))
        }
        let some = |text: &str| Some(text.to_string());
        let found = look(
            Which::Label(&["CONFIG-2", "config-2"]),
            &["iso9660", "vfat"],
            Some(META),
            &[DATA, "none"],
        );
        assert_eq!(found, Ok(Some((iso.clone(), vec![some("from iso"), None]))));
        // The disc has both; its ISO half has shortened names.
        let udf_only = |file| look(Which::Path(udf), &["udf"], Some("ovf-env.xml"), file);
        let found = udf_only(&["CustomData.bin"]);
        assert_eq!(found, Ok(Some((udf.clone(), vec![some("from udf")]))));
        let found = look(
            Which::Label(&["IGNITION"]),
            &["vfat"],
            None,
            &["ignition/config.ign"],
        );
        assert_eq!(found, Ok(Some((fat.clone(), vec![some("from vfat")]))));
        let text = fs::read_to_string("/proc/mounts").unwrap();
        assert!(
            !text.contains("/dev/ubd"),
            "something stays mounted: {text}"
        );

        // Another label, another format, no mark, no device: not there. No drive: no disc.
        for (which, formats, mark) in [
            (Which::Label(&["config-3"][..]), &["iso9660"][..], None),
            (Which::Label(&["config-2"]), &["vfat"], None),
            (
                Which::Label(&["config-2"]),
                &["iso9660"],
                Some("ovf-env.xml"),
            ),
            (Which::Path("/dev/none"), &["iso9660"], None),
            (Which::Optical, &["iso9660", "udf"], None),
        ] {
            assert_eq!(
                look(which, formats, mark, &[DATA]),
                Ok(None),
                "{which:?} {formats:?} {mark:?}"
            );
        }
        for (which, formats, file, expected) in [
            (
                Which::Path(ext),
                &["vfat"][..],
                "large",
                "it holds ext4, and only vfat is looked at there",
            ),
            (
                Which::Path(ext),
                &["ext4"],
                "large",
                "larger than 4096 bytes",
            ),
            (Which::Path(ext), &["ext4"], "link", "not a regular file"),
            (Which::Path(raw), &["ext4"], "x", "it holds no file system"),
            (
                Which::Path("/proc/self/exe"),
                &["ext4"],
                "x",
                "no block device",
            ),
        ] {
            let wanted = [file];
            let why = look(which, formats, None, &wanted).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert_eq!(
            media::raw(Path::new(raw), 4096).unwrap().unwrap(),
            b"raw config"
        );
        assert_eq!(media::raw(Path::new("/dev/none"), 4096).unwrap(), None);
    });
}

/// A root with the users root and core.
fn root(directory: &Path) -> std::path::PathBuf {
    let root = directory.join("root");
    write(
        &root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n",
    );
    write(&root.join("etc/group"), "root:x:0:\ncore:x:500:\n");
    fs::create_dir_all(root.join("home/core")).unwrap();
    root
}

const CONFIG: &str = r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[
    {"path":"/etc/motd","contents":{"source":"data:,hello"}}]}}"#;

fn good(answer: &Answer) {
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.out, answer.err);
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_config_drive_provisions_without_a_network() {
    let mut guest = Guest::new();
    let drive = guest.disk(8);
    guest.on_host(|| {
        let make = [
            "xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", "config-2",
        ];
        let meta = r#"{"uuid":"u","hostname":"vm-1.example","public_keys":{
            "a":"ssh-ed25519 AAAAdrive me"}}"#;
        disc(
            &guest.image(&drive),
            &make,
            &[(META, meta), (DATA, CONFIG), ("x/c.ign", CONFIG)],
        );
    });
    guest.boot(|| {
        let dir = tempfile::tempdir().unwrap();
        let boot = FirstBoot::new(dir.path(), &root(dir.path()), b"").on("openstack");
        let offline = boot.stage("fetch-offline");
        good(&offline);
        assert!(!dir.path().join("run/neednet").exists(), "{}", offline.out);
        good(&boot.stage("files"));
        assert_eq!(read(boot.root.join("etc/motd")), "hello");
        assert_eq!(read(boot.root.join("etc/hostname")), "vm-1.example\n");
        let keys = boot.root.join("home/core/.ssh/authorized_keys.d/afterburn");
        assert_eq!(read(keys), "ssh-ed25519 AAAAdrive me\n");
        let shown = pilotlight(&["metadata", "--platform", "openstack"]);
        good(&shown);
        assert!(
            shown.out.contains("host name      vm-1.example\n"),
            "{}",
            shown.out
        );

        // The same drive by the kernel command line, on a platform that knows nothing of it.
        let dir = tempfile::tempdir().unwrap();
        write(
            &dir.path().join("cmdline"),
            "ignition.config.device=config-2 ignition.config.path=x/c.ign\n",
        );
        let boot = FirstBoot::new(dir.path(), &root(dir.path()), b"").on("metal");
        good(&boot.stages(&["fetch-offline", "files"]));
        assert_eq!(read(boot.root.join("etc/motd")), "hello");
        assert!(!boot.root.join("etc/hostname").exists());
    });
}

/// Serves on an address of a platform: answers by `METHOD PATH`, everything else with 404. Answers the requests.
fn serve(
    address: &str,
    answers: &'static [(&'static str, &'static str)],
) -> Arc<Mutex<Vec<String>>> {
    tool_with(&[
        "ip",
        "address",
        "add",
        &format!("{address}/32"),
        "dev",
        "lo",
    ]);
    let listener = TcpListener::bind((address, 80)).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let request = line
                .rsplit_once(' ')
                .map(|(request, _)| request.to_string())
                .unwrap_or_default();
            let mut length = 0;
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                if let Some(text) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let found = answers.iter().find(|(known, _)| *known == request);
            let (status, text) = found.map_or(("404 Not Found", ""), |(_, text)| ("200 OK", *text));
            record
                .lock()
                .unwrap()
                .push(format!("{request} {}", String::from_utf8_lossy(&body)));
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            // A client that has gone has its reasons.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    seen
}

const DROPLET: &[(&str, &str)] = &[
    ("GET /metadata/v1/user-data", CONFIG),
    (
        "GET /metadata/v1.json",
        r#"{"droplet_id":7,"hostname":"drop-1","region":"sea9","public_keys":["ssh-ed25519 AAAAdrop me"]}"#,
    ),
];

#[test]
fn a_metadata_service_names_the_machine_and_brings_keys() {
    Guest::new().boot(|| {
        let seen = serve("169.254.169.254", DROPLET);
        let dir = tempfile::tempdir().unwrap();
        let boot = FirstBoot::new(dir.path(), &root(dir.path()), b"").on("digitalocean");
        good(&boot.stage("fetch-offline"));
        assert!(dir.path().join("run/neednet").exists());
        assert!(
            seen.lock().unwrap().is_empty(),
            "asked before there is a network"
        );
        good(&boot.stage("fetch"));
        good(&boot.stage("files"));
        assert_eq!(read(boot.root.join("etc/hostname")), "drop-1\n");
        let keys = boot.root.join("home/core/.ssh/authorized_keys.d/afterburn");
        assert_eq!(read(keys), "ssh-ed25519 AAAAdrop me\n");
        // Once more: everything is as it should be.
        let again = boot.stage("files");
        good(&again);
        assert!(!again.out.contains("authorized_keys"), "{}", again.out);

        let attributes = dir.path().join("attributes");
        let path = attributes.display().to_string();
        good(&pilotlight(&[
            "metadata",
            "--platform",
            "digitalocean",
            "--attributes",
            &path,
        ]));
        assert_eq!(
            read(attributes),
            "AFTERBURN_DIGITALOCEAN_HOSTNAME=drop-1\nAFTERBURN_DIGITALOCEAN_REGION=sea9\n"
        );
    });
}

const GOAL: &str = "<GoalState><Incarnation>7</Incarnation><Container><ContainerId>c</ContainerId>\
    <RoleInstanceList><RoleInstance><InstanceId>i</InstanceId></RoleInstance></RoleInstanceList>\
    </Container></GoalState>";
const WIRE: &[(&str, &str)] = &[
    ("GET /machine/?comp=goalstate", GOAL),
    ("POST /machine/?comp=health", ""),
];
/// `{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/motd","contents":{"source":"data:,hello"}}]}}`
const AZURE: &[(&str, &str)] = &[
    (
        "GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text",
        "eyJpZ25pdGlvbiI6eyJ2ZXJzaW9uIjoiMy40LjAifSwic3RvcmFnZSI6eyJmaWxlcyI6W3sicGF0aCI6Ii9ldGMvbW90\
         ZCIsImNvbnRlbnRzIjp7InNvdXJjZSI6ImRhdGE6LGhlbGxvIn19XX19",
    ),
    (
        "GET /metadata/instance?api-version=2021-12-13&format=json",
        r#"{"compute":{"osProfile":{"computerName":"vm-a","adminUsername":"nobody-here"},
            "publicKeys":[{"keyData":"ssh-ed25519 AAAAaz me","path":""}]}}"#,
    ),
];

#[test]
fn azure_is_told_how_the_first_boot_ends() {
    Guest::new().boot(|| {
        serve("169.254.169.254", AZURE);
        let reports = serve("168.63.129.16", WIRE);
        let health = || {
            let mut seen = reports.lock().unwrap();
            let posts: Vec<String> = seen
                .drain(..)
                .filter(|line| line.starts_with("POST"))
                .collect();
            posts
        };
        let dir = tempfile::tempdir().unwrap();
        let boot = FirstBoot::new(dir.path(), &root(dir.path()), b"").on("azure");
        good(&boot.stages(&["fetch-offline", "fetch"]));
        assert!(health().is_empty());
        let files = boot.stage("files");
        good(&files);
        assert_eq!(read(boot.root.join("etc/hostname")), "vm-a\n");
        assert!(!boot.root.join("home/core/.ssh").exists());
        assert!(
            files
                .out
                .contains("an SSH key for \"nobody-here\", whom this system has not"),
            "{}",
            files.out
        );
        let told = health();
        assert!(
            told.len() == 1 && told[0].contains("<State>Ready</State>"),
            "{told:?}"
        );

        // Something is where the file goes.
        fs::remove_file(boot.root.join("etc/motd")).unwrap();
        fs::create_dir_all(boot.root.join("etc/motd/full")).unwrap();
        let failed = boot.stage("files");
        assert_eq!(failed.code, Some(1), "{}", failed.out);
        let told = health();
        assert_eq!(told.len(), 1, "{told:?}");
        for part in [
            "<State>NotReady</State>",
            "<SubStatus>ProvisioningFailed</SubStatus>",
            "files: ",
            "/etc/motd",
        ] {
            assert!(told[0].contains(part), "{part}: {told:?}");
        }
    });
}

#[test]
fn machines_are_detected_from_their_files_and_arguments() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("sys/class/dmi/id/sys_vendor"),
        "Amazon EC2\n",
    );
    write(
        &dir.path().join("sys/class/dmi/id/product_name"),
        "m9.large\n",
    );
    let top = dir.path().to_str().unwrap();
    let shown = pilotlight(&["detect", "--root", top]);
    good(&shown);
    assert_eq!(shown.out, "aws, because DMI sys_vendor is \"Amazon EC2\"\n");
    let json = pilotlight(&["detect", "--root", top, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["platform"], "aws");
    assert_eq!(json["evidence"]["dmi"]["product_name"], "m9.large");

    write(
        &dir.path().join("proc/cmdline"),
        "quiet flatcar.oem.id=azure flatcar.oem.id=gce\n",
    );
    let shown = pilotlight(&["detect", "--root", top]);
    assert_eq!(
        shown.out,
        "gcp, because the kernel command line has flatcar.oem.id=gce\n"
    );
    let shown = pilotlight(&["detect", "--root", top, "--env"]);
    assert_eq!(shown.out, "OEM_ID=gce\nPLATFORM_ID=gcp\nFIRST_BOOT=no\n");

    write(
        &dir.path().join("proc/cmdline"),
        "ignition.platform.id=vax\n",
    );
    let shown = pilotlight(&["detect", "--root", top]);
    assert_eq!(shown.code, Some(1));
    for part in [
        "ignition.platform.id=vax",
        "unknown platform \"vax\"",
        "known are akamai, aliyun",
    ] {
        assert!(shown.err.contains(part), "{}", shown.err);
    }
    let link = dir.path().join("ignition");
    std::os::unix::fs::symlink(program(), &link).unwrap();
    let stage = Command::new(link)
        .args(["-platform", "vax", "-stage", "fetch"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stage.stderr).into_owned();
    assert_eq!(stage.status.code(), Some(2));
    assert!(
        said.contains("unknown platform \"vax\"; known are akamai, "),
        "{said}"
    );
}
