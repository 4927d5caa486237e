//! Guest properties of VirtualBox, by the kernel's device (Linux include/uapi/linux/vboxguest.h, VirtualBox
//! include/VBox/HostServices/GuestPropertySvc.h).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

const DEVICE: &str = "/dev/vboxguest";
const SERVICE: &[u8] = b"VBoxGuestPropSvc";
/// Functions of the service.
const GET: u32 = 1;
const DELETE: u32 = 4;
/// Sizes of messages: the header, the call before its parameters, and a parameter.
const HEADER: usize = 24;
const CALL: usize = HEADER + 16;
const PARAMETER: usize = 16;
/// Types of parameters.
const NUMBER: u32 = 1;
const LONG_NUMBER: u32 = 2;
const BUFFER: u32 = 4;
const BUFFER_IN: u32 = 5;
/// What the host answers: the buffer is too small, and there is no such property.
const OVERFLOW: i32 = -41;
const NOT_FOUND: i32 = -78;
/// Longest property, in bytes.
const MAX: u32 = 1 << 20;

/// A message, as the driver takes it.
#[repr(C, align(8))]
struct Message<const N: usize>([u8; N]);

const GETTING: usize = CALL + 4 * PARAMETER;
const DELETING: usize = CALL + PARAMETER;

mod raw {
    use super::{DELETING, GETTING, Message};
    nix::ioctl_readwrite_bad!(
        version,
        nix::request_code_readwrite!(b'V', 0, 44),
        Message<44>
    );
    nix::ioctl_readwrite_bad!(
        connect,
        nix::request_code_readwrite!(b'V', 4, 156),
        Message<156>
    );
    nix::ioctl_readwrite_bad!(
        get,
        nix::request_code_readwrite!(b'V', 7, GETTING),
        Message<GETTING>
    );
    nix::ioctl_readwrite_bad!(
        delete,
        nix::request_code_readwrite!(b'V', 7, DELETING),
        Message<DELETING>
    );
}

impl<const N: usize> Message<N> {
    /// A message of which so many bytes are meant for the driver, and as many come back.
    fn new(size_in: usize, size_out: usize) -> Self {
        let mut message = Self([0; N]);
        message.put(0, to_u32(size_in));
        message.put(4, 0x10001);
        message.put(16, to_u32(size_out));
        message
    }

    fn put(&mut self, at: usize, number: u32) {
        self.0[at..at + 4].copy_from_slice(&number.to_ne_bytes());
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = self
            .0
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_ne_bytes)
    }

    /// What the host has answered.
    fn answer(&self) -> i32 {
        i32::from_ne_bytes(self.number(12).to_ne_bytes())
    }

    /// A call of a function of the service.
    fn call(client: u32, function: u32, parameters: u16) -> Self {
        let mut message = Self::new(N, N);
        message.put(HEADER, client);
        message.put(HEADER + 4, function);
        // For as long as it takes, and to be ended by a signal.
        message.put(HEADER + 8, u32::MAX);
        message.0[HEADER + 12] = 1;
        message.0[HEADER + 14..HEADER + 16].copy_from_slice(&parameters.to_ne_bytes());
        message
    }

    fn buffer(&mut self, parameter: usize, kind: u32, address: usize, size: u32) {
        let at = CALL + parameter * PARAMETER;
        self.put(at, kind);
        self.put(at + 4, size);
        let address = (address as u64).to_ne_bytes();
        self.0[at + 8..at + 16].copy_from_slice(&address);
    }
}

fn to_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn refused(what: &str, code: i32) -> io::Error {
    io::Error::other(format!("VirtualBox refuses {what} (its error {code})"))
}

/// A conversation with the service of properties, which ends with it.
struct Service {
    device: File,
    client: u32,
}

impl Service {
    fn open() -> io::Result<Self> {
        let device = File::options().read(true).write(true).open(DEVICE)?;
        let mut version = Message::<44>::new(HEADER + 16, HEADER + 20);
        // The version that is spoken, and the oldest that is understood.
        version.put(HEADER, 0x10000);
        version.put(HEADER + 4, 0x10000);
        // SAFETY: the message is as long as its number says, and the driver writes no more than that.
        #[allow(unsafe_code)]
        unsafe { raw::version(device.as_raw_fd(), &raw mut version) }?;
        match version.answer() {
            0 => {}
            code => return Err(refused("this version", code)),
        }
        let mut connect = Message::<156>::new(156, HEADER + 4);
        connect.put(HEADER, 2);
        connect.0[HEADER + 4..HEADER + 4 + SERVICE.len()].copy_from_slice(SERVICE);
        // SAFETY: as above.
        #[allow(unsafe_code)]
        unsafe { raw::connect(device.as_raw_fd(), &raw mut connect) }?;
        match connect.answer() {
            0 => Ok(Self {
                device,
                client: connect.number(HEADER),
            }),
            code => Err(refused("its guest properties", code)),
        }
    }
}

