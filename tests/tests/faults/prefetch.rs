//! What a config refers to is fetched before any disk is touched: once, side by side, and in little memory.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use pilotlight_tests::faults::{Act, Running, Web, isolated, reply, run, say};

use crate::{Node, SERVER, config, remote};

fn files(list: &[(&str, &str)]) -> String {
    let files: Vec<String> = list
        .iter()
        .map(|(path, contents)| format!(r#"{{"path":"{path}","contents":{{{contents}}}}}"#))
        .collect();
    format!(
        r#"{{"ignition":{{"version":"3.4.0"}},"storage":{{"files":[{}]}}}}"#,
        files.join(",")
    )
}

#[test]
fn one_resource_of_several_files_is_fetched_once() {
    isolated(&[SERVER], || {
        let web = Web::start("192.0.2.1:80", |_| say("200 OK", &[], "hello"));
        let node = Node::new(&files(&[
            ("/a", r#""source":"http://192.0.2.1/f""#),
            ("/b", r#""source":"http://192.0.2.1/f""#),
            ("/c", r#""source":"http://192.0.2.1/other""#),
        ]));
        let answer = node.boot.stages(&["fetch", "files"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        for name in ["a", "b", "c"] {
            let text = std::fs::read_to_string(node.boot.root.join(name)).unwrap();
            assert_eq!(text, "hello");
        }
        let mut paths = web.paths();
        paths.sort();
        assert_eq!(paths, ["/f", "/other"]);
    });
}

#[test]
fn a_config_that_two_others_name_is_fetched_once() {
    isolated(&[SERVER], || {
        let merge = |names: &[&str]| {
            let list: Vec<String> = names
                .iter()
                .map(|name| format!(r#"{{"source":"http://192.0.2.1/{name}"}}"#))
                .collect();
            format!(
                r#"{{"ignition":{{"version":"3.4.0","config":{{"merge":[{}]}}}}}}"#,
                list.join(",")
            )
        };
        let (one, common) = (merge(&["common"]), config("common"));
        let web = Web::start("192.0.2.1:80", move |asked| match asked.path.as_str() {
            "/common" => say("200 OK", &[], &common),
            _ => say("200 OK", &[], &one),
        });
        let node = Node::new(&merge(&["one", "two", "common"]));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(node.cached().contains("/etc/common"));
        assert_eq!(web.paths(), ["/one", "/common", "/two"]);
    });
}

#[test]
fn resources_are_fetched_side_by_side() {
    isolated(&[SERVER], || {
        // Nobody is answered before four have asked: one after the other, this would never end.
        let waiting = Arc::new((Mutex::new(0), Condvar::new()));
        for port in 1..=4 {
            let waiting = Arc::clone(&waiting);
            Web::start(&format!("192.0.2.1:{port}"), move |_| {
                let (count, changed) = &*waiting;
                let mut count = count.lock().unwrap();
                *count += 1;
                changed.notify_all();
                drop(changed.wait_while(count, |count| *count < 4).unwrap());
                say("200 OK", &[], "hello")
            });
        }
        let list: Vec<(String, String)> = (1..=4)
            .map(|port| {
                (
                    format!("/{port}"),
                    format!(r#""source":"http://192.0.2.1:{port}/""#),
                )
            })
            .collect();
        let list: Vec<(&str, &str)> = list.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let node = Node::new(&files(&list));
        assert_eq!(node.fetch().ends().code, Some(0));
    });
}

#[test]
fn transfers_that_wait_together_speak_with_one_voice() {
    isolated(&[SERVER], || {
        let list: Vec<(String, String)> = (1..=4)
            .map(|file| {
                (
                    format!("/{file}"),
                    format!(r#""source":"http://192.0.2.1/{file}""#),
                )
            })
            .collect();
        let list: Vec<(&str, &str)> = list.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let ignition = r#""ignition":{"version":"3.4.0","timeouts":{"httpTotal":1}}"#;
        let node = Node::new(&files(&list).replace(r#""ignition":{"version":"3.4.0"}"#, ignition));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(1));
        // All four are refused at once and again and again, for less time than there is between two lines.
        assert_eq!(
            answer.out.matches("waiting for http").count(),
            1,
            "{}",
            answer.out
        );
        assert_eq!(
            answer.out.matches("error: while fetching").count(),
            4,
            "{}",
            answer.out
        );
    });
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |asked| match asked.path.as_str() {
            "/a" => say("404 Not Found", &[], ""),
            "/b" => say("200 OK", &[], "other contents"),
            _ => say("200 OK", &[], "no gzip"),
        });
        let zeros = "0".repeat(64);
        let node = Node::new(&files(&[
            ("/a", r#""source":"http://192.0.2.1/a""#),
            (
                "/b",
                &format!(
                    r#""source":"http://192.0.2.1/b","verification":{{"hash":"sha256-{zeros}"}}"#
                ),
            ),
            (
                "/c",
                r#""source":"http://192.0.2.1/c","compression":"gzip""#,
            ),
        ]));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(1));
        for text in [
            "while fetching http://192.0.2.1/a: the server answered 404 Not Found",
            &format!(
                "while fetching http://192.0.2.1/b: the contents have the wrong hash: expected sha256-{zeros}, got sha256-"
            ),
            "while fetching http://192.0.2.1/c: the contents cannot be decompressed as gzip",
        ] {
            assert!(
                answer.out.contains(text),
                "{text:?} is not in:\n{}",
                answer.out
            );
        }
        assert!(!node.has_config());
    });
}

#[test]
fn headers_proxies_and_exceptions_are_the_configs() {
    isolated(&[SERVER, "192.0.2.2/32"], || {
        let proxy = Web::start("192.0.2.2:3128", |_| say("200 OK", &[], "by proxy"));
        let server = Web::start("192.0.2.1:80", |_| say("200 OK", &[], "directly"));
        let node = Node::new(
            r#"{"ignition":{"version":"3.4.0","proxy":{"httpProxy":"http://192.0.2.2:3128","noProxy":["192.0.2.0/31"]}},
                "storage":{"files":[
                {"path":"/a","contents":{"source":"http://192.0.2.1/a","httpHeaders":[{"name":"X-Token","value":"t"}]}},
                {"path":"/b","contents":{"source":"http://config.invalid/b"}}]}}"#,
        );
        let answer = node.boot.stages(&["fetch", "files"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let text = |name: &str| std::fs::read_to_string(node.boot.root.join(name)).unwrap();
        assert_eq!(text("a"), "directly");
        assert_eq!(text("b"), "by proxy");
        assert_eq!(server.asked()[0].header("x-token"), Some("t"));
        assert_eq!(proxy.paths(), ["http://config.invalid/b"]);
    });
}

#[test]
fn a_hundred_megabytes_pass_through_a_small_program() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |_| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 100 << 20);
            Act::Repeat(head.into(), vec![b'x'; 1 << 20], 100)
        });
        let node = Node::new(&remote("http://192.0.2.1/f", ""));
        let stage = node.boot.command("fetch");
        // All that it may allocate is less than a third of the contents.
        let mut limited = Command::new("prlimit");
        limited.arg("--data=33554432").arg(stage.get_program());
        limited.args(stage.get_args());
        let variables: BTreeMap<_, _> = stage
            .get_envs()
            .filter_map(|(k, v)| Some((k, v?)))
            .collect();
        let answer = Running::start(limited.envs(variables)).ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let kept = std::fs::read_dir(node.path("run/ignition.json.blobs")).unwrap();
        let sizes = kept.map(|entry| entry.unwrap().metadata().unwrap().len());
        assert!(sizes.into_iter().any(|size| size == 100 << 20));
    });
}

/// What is too large for memory goes to its file at once: the root has room for it once. The server changes it while
/// half of it is there.
#[test]
fn what_does_not_fit_into_memory_is_written_once() {
    const LARGE: usize = 12 << 20;
    isolated(&[SERVER], || {
        let web = Web::start("192.0.2.1:80", |asked| match asked.number {
            // How long it is; the rest is not waited for.
            0 => say("200 OK", &["ETag: \"old\""], vec![b'o'; LARGE]),
            1 => {
                let mut half = reply("200 OK", &["ETag: \"old\""], vec![b'o'; LARGE]);
                half.truncate(LARGE / 2);
                Act::Say(half)
            }
            _ => say("200 OK", &["ETag: \"new\""], vec![b'n'; LARGE]),
        });
        let node = Node::new(
            r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[
                {"path":"/large","append":[{"source":"data:,begin%0A"},{"source":"http://192.0.2.1/f"},
                    {"source":"data:,%0Aend"}]}]}}"#,
        );
        for (directory, mib) in [("run", 8), ("root", 20)] {
            let at = node.path(directory).display().to_string();
            run(&[
                "mount",
                "-t",
                "tmpfs",
                "-o",
                &format!("size={mib}m"),
                "tmpfs",
                &at,
            ]);
        }
        let answer = node.boot.stages(&["fetch", "files"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let expected = [b"begin\n", vec![b'n'; LARGE].as_slice(), b"\nend"].concat();
        let found = std::fs::read(node.boot.root.join("large")).unwrap();
        assert!(found == expected, "{} bytes", found.len());
        assert!(web.asked().len() >= 3, "{:?}", web.paths());
        for at in ["run", "root"] {
            run(&["umount", &node.path(at).display().to_string()]);
        }
    });
}
