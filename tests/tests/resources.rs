//! Contents from servers that others wrote: S3 with every signature checked, and the TFTP server of Debian.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pilotlight_tests::{Answer, program};
use serde_json::{Value, json};

/// A process of the test, which ends with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A config with one file for each source, and the tree that it was applied to.
struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    fn new(sources: &[(&str, Value)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<Value> = sources
            .iter()
            .map(|(path, contents)| json!({"path": path, "contents": contents}))
            .collect();
        let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": files}});
        fs::write(directory.path().join("node.ign"), config.to_string()).unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        Self { directory }
    }

    /// Applies the config by this command, `program()` or one that leads to it.
    fn apply(&self, mut command: Command) -> Answer {
        let at = self.directory.path();
        command
            .arg("apply")
            .arg(at.join("node.ign"))
            .arg("--root")
            .arg(at.join("root"))
            .output()
            .unwrap()
            .into()
    }

    fn contents(&self, path: &str) -> Vec<u8> {
        let path = self.directory.path().join("root").join(&path[1..]);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn source(url: &str) -> Value {
    json!({"source": url})
}

/// A server that speaks S3, with keys of one who may read and of one who may not.
struct S3 {
    _server: Running,
    told: Value,
}

impl S3 {
    fn start(keys: &[&str]) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let python = top.join(".cache/tools/moto-5.1.4/bin/python");
        assert!(
            python.exists(),
            "{} does not exist: run \"make deps\" first",
            python.display()
        );
        let mut server = Command::new(python)
            .arg(top.join("tests/s3/server.py"))
            .args(keys)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = server.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        Self {
            _server: Running(server),
            told: serde_json::from_str(&line).unwrap(),
        }
    }

    /// The program in an environment with the keys of `who` as `change` leaves them, and these keys.
    fn with(&self, who: &[&str; 2], change: impl Fn(&mut [String; 3])) -> (Command, [String; 3]) {
        let mut keys = [0, 1, 2].map(|at| {
            let key = &self.told[who[0]][who[1]][at];
            key.as_str().unwrap().to_owned()
        });
        change(&mut keys);
        let mut command = Command::new(program());
        let endpoint = format!("http://127.0.0.1:{}", self.told["port"]);
        command
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", &keys[0])
            .env("AWS_SECRET_ACCESS_KEY", &keys[1])
            .env("AWS_SESSION_TOKEN", &keys[2]);
        (command, keys)
    }
}

#[test]
fn s3_takes_our_signatures() {
    let odd = "a b+c/\u{fc}%~(1)='*!.txt";
    let server = S3::start(&[odd, "plain"]);
    let version = server.told["version"].as_str().unwrap();
    let sources = [
        ("/plain", "s3://node-configs/plain".to_owned(), "plain"),
        (
            "/odd",
            "s3://node-configs/a%20b+c/%C3%BC%25~(1)='*!.txt".to_owned(),
            odd,
        ),
        ("/second", "s3://node-configs/motd".to_owned(), "second\n"),
        (
            "/first",
            format!("s3://node-configs/motd?versionId={version}"),
            "first\n",
        ),
        (
            "/arn",
            "arn:aws:s3:::node-configs/motd".to_owned(),
            "second\n",
        ),
        (
            "/arn-first",
            format!("arn:aws:s3:::node-configs/motd?versionId={version}"),
            "first\n",
        ),
    ];
    let files: Vec<(&str, Value)> = sources
        .iter()
        .map(|(path, url, _)| (*path, source(url)))
        .collect();
    for kind in ["user", "role"] {
        let tree = Tree::new(&files);
        let (command, _) = server.with(&["reader", kind], |_| ());
        let answer = tree.apply(command);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        for (path, _, contents) in &sources {
            assert_eq!(tree.contents(path), contents.as_bytes(), "{path}");
        }
    }

    // What is refused is told in words, and without the keys.
    let refused = |who: &[&str; 2], change: &dyn Fn(&mut [String; 3]), url: &str, words: &str| {
        let tree = Tree::new(&[("/x", source(url))]);
        let (command, keys) = server.with(who, change);
        let answer = tree.apply(command);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(
            answer.err.contains(words),
            "{words:?} is not in {}",
            answer.err
        );
        assert!(
            answer.err.contains(&format!("while fetching {url}")),
            "{}",
            answer.err
        );
        let said = answer.out + &answer.err;
        for secret in keys.iter().skip(1).filter(|key| !key.is_empty()) {
            assert!(!said.contains(secret.as_str()), "{said}");
        }
        assert!(
            !said.contains("Signature=") && !said.contains("Credential="),
            "{said}"
        );
    };
    let same = |_: &mut [String; 3]| ();
    let url = "s3://node-configs/plain";
    for (words, change) in [
        ("SignatureDoesNotMatch", 1),
        ("InvalidToken", 2),
        ("InvalidAccessKeyId", 0),
    ] {
        let change = |keys: &mut [String; 3]| {
            keys[change] = keys[change].replace(['A', 'E', 'Q', 'a', 'e'], "Z")
        };
        refused(&["reader", "role"], &change, url, words);
    }
    refused(
        &["nobody", "user"],
        &same,
        url,
        "the IAM role needs s3:GetObject",
    );
    refused(&["nobody", "role"], &same, url, "403 AccessDenied");
    refused(
        &["reader", "user"],
        &same,
        "s3://node-configs/none",
        "no such object (404 NoSuchKey)",
    );
    refused(
        &["reader", "role"],
        &same,
        "s3://nobodys/none",
        "no such bucket (404 NoSuchBucket)",
    );
    let none = |keys: &mut [String; 3]| *keys = Default::default();
    refused(&["nobody", "user"], &none, url, "a request without keys");
}

/// A network of its own, where every port is free.
struct Network(String);

impl Network {
    fn new(name: &str) -> Self {
        let name = format!("pilotlight-{name}-{}", std::process::id());
        let network = Self(name);
        run(Command::new("ip").args(["netns", "add", &network.0]));
        run(network.command("ip").args(["link", "set", "lo", "up"]));
        network
    }

    /// A program that runs in it.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn run(command: &mut Command) {
    let answer: Answer = command.output().unwrap().into();
    assert_eq!(answer.code, Some(0), "{command:?}: {answer:?}");
}

/// Debian's server (tftpd-hpa) on the default port of a network, with the files of a directory.
fn tftpd(network: &Network, directory: &Path, options: &[&str]) -> Running {
    // It serves as the user nobody.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let server = network
        .command("/usr/sbin/in.tftpd")
        .args(["--listen", "--foreground", "--secure"])
        .args(options)
        .arg(directory)
        .spawn();
    Running(server.unwrap())
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256-{}", &text[..64])
}

/// Bytes without a rhythm that lost blocks could hide in.
fn write_bytes(path: &Path, length: usize) -> PathBuf {
    let mut state = 7_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()
    })
    .flatten()
    .take(length)
    .collect();
    fs::write(path, bytes).unwrap();
    path.into()
}

