//! The little of systemd that Ignition 2.14 cannot do without.
//!
//! Before it touches a disk it starts the unit `<device>.device` over systemd's private socket and waits for
//! the job to end; for an instantiated unit it asks for systemd's version. No such socket answers in a
//! container or on a build machine, so this one does: a job ends with `done` if the device node exists and
//! with `timeout` if not. Wire format: the D-Bus specification, "Message Protocol".

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const METHOD_RETURN: u8 = 2;
const SIGNAL: u8 = 4;

/// Header field codes of the D-Bus specification.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const REPLY_SERIAL: u8 = 5;
const SIGNATURE: u8 = 8;

/// Every open connection: Ignition calls on one and expects the signal about its job on another.
type Peers = Arc<Mutex<Vec<UnixStream>>>;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A listening stand-in for `/run/systemd/private`; it lives as long as the test process.
pub struct Bus {
    /// Where the socket is, to be bind-mounted at its place.
    pub socket: PathBuf,
}

impl Bus {
    /// Listens on a socket inside `dir`.
    pub fn start(dir: &Path) -> std::io::Result<Bus> {
        let socket = dir.join("private");
        let listener = UnixListener::bind(&socket)?;
        let peers = Peers::default();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let peers = Arc::clone(&peers);
                // An agent that ends closes its socket; that error is the end of the conversation.
                std::thread::spawn(move || drop(converse(stream, &peers)));
            }
        });
        Ok(Bus { socket })
    }
}

fn converse(stream: UnixStream, peers: &Peers) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    authenticate(&mut input, &stream)?;
    peers.lock().unwrap().push(stream.try_clone()?);
    loop {
        let call = read_call(&mut input)?;
        let reply = |signature: &str, body: Vec<u8>| {
            let mut fields = Encoder::default();
            fields.field_u32(REPLY_SERIAL, call.serial);
            fields.field_signature(signature);
            message(METHOD_RETURN, fields, body)
        };
        match call.member.as_str() {
            "StartUnit" => {
                let id = NEXT.fetch_add(1, Ordering::Relaxed);
                let job = format!("/org/freedesktop/systemd1/job/{id}");
                let mut body = Encoder::default();
                body.string(&job);
                send(&stream, &reply("o", body.0), peers)?;
                broadcast(&job_removed(id, &job, &call.argument), peers);
            }
            "Get" => {
                let mut body = Encoder::default();
                body.signature("s");
                body.string("252");
                send(&stream, &reply("v", body.0), peers)?;
            }
            _ => send(&stream, &reply("", Vec::new()), peers)?,
        }
    }
}

fn authenticate(input: &mut impl BufRead, mut output: &UnixStream) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_matches(['\0', '\r', '\n']);
        let answer = match line.split(' ').collect::<Vec<_>>()[..] {
            ["BEGIN"] => return Ok(()),
            ["AUTH"] => "REJECTED EXTERNAL\r\n",
            ["AUTH", "EXTERNAL", ..] => "OK 0123456789abcdef0123456789abcdef\r\n",
            _ => "ERROR\r\n",
        };
        output.write_all(answer.as_bytes())?;
    }
}

fn job_removed(id: u32, job: &str, unit: &str) -> Vec<u8> {
    let result = if device_of(unit).exists() {
        "done"
    } else {
        "timeout"
    };
    let mut fields = Encoder::default();
    fields.field_string(PATH, "o", "/org/freedesktop/systemd1");
    fields.field_string(INTERFACE, "s", "org.freedesktop.systemd1.Manager");
    fields.field_string(MEMBER, "s", "JobRemoved");
    fields.field_signature("uoss");
    let mut body = Encoder::default();
    body.u32(id);
    body.string(job);
    body.string(unit);
    body.string(result);
    message(SIGNAL, fields, body.0)
}

/// `dev-disk-by\x2did-a.device` → `/dev/disk/by-id/a` (systemd.unit(5), "String escaping").
fn device_of(unit: &str) -> PathBuf {
    let escaped = unit.trim_end_matches(".device").replace('-', "/");
    let mut pieces = escaped.split("\\x");
    let mut path = format!("/{}", pieces.next().unwrap_or_default());
    for piece in pieces {
        let code = piece
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        path.push(code.map_or('?', char::from));
        path.push_str(piece.get(2..).unwrap_or_default());
    }
    path.into()
}

fn send(mut to: &UnixStream, bytes: &[u8], peers: &Peers) -> std::io::Result<()> {
    // The lock keeps a reply and another thread's signal from mixing on one socket.
    let _all = peers.lock().unwrap();
    to.write_all(bytes)
}

fn broadcast(bytes: &[u8], peers: &Peers) {
    peers
        .lock()
        .unwrap()
        .retain_mut(|peer| peer.write_all(bytes).is_ok());
}

struct Call {
    serial: u32,
    member: String,
    /// The first argument, if it is a string.
    argument: String,
}

fn read_call(input: &mut impl Read) -> std::io::Result<Call> {
    let mut fixed = [0; 16];
    input.read_exact(&mut fixed)?;
    let number =
        |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let mut fields = vec![0; number(12).next_multiple_of(8) as usize];
    input.read_exact(&mut fields)?;
    let mut body = vec![0; number(4) as usize];
    input.read_exact(&mut body)?;
    Ok(Call {
        serial: number(8),
        member: member(&fields),
        argument: string_at(&body, 0).0,
    })
}

/// The MEMBER field; every field of a call is a string, an object path or a signature.
fn member(fields: &[u8]) -> String {
    let mut at = 0;
    while at + 4 < fields.len() {
        let (code, kind) = (fields[at], fields[at + 2]);
        let (text, end) = match kind {
            b'g' => (String::new(), at + 6 + usize::from(fields[at + 4])),
            _ => string_at(fields, at + 4),
        };
        if code == MEMBER {
            return text;
        }
        at = end.next_multiple_of(8);
    }
    String::new()
}

/// A string or object path and where it ends; empty when the bytes hold none.
fn string_at(bytes: &[u8], at: usize) -> (String, usize) {
    let length = match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => return (String::new(), bytes.len()),
    };
    let text = bytes.get(at + 4..at + 4 + length).unwrap_or_default();
    (String::from_utf8_lossy(text).into_owned(), at + 5 + length)
}

fn message(kind: u8, fields: Encoder, body: Vec<u8>) -> Vec<u8> {
    let mut out = Encoder(vec![b'l', kind, 0, 1]);
    out.u32(length(&body));
    out.u32(NEXT.fetch_add(1, Ordering::Relaxed));
    out.u32(length(&fields.0));
    out.0.extend(fields.0);
    out.align(8);
    out.0.extend(body);
    out.0
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// Little-endian D-Bus marshalling; alignment counts from the start of this buffer.
#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn u32(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.u32(length(text.as_bytes()));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap());
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn field(&mut self, code: u8, kind: &str) {
        self.align(8);
        self.0.push(code);
        self.signature(kind);
    }

    fn field_string(&mut self, code: u8, kind: &str, text: &str) {
        self.field(code, kind);
        self.string(text);
    }

    fn field_u32(&mut self, code: u8, value: u32) {
        self.field(code, "u");
        self.u32(value);
    }

    fn field_signature(&mut self, text: &str) {
        if !text.is_empty() {
            self.field(SIGNATURE, "g");
            self.signature(text);
        }
    }
}
