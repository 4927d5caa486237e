//! Configs that refer to configs: in any language, without end, too deep, too many.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pilotlight_tests::{Answer, pilotlight};

/// A server of configs, until the test ends: its address, and how often it was asked.
fn server(answer: impl Fn(&str, &str) -> String + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let (root, count) = (base.clone(), asked.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let head = String::from_utf8_lossy(&request[..length]);
            let path = head.split(' ').nth(1).unwrap_or("/");
            count.fetch_add(1, Ordering::SeqCst);
            let body = answer(&root, path);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body.as_bytes());
        }
    });
    (base, asked)
}

fn refers(kind: &str, urls: &[String]) -> String {
    let resources: Vec<String> = urls
        .iter()
        .map(|url| format!("{{\"source\": \"{url}\"}}"))
        .collect();
    let value = match kind {
        "replace" => resources[0].clone(),
        _ => format!("[{}]", resources.join(", ")),
    };
    format!("{{\"ignition\": {{\"version\": \"3.4.0\", \"config\": {{\"{kind}\": {value}}}}}}}")
}

fn plan(config: &str) -> Answer {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("top.ign");
    std::fs::write(&path, config).unwrap();
    pilotlight(&["plan".as_ref(), path.as_os_str()])
}

fn refused(config: &str, words: &str) {
    let answer = plan(config);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.err.contains(words),
        "{words:?} is not in:\n{}",
        answer.err
    );
    assert_eq!(answer.out, "");
}

#[test]
fn a_config_that_replaces_itself_is_an_error() {
    let (base, asked) = server(|root, _| refers("replace", &[format!("{root}/self")]));
    refused(
        &refers("replace", &[format!("{base}/self")]),
        "/self refers to itself",
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // In a circle, too; and the place is in the config that closes it.
    let (base, _) = server(|root, path| {
        let next = if path == "/a" { "/b" } else { "/a" };
        refers("merge", &[format!("{root}{next}")])
    });
    refused(
        &refers("merge", &[format!("{base}/a")]),
        &format!("{base}/b:1:"),
    );
}

#[test]
fn configs_refer_so_deep_and_so_wide_and_no_further() {
    let (base, asked) = server(|root, path| {
        let depth: usize = path.trim_start_matches('/').parse().unwrap();
        refers("merge", &[format!("{root}/{}", depth + 1)])
    });
    refused(
        &refers("merge", &[format!("{base}/0")]),
        "more than 16 levels deep",
    );
    assert!(asked.load(Ordering::SeqCst) <= 17);

    let empty = "{\"ignition\": {\"version\": \"3.4.0\"}}";
    let (base, asked) = server(move |_, _| empty.into());
    let urls: Vec<String> = (0..500).map(|n| format!("{base}/{n}")).collect();
    refused(&refers("merge", &urls), "refers to more than 128 configs");
    assert!(asked.load(Ordering::SeqCst) <= 128);
}

#[test]
fn children_may_be_in_any_language() {
    let (base, _) = server(|_, path| {
        match path {
            "/butane" => "variant: flatcar\nversion: 1.1.0\nstorage: {files: [{path: /etc/butane, contents: {inline: b}}]}\n",
            "/old" => r#"{"ignition": {"version": "2.3.0"}, "storage": {"files": [{"filesystem": "root", "path": "/etc/old"}]}}"#,
            "/cloud" => "#cloud-config\nwrite_files: [{path: /etc/cloud, content: c}]\n",
            _ => "update: {group: beta}\n",
        }
        .into()
    });
    let urls =
        ["/butane", "/old", "/cloud", "/container-linux"].map(|path| format!("{base}{path}"));
    let answer = plan(&refers("merge", &urls));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    for path in [
        "/etc/butane",
        "/etc/old",
        "/etc/cloud",
        "/etc/flatcar/update.conf",
    ] {
        assert!(
            answer.out.contains(path),
            "{path} is not in:\n{}",
            answer.out
        );
    }
}
