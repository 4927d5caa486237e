//! TFTP servers of the test, which lose, repeat and shuffle packets; the one that people run is in
//! tests/resources.rs.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pilotlight_core::model::{Compression, Digest};
use pilotlight_fetch::{Cause, ClientConfig, Request};

use crate::{fetch, quick, sha256};

/// How a server behaves.
#[derive(Clone, Default)]
struct Manner {
    /// Options that it agrees to, NUL after each name and value; without any it knows none.
    options: &'static [u8],
    block: usize,
    window: usize,
    /// Of so many packets it loses one, sends one twice, and sends one after its successor; 0 is none.
    lose: u32,
    /// The number after 65535.
    round: u16,
    /// Stops for good after so many blocks of the first transfers.
    dies: Option<(u32, usize)>,
    /// Says this instead of the file.
    says: Option<&'static [u8]>,
    /// Another port and another address talk as well.
    strangers: bool,
}

struct Server {
    port: u16,
    asked: Arc<AtomicU32>,
}

impl Server {
    fn start(address: &str, contents: Vec<u8>, manner: Manner) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked = Arc::new(AtomicU32::new(0));
        let (count, address) = (asked.clone(), address.to_owned());
        thread::spawn(move || {
            let mut known: Option<SocketAddr> = None;
            loop {
                let mut packet = [0; 600];
                let (length, client) = socket.recv_from(&mut packet).unwrap();
                assert!(
                    packet.starts_with(b"\0\x01/file\0octet\0"),
                    "{:?}",
                    &packet[..length]
                );
                // A request that is repeated is not another one.
                if known == Some(client) {
                    continue;
                }
                known = Some(client);
                let turn = count.fetch_add(1, Ordering::SeqCst);
                let own = UdpSocket::bind((address.as_str(), 0)).unwrap();
                let (contents, manner) = (contents.clone(), manner.clone());
                thread::spawn(move || serve(&own, client, &contents, &manner, turn));
            }
        });
        Self { port, asked }
    }

    fn url(&self) -> String {
        format!("tftp://127.0.0.1:{}/file", self.port)
    }
}

fn serve(socket: &UdpSocket, client: SocketAddr, contents: &[u8], manner: &Manner, turn: u32) {
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut sent = 0_u32;
    let mut held: Option<Vec<u8>> = None;
    let mut send = |packet: &[u8]| {
        sent += 1;
        let fate = if manner.lose == 0 {
            9
        } else {
            sent % manner.lose
        };
        match fate {
            1 if sent > 1 => {}
            2 => {
                socket.send_to(packet, client).unwrap();
                socket.send_to(packet, client).unwrap();
            }
            3 => held = Some(packet.to_vec()),
            _ => {
                socket.send_to(packet, client).unwrap();
                if let Some(held) = held.take() {
                    socket.send_to(&held, client).unwrap();
                }
            }
        }
    };
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other_host = UdpSocket::bind("127.0.0.2:0").unwrap();
    if let Some(says) = manner.says {
        send(says);
        return;
    }
    if manner.strangers {
        other_host.send_to(b"\0\x05\0\x01forged\0", client).unwrap();
    }
    let blocks: Vec<&[u8]> = match contents.len() % manner.block {
        0 => contents.chunks(manner.block).chain([&b""[..]]).collect(),
        _ => contents.chunks(manner.block).collect(),
    };
    let number = |at: usize| {
        let past = at / 65536 * usize::from(manner.round);
        u16::try_from((at + past) % 65536).unwrap()
    };
    let mut next = if manner.options.is_empty() { 1 } else { 0 };
    let mut silence = 0;
    loop {
        if let Some((turns, after)) = manner.dies
            && turn < turns
            && next > after
        {
            return;
        }
        if next == 0 {
            send(&[&b"\0\x06"[..], manner.options].concat());
        }
        for at in next.max(1)..(next.max(1) + manner.window).min(blocks.len() + 1) {
            if next > 0 {
                let [high, low] = number(at).to_be_bytes();
                send(&[&[0, 3, high, low], blocks[at - 1]].concat());
            }
        }
        if manner.strangers {
            stranger.send_to(b"\0\x03\0\x01forged", client).unwrap();
            stranger.send_to(b"\0\x05\0\0forged\0", client).unwrap();
        }
        let mut packet = [0; 600];
        match socket.recv_from(&mut packet) {
            Ok((4, from)) if from == client && packet.starts_with(&[0, 4]) => {
                silence = 0;
                let got = u16::from_be_bytes([packet[2], packet[3]]);
                let window = next.saturating_sub(1)..=(next + manner.window);
                let acknowledged = window.rev().find(|at| number(*at) == got);
                if acknowledged == Some(blocks.len()) {
                    return;
                }
                next = acknowledged.map_or(next, |at| (at + 1).max(next));
            }
            Ok(_) => return,
            Err(_) => silence += 1,
        }
        if silence > 200 {
            return;
        }
    }
}