/// The value of a property; `None` where the host has none of this name.
pub fn guest_property(name: &str) -> io::Result<Option<Vec<u8>>> {
    let service = Service::open()?;
    let name = terminated(name);
    // A buffer of one byte: the host says how many there are.
    let mut buffer = vec![0; 1];
    loop {
        let mut message = Message::<GETTING>::call(service.client, GET, 4);
        message.buffer(0, BUFFER_IN, name.as_ptr() as usize, to_u32(name.len()));
        message.buffer(
            1,
            BUFFER,
            buffer.as_mut_ptr() as usize,
            to_u32(buffer.len()),
        );
        message.put(CALL + 2 * PARAMETER, LONG_NUMBER);
        message.put(CALL + 3 * PARAMETER, NUMBER);
        // SAFETY: as above; both buffers live until the call has ended, and the driver is told their lengths.
        #[allow(unsafe_code)]
        unsafe { raw::get(service.device.as_raw_fd(), &raw mut message) }?;
        let wanted = message.number(CALL + 3 * PARAMETER + 4);
        match message.answer() {
            0 => return Ok(Some(value(buffer))),
            NOT_FOUND => return Ok(None),
            OVERFLOW if wanted <= MAX && wanted as usize > buffer.len() => {
                buffer = vec![0; wanted as usize];
            }
            code => return Err(refused("the property", code)),
        }
    }
}

/// Takes a property away, if there is one.
pub fn delete_guest_property(name: &str) -> io::Result<()> {
    let service = Service::open()?;
    let name = terminated(name);
    let mut message = Message::<DELETING>::call(service.client, DELETE, 1);
    message.buffer(0, BUFFER_IN, name.as_ptr() as usize, to_u32(name.len()));
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe { raw::delete(service.device.as_raw_fd(), &raw mut message) }?;
    match message.answer() {
        0 | NOT_FOUND => Ok(()),
        code => Err(refused("to take the property away", code)),
    }
}

fn terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The value in a buffer: its flags follow behind a NUL.
fn value(mut buffer: Vec<u8>) -> Vec<u8> {
    let end = buffer.iter().position(|byte| *byte == 0);
    buffer.truncate(end.unwrap_or(buffer.len()));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_laid_out_as_the_driver_reads_them() {
        // VBG_IOCTL_DRIVER_VERSION_INFO, VBG_IOCTL_HGCM_CONNECT and VBG_IOCTL_HGCM_CALL_64 of these sizes.
        assert_eq!(nix::request_code_readwrite!(b'V', 0, 44), 0xc02c_5600);
        assert_eq!(nix::request_code_readwrite!(b'V', 4, 156), 0xc09c_5604);
        assert_eq!(nix::request_code_readwrite!(b'V', 7, GETTING), 0xc068_5607);
        let mut message = Message::<GETTING>::call(7, GET, 4);
        message.buffer(1, BUFFER, 0x1122, 9);
        let numbers: Vec<u32> = (0..GETTING / 4).map(|at| message.number(4 * at)).collect();
        let expected = [
            &[104, 0x10001, 0, 0, 104, 0][..],
            &[7, 1, u32::MAX, u32::from_ne_bytes([1, 0, 4, 0])],
            &[0, 0, 0, 0],
            &[4, 9, 0x1122, 0],
            &[0; 8],
        ];
        assert_eq!(numbers, expected.concat());
    }

    #[test]
    fn a_value_ends_before_its_flags() {
        assert_eq!(value(b"{}\0TRANSIENT\0".to_vec()), b"{}");
        assert_eq!(value(b"{}".to_vec()), b"{}");
        assert_eq!(value(vec![0]), b"");
    }

    #[test]
    fn a_machine_without_the_device_says_so() {
        if std::path::Path::new(DEVICE).exists() {
            return;
        }
        let error = guest_property("/Ignition/Config").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
