//! The smallest HTTP (RFC 1945) over connections that the client of configs does not make: one request, one answer,
//! and the end of the connection is the end of the answer.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use pilotlight_core::http::{Method, Reply};
use pilotlight_providers::{Ask, Way};
use pilotlight_sys::streams;

/// Longest head of an answer, in bytes.
const MAX_HEAD: u64 = 64 << 10;

/// Asks once. Such services are on the machine's own link, and named by numbers.
pub fn ask(ask: &Ask, limit: u64, timeout: Duration) -> io::Result<Reply> {
    let (host, path) = parts(&ask.url)
        .ok_or_else(|| io::Error::other(format!("{} is no URL of HTTP", ask.shown())))?;
    let connection = match ask.way {
        Way::Hypervisor(port) => streams::to_host(port, timeout)?,
        Way::LowPort | Way::Usual => {
            let address =
                address(host).ok_or_else(|| io::Error::other(format!("{host:?} is no address")))?;
            streams::from_low_port(address, timeout)?
        }
    };
    converse(connection, &request(ask, host, path), limit)
}

fn converse(mut connection: File, request: &[u8], limit: u64) -> io::Result<Reply> {
    connection.write_all(request)?;
    let most = limit + MAX_HEAD;
    let mut answer = Vec::new();
    connection.take(most + 1).read_to_end(&mut answer)?;
    if answer.len() as u64 > most {
        return Err(io::Error::other(format!(
            "the answer has more than {limit} bytes"
        )));
    }
    parse(&answer).map_err(io::Error::other)
}

/// Host and path of a URL.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    Some((host, if path.is_empty() { "/" } else { path }))
}

fn address(host: &str) -> Option<SocketAddr> {
    host.parse().or_else(|_| format!("{host}:80").parse()).ok()
}

fn request(ask: &Ask, host: &str, path: &str) -> Vec<u8> {
    let method = match ask.method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Patch => "PATCH",
    };
    let mut text = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in &ask.headers {
        // A header is one line, whoever made it.
        let value = value.replace(char::is_control, " ");
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !ask.body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), &ask.body].concat()
}

/// The answer; why it is none.
fn parse(answer: &[u8]) -> Result<Reply, String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or("the answer has no end of its head")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let body = &answer[end + 4..];
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or("the answer is none of HTTP")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_string()))
        .collect();
    let of = |name: &str| headers.iter().find(|(known, _)| known == name);
    if of("transfer-encoding").is_some() {
        return Err("the answer comes in pieces, which were not asked for".into());
    }
    let length = of("content-length").and_then(|(_, length)| length.parse::<usize>().ok());
    let body = match length {
        Some(length) if body.len() < length => {
            return Err(format!(
                "the answer ends after {} of {length} bytes",
                body.len()
            ));
        }
        Some(length) => &body[..length],
        None => body,
    };
    Ok(Reply {
        status,
        headers,
        body: body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_answer_is_whole_or_an_error() {
        for (answer, expected) in [
            ("HTTP/1.0 200 OK\r\n\r\n{}", Ok((200, "{}"))),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                Ok((200, "{}")),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}\n",
                Ok((200, "{}")),
            ),
            ("HTTP/1.0 404 Not Found\r\n\r\n", Ok((404, ""))),
            ("HTTP/1.0 204\r\n\r\n", Ok((204, ""))),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
                Err("ends after 2 of 3 bytes"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",
                Err("in pieces"),
            ),
            ("HTTP/1.0 200 OK\r\n", Err("no end of its head")),
            ("", Err("no end of its head")),
            ("SSH-2.0-x\r\n\r\n", Err("none of HTTP")),
            ("HTTP/1.0 many\r\n\r\n", Err("none of HTTP")),
        ] {
            match (parse(answer.as_bytes()), expected) {
                (Ok(reply), Ok((status, body))) => {
                    assert_eq!(
                        (reply.status, reply.body.as_slice()),
                        (status, body.as_bytes())
                    );
                }
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{answer:?}: {why}"),
                (other, _) => panic!("{answer:?}: {:?}", other.map(|reply| reply.status)),
            }
        }
    }

    #[test]
    fn a_request_is_written_and_its_answer_read_to_the_end() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let asked = Ask {
            method: Method::Patch,
            body: b"{}".to_vec(),
            ..Ask::get("http://192.0.2.1/state?x=1")
        }
        .header("Accept", "a\r\nX-Evil: b");
        let (host, path) = parts(&asked.url).unwrap();
        let request = request(&asked, host, path);
        peer.write_all(b"HTTP/1.0 200 OK\r\n\r\nbody").unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let reply = converse(File::from(OwnedFd::from(ours)), &request, 100).unwrap();
        assert_eq!(reply.body, b"body");
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(
            heard,
            "PATCH /state?x=1 HTTP/1.0\r\nHost: 192.0.2.1\r\nConnection: close\r\nAccept: a  X-Evil: b\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn hosts_are_addresses() {
        for (host, expected) in [
            ("169.254.42.42", Some("169.254.42.42:80")),
            ("[fd00:42::42]", Some("[fd00:42::42]:80")),
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("example", None),
        ] {
            assert_eq!(
                address(host).map(|found| found.to_string()).as_deref(),
                expected
            );
        }
        assert_eq!(parts("http://d"), Some(("d", "/")));
        assert_eq!(parts("https://d/"), None);
    }
}
