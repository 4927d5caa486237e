//! A switch port that tags: the guest's frames carry an 802.1Q tag, those of the tap device do not.
//!
//! The kernel of the machine that tests need not know VLANs. QEMU hands the guest's frames over as datagrams;
//! a second QEMU without a machine hands those of the tap device over.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::network::TAP;

/// Of the tag (IEEE 802.1Q).
const TYPE: [u8; 2] = [0x81, 0x00];
/// The two addresses in front of it.
const ADDRESSES: usize = 12;
/// Longer than any frame here.
const FRAME: usize = 65536;

/// What QEMU of the guest is told.
pub const GUEST: &str = "socket,id=net,udp=127.0.0.1:4001,localaddr=127.0.0.1:4002";

/// Starts the port in this thread's network namespace; the child ends with this thread.
pub fn start(id: u16) -> Result<Child> {
    let bind = |port: u16| {
        UdpSocket::bind(("127.0.0.1", port)).with_context(|| format!("while opening port {port}"))
    };
    let (guest, tap) = (bind(4001)?, bind(4003)?);
    guest.connect("127.0.0.1:4002")?;
    tap.connect("127.0.0.1:4004")?;
    let (from_tap, to_guest) = (tap.try_clone()?, guest.try_clone()?);
    thread::spawn(move || carry(&guest, &tap, |frame| untagged(frame, id)));
    thread::spawn(move || carry(&from_tap, &to_guest, |frame| Some(tagged(frame, id))));
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(["-machine", "none", "-nodefaults", "-display", "none"])
        .arg("-netdev")
        .arg(format!("tap,id=tap,ifname={TAP},script=no,downscript=no"))
        .args([
            "-netdev",
            "socket,id=wire,udp=127.0.0.1:4003,localaddr=127.0.0.1:4004",
        ])
        .args(["-netdev", "hubport,hubid=0,id=one,netdev=tap"])
        .args(["-netdev", "hubport,hubid=0,id=other,netdev=wire"])
        .stdin(Stdio::null())
        .spawn()
        .context("while starting qemu-system-x86_64 for a VLAN")
}

/// Copies frames until this process ends; an end that is not there yet, or no more, loses them, as a wire does.
fn carry(from: &UdpSocket, to: &UdpSocket, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut frame = vec![0; FRAME];
    loop {
        if let Ok(length) = from.recv(&mut frame)
            && let Some(changed) = change(&frame[..length])
        {
            let _ = to.send(&changed);
        }
    }
}

fn tagged(frame: &[u8], id: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(ADDRESSES.min(frame.len()));
    [addresses, &TYPE, &id.to_be_bytes(), rest].concat()
}

/// The frame without its tag; nothing of another VLAN, or of none.
fn untagged(frame: &[u8], id: u16) -> Option<Vec<u8>> {
    let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
    let [high, low, ..] = *rest.strip_prefix(&TYPE)? else {
        return None;
    };
    // The upper four bits are its priority.
    (u16::from_be_bytes([high, low]) & 0x0fff == id).then(|| [addresses, &rest[4..]].concat())
}

#[cfg(test)]
mod tests {
    use super::{tagged, untagged};

    #[test]
    fn only_frames_of_the_vlan_pass() {
        let frame = b"to....from..\x08\x00payload";
        let on_the_wire = tagged(frame, 7);
        assert_eq!(on_the_wire, b"to....from..\x81\x00\x00\x07\x08\x00payload");
        assert_eq!(untagged(&on_the_wire, 7).as_deref(), Some(frame.as_slice()));
        let urgent = b"to....from..\x81\x00\xe0\x07\x08\x00payload";
        assert_eq!(untagged(urgent, 7).as_deref(), Some(frame.as_slice()));
        assert_eq!(untagged(&on_the_wire, 8), None);
        assert_eq!(untagged(frame, 7), None);
        assert_eq!(untagged(b"short", 7), None);
    }
}