fn contents(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

const PLAIN: Manner = Manner {
    options: b"",
    block: 512,
    window: 1,
    lose: 0,
    round: 0,
    dies: None,
    says: None,
    strangers: false,
};

const OPTIONS: Manner = Manner {
    options: b"blksize\x001428\0windowsize\x008\0",
    block: 1428,
    window: 8,
    ..PLAIN
};

#[test]
fn files_of_every_length_come_whole() {
    for manner in [PLAIN, OPTIONS] {
        for length in [0, 1, manner.block - 1, manner.block, manner.block * 20 + 7] {
            let whole = contents(length);
            let server = Server::start("127.0.0.1", whole.clone(), manner.clone());
            let outcome = fetch(quick(), &Request::new(server.url()));
            assert_eq!(outcome.contents(), whole);
            assert_eq!(outcome.result.unwrap().status, None);
        }
    }
}

#[test]
fn ipv6_is_as_good() {
    let server = Server::start("::1", contents(2000), PLAIN);
    let url = format!("tftp://[::1]:{}/file", server.port);
    let outcome = fetch(quick(), &Request::new(url));
    assert_eq!(outcome.contents(), contents(2000));
}

#[test]
fn lost_repeated_and_shuffled_packets_do_no_harm() {
    for (manner, lose) in [(PLAIN, 7), (PLAIN, 4), (OPTIONS, 5), (OPTIONS, 11)] {
        let whole = contents(100_000);
        let server = Server::start("127.0.0.1", whole.clone(), Manner { lose, ..manner });
        let outcome = fetch(quick(), &Request::new(server.url()));
        assert_eq!(outcome.contents(), whole);
        assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn block_numbers_go_round() {
    for (round, options, window) in [
        (0, &b"blksize\x008\0"[..], 1),
        (1, b"blksize\x008\0", 1),
        (0, b"blksize\x008\0windowsize\x0016\0", 16),
    ] {
        let whole = contents(8 * 65536 + 100);
        let manner = Manner {
            options,
            block: 8,
            window,
            round,
            ..PLAIN
        };
        let server = Server::start("127.0.0.1", whole.clone(), manner);
        let outcome = fetch(quick(), &Request::new(server.url()));
        assert_eq!(outcome.contents(), whole);
    }
}

#[test]
fn what_the_server_says_of_the_file_is_told() {
    for (says, words, absent) in [
        (
            &b"\0\x05\0\x01File not found\0"[..],
            "no such file (\"File not found\")",
            true,
        ),
        (
            b"\0\x05\0\x02Access violation\0",
            "does not let everybody read",
            false,
        ),
        (
            b"\0\x06blksize\x009999\0",
            "does not keep to the protocol",
            false,
        ),
    ] {
        let manner = Manner {
            says: Some(says),
            ..PLAIN
        };
        let server = Server::start("127.0.0.1", vec![], manner);
        let outcome = fetch(quick(), &Request::new(server.url()));
        let error = outcome.error();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.cause.is_not_found(), absent);
        assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn strangers_are_not_listened_to() {
    let manner = Manner {
        strangers: true,
        ..PLAIN
    };
    let server = Server::start("127.0.0.1", contents(3000), manner);
    let outcome = fetch(quick(), &Request::new(server.url()));
    assert_eq!(outcome.contents(), contents(3000));
}

#[test]
fn a_server_that_dies_is_asked_again() {
    let config = || ClientConfig {
        body_idle_timeout: Duration::from_millis(300),
        ..quick()
    };
    let manner = |turns| Manner {
        dies: Some((turns, 3)),
        ..PLAIN
    };
    let server = Server::start("127.0.0.1", contents(5000), manner(1));
    let outcome = fetch(config(), &Request::new(server.url()));
    assert_eq!(outcome.contents(), contents(5000));
    let waits = outcome.told.waits.borrow();
    assert!(
        waits
            .iter()
            .any(|wait| wait.contains("nothing came for 0.3 s")),
        "{waits:?}"
    );
    // Not for ever, if it always dies at the same point.
    let server = Server::start("127.0.0.1", contents(5000), manner(u32::MAX));
    let outcome = fetch(config(), &Request::new(server.url()));
    assert!(
        matches!(outcome.error().cause, Cause::Truncated { got: 1536, .. }),
        "{}",
        outcome.error()
    );
}

#[test]
fn no_server_is_waited_for() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = ClientConfig {
        response_header_timeout: Duration::from_millis(50),
        total_timeout: Some(Duration::from_millis(400)),
        ..quick()
    };
    let url = format!(
        "tftp://127.0.0.1:{}/file",
        nobody.local_addr().unwrap().port()
    );
    let outcome = fetch(config, &Request::new(url));
    let said = outcome.error().to_string();
    assert!(
        said.contains("gave up after 0.4 s; last: no answer within 0.05 s"),
        "{said}"
    );
}

#[test]
fn bounds_digests_and_compression_are_those_of_every_resource() {
    use std::io::Write as _;
    let whole = contents(10_000);
    let server = Server::start("127.0.0.1", whole.clone(), OPTIONS);
    let request = Request {
        max_bytes: Some(9_999),
        ..Request::new(server.url())
    };
    let outcome = fetch(quick(), &request);
    assert!(matches!(
        outcome.error().cause,
        Cause::TooLarge { limit: 9_999 }
    ));
    let request = Request {
        verify: Some(Digest::Sha256([0; 32])),
        ..Request::new(server.url())
    };
    let outcome = fetch(quick(), &request);
    assert!(matches!(outcome.error().cause, Cause::Digest { .. }));

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&whole).unwrap();
    let server = Server::start("127.0.0.1", encoder.finish().unwrap(), OPTIONS);
    let request = Request {
        compression: Compression::Gzip,
        verify: Some(Digest::Sha256(sha256(&whole))),
        ..Request::new(server.url())
    };
    assert_eq!(fetch(quick(), &request).contents(), whole);
}

#[test]
fn urls_that_name_no_file_are_refused() {
    for url in [
        "tftp://127.0.0.1",
        "tftp:///x",
        "tftp:x",
        "tftp://127.0.0.1/a%00b",
    ] {
        let outcome = fetch(quick(), &Request::new(url));
        let cause = &outcome.error().cause;
        assert!(matches!(cause, Cause::InvalidUrl(_)), "{url}: {cause}");
    }
}
