//! A name server that knows a few names, when it wants to.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A name server (RFC 1035).
#[derive(Debug)]
pub struct Names {
    awake: Arc<AtomicBool>,
}

impl Names {
    /// Starts a server at `address` that knows one name, and makes it the one that this namespace asks.
    ///
    /// Until [`Names::wake`] it answers that it cannot answer.
    pub fn start(address: &str, name: &str, addresses: &[&str], scratch: &Path) -> Self {
        let resolv = scratch.join("resolv.conf");
        let text = format!("nameserver {address}\noptions timeout:1 attempts:1\n");
        std::fs::write(&resolv, text).unwrap();
        super::cover("/etc/resolv.conf", &resolv);
        // Names are looked for in /etc/hosts and by DNS, whatever the machine that runs the tests does.
        let switch = scratch.join("nsswitch.conf");
        std::fs::write(&switch, "hosts: files dns\n").unwrap();
        super::cover("/etc/nsswitch.conf", &switch);

        let socket = UdpSocket::bind((address, 53)).unwrap();
        let awake = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&awake);
        let known = wire_name(name);
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let addresses = seen.load(Ordering::Relaxed).then_some(&addresses[..]);
                if let Some(answer) = answer(&packet[..length], &known, addresses) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { awake }
    }

    /// From now on it answers.
    pub fn wake(&self) {
        self.awake.store(true, Ordering::Relaxed);
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// The answer to a query; no addresses at all are a failure of the server.
fn answer(query: &[u8], known: &[u8], addresses: Option<&[IpAddr]>) -> Option<Vec<u8>> {
    let question = query.get(12..)?;
    let end = question.iter().position(|byte| *byte == 0)? + 1;
    let (name, kind) = (&question[..end], question.get(end..end + 2)?);
    let records: Vec<Vec<u8>> = addresses
        .unwrap_or_default()
        .iter()
        .filter(|_| name.eq_ignore_ascii_case(known))
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(address), [0, 1]) => Some(address.octets().to_vec()),
            (IpAddr::V6(address), [0, 28]) => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let code = match addresses {
        None => 2,
        Some(_) if name.eq_ignore_ascii_case(known) => 0,
        Some(_) => 3,
    };
    let mut reply = query[..2].to_vec();
    let count = u8::try_from(records.len()).ok()?;
    reply.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    reply.extend(&question[..end + 4]);
    for record in records {
        // The name by its place in the packet, the kind, class IN, 60 s.
        reply.extend([0xc0, 12, kind[0], kind[1], 0, 1, 0, 0, 0, 60, 0]);
        reply.push(u8::try_from(record.len()).ok()?);
        reply.extend(record);
    }
    Some(reply)
}
