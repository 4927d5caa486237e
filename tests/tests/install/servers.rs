//! Images from servers: Flatcar's places, streams, and connections that break.

use std::fs;
use std::net::TcpListener;

use pilotlight_tests::faults::{Act, Asked, Web, reply, say};

use crate::image::{SIZE, image};
use crate::{Disk, called, install, text};

/// An address that nobody has.
fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A mirror with one version; of the image's first request it sends a half and breaks off.
fn mirror(address: &str, breaks: bool) -> Web {
    let image = image();
    let bytes = fs::read(&image.packed).unwrap();
    let signature = fs::read(format!("{}.sig", image.packed.display())).unwrap();
    let mut broken = !breaks;
    Web::start(address, move |asked: &Asked| match asked.path.as_str() {
        "/x/current/version.txt" => say("200 OK", &[], "FLATCAR_VERSION=4230.2.1\n"),
        "/x/4230.2.1/flatcar_production_image.bin.bz2.sig" => say("200 OK", &[], &signature),
        "/x/4230.2.1/flatcar_production_image.bin.bz2" => {
            if !broken {
                broken = true;
                let whole = reply("200 OK", &["ETag: \"v1\""], &bytes);
                return Act::Say(whole[..whole.len() - bytes.len() / 2].to_vec());
            }
            let from = asked.header("range").and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse::<usize>()
                    .ok()
            });
            match from {
                None => say("200 OK", &["ETag: \"v1\""], &bytes),
                Some(from) => {
                    let range = format!(
                        "Content-Range: bytes {from}-{}/{}",
                        bytes.len() - 1,
                        bytes.len()
                    );
                    say(
                        "206 Partial Content",
                        &["ETag: \"v1\"", &range],
                        &bytes[from..],
                    )
                }
            }
        }
        _ => say("404 Not Found", &[], ""),
    })
}

/// How many requests went on where an earlier one had ended.
pub fn resumed(web: &Web) -> usize {
    let asked = web.asked().into_iter();
    asked
        .filter(|asked| asked.header("range").is_some())
        .count()
}

#[test]
fn a_release_is_found_by_its_name_and_a_broken_download_goes_on() {
    let image = image();
    let address = address();
    let web = mirror(&address, true);
    let disk = Disk::new(SIZE + 10);
    let line = format!(
        "-d {} -b http://{address}/x -V current --oem= -k {}",
        disk.node(),
        image.key.display()
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    disk.has_table_of(image);
    assert_eq!(resumed(&web), 1, "{:?}", web.paths());
    // The signature tells that nothing is new: the image itself is not asked for.
    let before = web.asked().len();
    assert_eq!(install(&line).code, Some(77));
    let paths = web.paths().split_off(before);
    assert!(
        paths.iter().all(|path| !path.ends_with(".bz2")),
        "{paths:?}"
    );
    // What is not there is said with its place.
    let answer = install(&line.replace("-V current", "-V 1.2.3"));
    assert_eq!(answer.code, Some(1));
    assert!(
        answer
            .err
            .contains("/x/1.2.3/flatcar_production_image.bin.bz2.sig"),
        "{}",
        answer.err
    );
}

#[test]
fn an_image_is_downloaded_verified_or_not_at_all() {
    let image = image();
    let address = address();
    let _web = mirror(&address, false);
    let directory = tempfile::tempdir().unwrap();
    let line = |key: &std::path::Path| {
        format!(
            "-D -b http://{address}/x -V current --oem= --directory {} -k {}",
            directory.path().display(),
            key.display()
        )
    };
    let answer = install(&line(&image.other_key));
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let answer = install(&line(&image.key));
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    let path = directory.path().join("flatcar_production_image.bin.bz2");
    assert_eq!(answer.out.trim(), path.display().to_string());
    assert!(fs::read(&path).unwrap() == fs::read(&image.packed).unwrap());
    assert!(
        directory
            .path()
            .join("flatcar_production_image.bin.bz2.sig")
            .exists()
    );
}

#[test]
fn streams_are_listed_and_installed_from() {
    let image = image();
    let address = address();
    let bytes = fs::read(&image.packed).unwrap();
    let signature = fs::read(format!("{}.sig", image.packed.display())).unwrap();
    let sum = pilotlight_tests::tool(&format!("sha256sum {}", image.packed.display()));
    let sum = sum.split(' ').next().unwrap();
    let stream = |sum: &str| {
        format!(
            "{{\"stream\": \"stable\", \"architectures\": {{\"x86_64\": {{\"artifacts\": {{\"metal\": {{\"release\": \"1\", \
             \"formats\": {{\"raw.xz\": {{\"disk\": {{\"location\": \"http://{address}/image\", \
             \"signature\": \"http://{address}/image.sig\", \"sha256\": \"{sum}\"}}}}}}}}}}}}}}}}"
        )
    };
    let (good, wrong) = (stream(sum), stream(&"0".repeat(64)));
    let _web = Web::start(&address, move |asked: &Asked| match asked.path.as_str() {
        "/good/stable.json" => say("200 OK", &[], &good),
        "/wrong/stable.json" => say("200 OK", &[], &wrong),
        "/image" => say("200 OK", &[], &bytes),
        "/image.sig" => say("200 OK", &[], &signature),
        _ => say("404 Not Found", &[], ""),
    });
    let directory = tempfile::tempdir().unwrap();
    let listed = called(
        "coreos-installer",
        &format!("list-stream --stream-base-url http://{address}/good"),
        directory.path(),
    );
    assert_eq!(
        listed.out, "Architecture  Platform  Format\nx86_64        metal     raw.xz\n",
        "{}",
        listed.err
    );
    let disk = Disk::new(SIZE + 10);
    let line = |base: &str| {
        format!(
            "install {} -a x86_64 --stream-base-url http://{address}/{base} --key {}",
            disk.node(),
            image.key.display()
        )
    };
    // The signature is good; the digest of the stream is that of another image.
    let answer = called("coreos-installer", &line("wrong"), directory.path());
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    disk.boots_nothing();
    let answer = called("coreos-installer", &line("good"), directory.path());
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    disk.has_table_of(image);
}