#[test]
fn tftpd_serves_files_of_any_size() {
    let served = tempfile::tempdir().unwrap();
    // More blocks of 512 bytes than there are numbers for.
    let large = write_bytes(&served.path().join("large"), (32 << 20) + 70_000);
    let even = write_bytes(&served.path().join("even"), 512 * 3);
    fs::write(served.path().join("empty"), "").unwrap();
    fs::create_dir(served.path().join("in")).unwrap();
    fs::copy(&even, served.path().join("in/a b")).unwrap();
    let secret = served.path().join("secret");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();

    let verified =
        |url: &str, path: &Path| json!({"source": url, "verification": {"hash": sha256(path)}});
    for (name, options) in [
        ("large", &[][..]),
        ("small", &["--refuse", "blksize", "--refuse", "tsize"]),
    ] {
        let network = Network::new(name);
        let _server = tftpd(&network, served.path(), options);
        let tree = Tree::new(&[
            ("/large", verified("tftp://127.0.0.1/large", &large)),
            ("/even", verified("tftp://[::1]/even", &even)),
            ("/empty", source("tftp://127.0.0.1:69/empty")),
            ("/spaced", verified("tftp://127.0.0.1/in/a%20b", &even)),
        ]);
        let answer = tree.apply(network.command(program()));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(tree.contents("/large").len(), (32 << 20) + 70_000);
        assert_eq!(tree.contents("/spaced"), fs::read(&even).unwrap());
        assert_eq!(tree.contents("/empty"), b"");
        for (url, words) in [
            (
                "tftp://127.0.0.1/none",
                "the TFTP server has no such file (\"File not found\")",
            ),
            (
                "tftp://127.0.0.1/secret",
                "refuses the file with error 0 (\"Permission denied\")",
            ),
        ] {
            let answer = Tree::new(&[("/x", source(url))]).apply(network.command(program()));
            assert_eq!(answer.code, Some(1), "{answer:?}");
            assert!(answer.err.contains(words), "{}", answer.err);
        }
    }
}
