//! Secrets are planted in every place that can hold one, and looked for in every place that people, log
//! collectors and other programs read.
//!
//! The words that mark them are none that any rule about secrets could look for.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::thread;

use pilotlight_tests::faults::{Console, Web, cover, isolated, run, say};
use pilotlight_tests::{Answer, FirstBoot, pilotlight};

use crate::Node;

/// All planted words begin with it.
const PLANTED: &str = "Qzx";

const SERVER: &str = "192.0.2.1/32";
const PROXY: &str = "192.0.2.2/32";
const LINE: &str =
    "ignition.config.url=http://me:QzxUserOfUrl@192.0.2.1/node.ign?sig=QzxQueryOfLine";

/// A config with a secret wherever there can be one. What is fetched comes through a proxy.
fn user_data() -> String {
    r#"{"ignition":{"version":"3.4.0",
  "proxy":{"httpProxy":"http://me:QzxProxy@192.0.2.2:3128","noProxy":["192.0.2.1"]},
  "config":{"merge":[{"source":"http://me:QzxMergeUser@192.0.2.1/more.ign?sig=QzxMergeQuery","httpHeaders":[{"name":"X-Auth","value":"QzxMergeHeader"}]}]}},
 "passwd":{"users":[
  {"name":"core","passwordHash":"$6$QzxSalt$QzxHash","sshAuthorizedKeys":["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDF4dXFjdnFjdnFjdnFjdnFjdnFjdnFjdnFjdnFjdnFj QzxComment"]},
  {"name":"ops"}],"groups":[{"name":"wheelers","passwordHash":"$6$QzxGroupSalt$QzxGroupHash"}]},
 "storage":{"files":[
  {"path":"/etc/key.pem","mode":384,"contents":{"source":"data:,-----BEGIN%20PRIVATE%20KEY-----%0AQzxPrivateKey%0A"}},
  {"path":"/etc/remote","contents":{"source":"http://config.invalid/f?sig=QzxFileQuery","httpHeaders":[{"name":"Authorization","value":"Bearer QzxFileHeader"}]}},
  {"path":"/etc/appended","append":[{"source":"data:,QzxAppended"}]}]},
 "systemd":{"units":[{"name":"a.service","enabled":true,"contents":"[Service]\nEnvironment=PASS=QzxUnit\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
  "dropins":[{"name":"b.conf","contents":"[Service]\nEnvironment=X=QzxDropin\n"}]}]}}"#
        .to_owned()
}

/// Starts the two servers. The proxy answers with `status`.
fn servers(status: &'static str) {
    Web::start("192.0.2.1:80", |asked| match asked.path.as_str() {
        path if path.starts_with("/node.ign") => say("200 OK", &[], user_data()),
        _ => say(
            "200 OK",
            &["X-Server: QzxAnswerHeader"],
            r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/more","contents":{"source":"data:,QzxMergedContents"}}]}}"#,
        ),
    });
    Web::start("192.0.2.2:3128", move |asked| match asked.path.as_str() {
        path if path.contains("/next") => say(status, &[], "QzxAnswerBody"),
        _ => say(
            "302 Found",
            &["Location: http://config.invalid/next?sig=QzxRedirect"],
            "QzxRedirectBody",
        ),
    });
}

/// No planted word is in the text.
fn clean(what: &str, text: &str) {
    if let Some(at) = text.find(PLANTED) {
        let word: String = text[at..]
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        panic!("{what} shows {word}:\n{text}");
    }
}

fn clean_answer(what: &str, answer: &Answer) {
    clean(&format!("standard output of {what}"), &answer.out);
    clean(&format!("standard error of {what}"), &answer.err);
}

/// What the stages leave for people and programs to read: all but the config and its contents, which are
/// root's alone.
fn clean_directory(run: &Path) {
    let mut texts = 0;
    for entry in std::fs::read_dir(run).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("ignition.json") {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o007, 0, "{name} has mode {mode:o}");
            continue;
        }
        clean(&name, &std::fs::read_to_string(entry.path()).unwrap());
        texts += 1;
    }
    assert!(texts > 0, "nothing was looked at in {}", run.display());
}

fn report(run: &Path) {
    for arguments in [&["report"][..], &["report", "--json"]] {
        let state = run.join("state");
        let mut all: Vec<&std::ffi::OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        all.extend(["--state".as_ref(), state.as_os_str()]);
        let answer = pilotlight(&all);
        assert_ne!(answer.code, Some(2), "{answer:?}");
        clean_answer("report", &answer);
    }
}

