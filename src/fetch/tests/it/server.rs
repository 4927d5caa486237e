//! A server that answers by a script: one list of steps for each connection, in their order.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a server does next on a connection.
#[derive(Clone)]
pub enum Step {
    /// Reads a request, and sends these bytes.
    Say(Vec<u8>),
    /// Reads a request, and says nothing until the client goes away.
    Hang,
    /// Breaks the connection off as soon as a request comes, by a TCP reset.
    Reset,
    /// Goes on in TLS.
    StartTls(Arc<ServerConfig>),
}

/// An answer with these header lines and this body, and its true length.
pub fn answer(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let length = format!("Content-Length: {}", body.len());
    raw_answer(
        status,
        &[headers, &[&length, "Connection: close"]].concat(),
        body,
    )
}

/// An answer with exactly these header lines and this body.
pub fn raw_answer(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Step {
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.as_ref());
    Step::Say(bytes)
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The request line.
    pub line: String,
    headers: Vec<(String, String)>,
    /// The body, as long as `Content-Length` says.
    pub body: Vec<u8>,
}

impl Seen {
    /// The only value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(seen, _)| seen == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} came twice");
        value
    }
}

pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// A server that takes one connection for each item; further ones are refused.
    pub fn start(connections: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for steps in connections {
                let (stream, _) = listener.accept().unwrap();
                // The client may go away at any point; what it says about that is what is tested.
                let _ = serve(stream, steps, &record);
            }
        });
        Self { address, seen }
    }

    /// A server that gives one answer for each connection.
    pub fn answers(answers: impl IntoIterator<Item = Step>) -> Self {
        Self::start(answers.into_iter().map(|answer| vec![answer]).collect())
    }

    /// A TLS server that gives one answer for each connection.
    pub fn tls(config: &Arc<ServerConfig>, answers: impl IntoIterator<Item = Step>) -> Self {
        let connection = |answer| vec![Step::StartTls(Arc::clone(config)), answer];
        Self::start(answers.into_iter().map(connection).collect())
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn https_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(tcp: TcpStream, steps: Vec<Step>, record: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let control = tcp.try_clone()?;
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    for step in steps {
        match step {
            Step::Say(bytes) => {
                let request = read_request(&mut stream)?;
                record.lock().unwrap().push(request);
                stream.write_all(&bytes)?;
                stream.flush()?;
            }
            Step::Hang => {
                let request = read_request(&mut stream)?;
                record.lock().unwrap().push(request);
                stream.read_to_end(&mut Vec::new())?;
            }
            Step::Reset => {
                // Closing with unread input makes the kernel send a reset.
                control.peek(&mut [0])?;
                return Ok(());
            }
            Step::StartTls(config) => {
                let connection = ServerConnection::new(config).unwrap();
                stream = Box::new(StreamOwned::new(connection, stream));
            }
        }
    }
    Ok(())
}

fn read_request(stream: &mut impl Read) -> std::io::Result<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut seen = Seen {
        line: lines.next().unwrap().to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: Vec::new(),
    };
    if let Some(length) = seen.header("content-length") {
        seen.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut seen.body)?;
    }
    Ok(seen)
}
