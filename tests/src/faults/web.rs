//! A web server that does with each request what a script says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its place among all requests to the server, from 0.
    pub number: usize,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Asked {
    /// Value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends these bytes and closes the connection.
    Say(Vec<u8>),
    /// Sends the first bytes at once, and each of the second ones after a pause.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// Sends the first bytes, and then the second ones so many times.
    Repeat(Vec<u8>, Vec<u8>, usize),
    /// Says nothing until the client goes away.
    Hang,
    /// Breaks the connection off by a TCP reset.
    Reset,
}

/// A whole answer.
pub fn reply(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("Connection: close\r\n\r\n");
    [text.as_bytes(), body].concat()
}

/// The same as what a server does.
pub fn say(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Act {
    Act::Say(reply(status, headers, body))
}

/// A server.
#[derive(Debug)]
pub struct Web {
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Starts a server at `address` (`192.0.2.1:80`), which serves any number of connections at once.
    pub fn start(address: &str, script: impl FnMut(&Asked) -> Act + Send + 'static) -> Self {
        Self::serve(address, None, script)
    }

    /// Starts a TLS server.
    pub fn start_tls(
        address: &str,
        config: Arc<ServerConfig>,
        script: impl FnMut(&Asked) -> Act + Send + 'static,
    ) -> Self {
        Self::serve(address, Some(config), script)
    }

    fn serve(
        address: &str,
        config: Option<Arc<ServerConfig>>,
        script: impl FnMut(&Asked) -> Act + Send + 'static,
    ) -> Self {
        let listener =
            TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        let script = Arc::new(Mutex::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (record, script) = (Arc::clone(&record), Arc::clone(&script));
                let config = config.clone();
                thread::spawn(move || {
                    // The client may go away at any point; what it says about that is what is tested.
                    let _ = match config {
                        None => {
                            let control = stream.try_clone();
                            connection(stream, control, &record, &*script)
                        }
                        Some(config) => {
                            let control = stream.try_clone();
                            let tls = ServerConnection::new(config).unwrap();
                            connection(StreamOwned::new(tls, stream), control, &record, &*script)
                        }
                    };
                });
            }
        });
        Self { asked }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths of the requests so far.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

fn connection(
    mut stream: impl Read + Write,
    control: std::io::Result<TcpStream>,
    record: &Mutex<Vec<Asked>>,
    script: &Mutex<impl FnMut(&Asked) -> Act>,
) -> std::io::Result<()> {
    let mut asked = read_request(&mut stream)?;
    {
        let mut record = record.lock().unwrap();
        asked.number = record.len();
        record.push(asked.clone());
    }
    let act = (script.lock().unwrap())(&asked);
    match act {
        Act::Say(bytes) => stream.write_all(&bytes)?,
        Act::Drip(head, bytes, pause) => {
            stream.write_all(&head)?;
            for byte in bytes {
                stream.flush()?;
                thread::sleep(pause);
                stream.write_all(&[byte])?;
            }
        }
        Act::Repeat(head, piece, times) => {
            stream.write_all(&head)?;
            for _ in 0..times {
                stream.write_all(&piece)?;
            }
        }
        Act::Hang => {
            stream.read_to_end(&mut Vec::new())?;
        }
        Act::Reset => {
            // Closing with no time to linger makes the kernel send a reset.
            rustix::net::sockopt::set_socket_linger(control?, Some(Duration::ZERO))?;
            return Ok(());
        }
    }
    stream.flush()
}

fn read_request(stream: &mut impl Read) -> std::io::Result<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let mut asked = Asked {
        number: 0,
        method: words.next().unwrap(),
        path: words.next().unwrap(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: Vec::new(),
    };
    if let Some(length) = asked.header("content-length") {
        asked.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut asked.body)?;
    }
    Ok(asked)
}