#[test]
fn a_first_boot_that_succeeds_shows_none() {
    isolated(&[SERVER, PROXY], || {
        servers("200 OK");
        let node = Node::started_with(LINE);
        prepare(&node.boot.root);
        let shown = Console::new(node.directory.path());
        for stage in ["fetch-offline", "fetch", "kargs", "files"] {
            let answer = node.boot.stage(stage);
            assert_eq!(answer.code, Some(0), "{answer:?}");
            clean_answer(stage, &answer);
        }
        let text = shown.text();
        assert!(text.contains("pilotlight: files "), "{text}");
        clean("the console", &text);
        clean_directory(&node.path("run"));
        report(&node.path("run"));
        // It was all there to be shown.
        let root = |name: &str| std::fs::read_to_string(node.boot.root.join(name)).unwrap();
        assert_eq!(root("etc/remote"), "QzxAnswerBody");
        assert_eq!(root("etc/more"), "QzxMergedContents");
        assert!(root("etc/shadow").contains("$6$QzxSalt$QzxHash"));
        clean("the result", &root("etc/.ignition-result.json"));
    });
}

#[test]
fn a_first_boot_that_fails_shows_none() {
    for status in ["403 Forbidden", "404 Not Found", "503 Service Unavailable"] {
        isolated(&[SERVER, PROXY], || {
            servers(status);
            let node = Node::started_with(LINE);
            let shown = Console::new(node.directory.path());
            let config = user_data().replace(
                r#""version":"3.4.0","#,
                r#""version":"3.4.0","timeouts":{"httpTotal":1},"#,
            );
            std::fs::write(node.path("config.ign"), config).unwrap();
            std::fs::write(node.path("cmdline"), "").unwrap();
            let answer = node.boot.stage("fetch");
            assert_eq!(answer.code, Some(1), "{answer:?}");
            assert!(answer.out.contains(&status[..3]), "{answer:?}");
            clean_answer("fetch", &answer);
            let text = shown.text();
            assert!(text.contains("the first boot failed"), "{text}");
            clean("the console", &text);
            clean_directory(&node.path("run"));
            report(&node.path("run"));
        });
    }
}

#[test]
fn journal_and_kernel_log_show_none() {
    isolated(&[SERVER, PROXY], || {
        servers("403 Forbidden");
        let node = Node::started_with(LINE);
        let scratch = node.directory.path();
        // Where there is no journal, the kernel's log is written to.
        let journal = scratch.join("systemd");
        std::fs::create_dir_all(journal.join("journal")).unwrap();
        let kmsg = scratch.join("kmsg");
        std::fs::write(&kmsg, "").unwrap();
        std::fs::create_dir_all("/run/systemd").unwrap();
        cover("/run/systemd", &journal);
        cover("/dev/kmsg", &kmsg);
        let silent = || -> Answer {
            let stage = node.boot.command("fetch");
            let arguments = stage.get_args().filter(|word| *word != "-log-to-stdout");
            let variables = stage
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?)));
            let mut command = Command::new(stage.get_program());
            command
                .args(arguments)
                .envs(variables)
                .output()
                .unwrap()
                .into()
        };
        let answer = silent();
        assert_eq!(answer.code, Some(1), "{answer:?}");
        clean_answer("fetch", &answer);
        let text = std::fs::read_to_string(&kmsg).unwrap();
        assert!(
            text.contains("ignition: error: ") && text.contains("403"),
            "{text}"
        );
        clean("the kernel log", &text);

        let socket = UnixDatagram::bind(journal.join("journal/socket")).unwrap();
        let reader = thread::spawn(move || {
            let (mut all, mut entry) = (String::new(), vec![0; 1 << 16]);
            while !all.contains("What to do next") {
                let length = socket.recv(&mut entry).unwrap();
                all.push_str(&String::from_utf8_lossy(&entry[..length]));
            }
            all
        });
        assert_eq!(silent().code, Some(1));
        let text = reader.join().unwrap();
        assert!(text.contains("What to do next"), "{text}");
        assert!(text.contains("IGNITION_CONFIG_SRC"), "{text}");
        clean("the journal", &text);
    });
}

#[test]
fn plans_and_findings_show_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    prepare(&path("tree"));
    let luks = r#""luks":[{"name":"data","device":"/dev/pilotlight-none","keyFile":{"source":"data:,QzxLuksKey"},"wipeVolume":true},
        {"name":"more","device":"/dev/vdb","clevis":{"custom":{"pin":"sss","config":"{\"t\":1,\"x\":\"QzxClevis\"}","needsNetwork":false}}}],"#;
    // Nothing remote: a plan of what can be known here.
    let whole = user_data().replace(r#""storage":{"#, &format!(r#""storage":{{{luks}"#));
    let begin = whole.find(r#"  "config":{"merge""#).unwrap();
    let end = whole.find(r#" "passwd""#).unwrap();
    let local = format!("{}\"timeouts\":{{}}}},\n{}", &whole[..begin], &whole[end..]);
    let remote = local.find(r#"  {"path":"/etc/remote""#).unwrap();
    let after = local.find(r#"  {"path":"/etc/appended""#).unwrap();
    let local = format!("{}{}", &local[..remote], &local[after..]);
    let on_one_line = local.replace('\n', " ");

    let mut checked = 0;
    let mut check = |config: &str, good: bool| {
        let file = path("config.ign");
        std::fs::write(&file, config).unwrap();
        let tree = path("tree");
        for mut arguments in [
            vec!["plan", "--root", tree.to_str().unwrap()],
            vec!["plan", "--json", "--root", tree.to_str().unwrap()],
            vec!["validate"],
            vec!["validate", "--json"],
        ] {
            arguments.push(file.to_str().unwrap());
            let answer = pilotlight(&arguments);
            assert_ne!(answer.code, Some(2), "{arguments:?}: {answer:?}");
            if good && arguments[0] == "validate" {
                assert_eq!(answer.code, Some(0), "{arguments:?}: {answer:?}");
            }
            clean_answer(&format!("{arguments:?}"), &answer);
            checked += 1;
        }
        let boot = FirstBoot::new(&path("boot"), &path("boot/root"), config.as_bytes())
            .with("PILOTLIGHT_DEVICE_WAIT", "0");
        let answer = boot.stage("fetch-offline");
        // Where nothing else is wrong, the rehearsal misses the devices.
        assert_eq!(answer.code, Some(1), "{answer:?}");
        let missed = answer
            .out
            .contains("the device /dev/pilotlight-none does not exist");
        assert!(missed || !good, "{answer:?}");
        clean_answer("fetch-offline", &answer);
        clean_directory(&path("boot/run"));
        std::fs::remove_dir_all(path("boot")).unwrap();
    };
    for config in [&local, &on_one_line] {
        check(config, true);
        // Mistakes in all places near a secret and far from it.
        for (good, bad) in [
            (r#""version":"3.4.0""#, r#""version":"3.99.0""#),
            (
                r#""passwordHash":"$6$QzxSalt"#,
                r#""passwordHash":7,"x":"$6$QzxSalt"#,
            ),
            (
                r#""passwordHash":"$6$QzxSalt$QzxHash""#,
                r#""passwordHash":"QzxPlain:QzxText""#,
            ),
            ("ssh-ed25519 AAAA", "ssh-ed25519 QzxNoKey"),
            // A key that is not known, an argument of the kernel, and what is no key at all.
            (r#""name":"ops""#, r#""name":"ops","pin":"QzxPin""#),
            (
                r#""name":"ops""#,
                r#""name":"ops","sshAuthorizedKeys":["QzxNoKeyAtAll"]"#,
            ),
            (
                r#" "passwd":{"#,
                r#" "kernelArguments":{"shouldExist":["a=QzxOne","a=QzxOne","b=QzxTwo c"]}, "passwd":{"#,
            ),
            (r#""mode":384"#, r#""mode":"384""#),
            (r#""mode":384"#, r#""mode":38400"#),
            (r#""path":"/etc/key.pem""#, r#""path":"etc/key.pem""#),
            (r#""path":"/etc/key.pem""#, r#""path":"/etc/appended""#),
            ("data:,-----", "data:;base64,-----"),
            (r#""name":"a.service""#, r#""name":"a""#),
            (r#"http://me:QzxProxy@"#, r#"socks://me:QzxProxy@"#),
            (
                r#"http://me:QzxProxy@192.0.2.2:3128"#,
                r#"http://me:QzxProxy@:port"#,
            ),
            (
                r#""name":"data","device":"/dev/pilotlight-none""#,
                r#""name":"data","device":"vda""#,
            ),
            (r#""pin":"sss""#, r#""pin":"xyz""#),
            (r#""source":"data:,QzxLuksKey""#, r#""source":"QzxLuksKey""#),
            (
                r#""source":"data:,QzxAppended""#,
                r#""source":"http://[QzxHost/?sig=QzxQuery""#,
            ),
            (
                r#""source":"data:,QzxAppended""#,
                r#""source":"data:,QzxAppended","verification":{"hash":"sha256-QzxSum"}"#,
            ),
            (
                r#""source":"data:,QzxAppended""#,
                r#""source":"data:,QzxAppended","compression":"xz""#,
            ),
            ("]}}", "]}"),
            ("]}}", "]}},"),
        ] {
            assert!(config.contains(good), "{good}");
            check(&config.replacen(good, bad, 1), false);
        }
    }
    assert!(checked > 100);
}

/// A root with the files in which accounts stand.
fn prepare(root: &Path) {
    let etc = root.join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    for (name, text) in [
        ("passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        ("group", "root:x:0:\n"),
        ("shadow", "root:*:::::::\n"),
        ("gshadow", "root:*::\n"),
    ] {
        std::fs::write(etc.join(name), text).unwrap();
    }
    run(&["chmod", "600", etc.join("shadow").to_str().unwrap()]);
}
