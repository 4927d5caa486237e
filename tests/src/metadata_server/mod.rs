//! A platform's metadata server whose answers change while it is asked.

pub mod ec2;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// As long as a request that has to come may take.
const SOON: Duration = Duration::from_secs(60);

/// How it behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// Every request gets this status.
    Status(u16),
    /// No request gets an answer.
    Silent,
    /// Half of each body, and the end of the connection.
    Half,
    /// A body of so many bytes, of blanks behind the real one.
    Huge(usize),
}

/// What is answered to a path.
type Answer = Box<dyn Fn(&str) -> Option<String> + Send>;

struct State {
    mood: Mood,
    /// Counts changes: the mark of an answer.
    etag: u64,
    /// What is answered to a path; `None` is 404.
    answer: Answer,
    asked: Vec<String>,
}

/// A server that answers as GCE's and EC2's do: GCE's header, tokens, and requests that wait for a change.
#[derive(Clone)]
pub struct Server(Arc<(Mutex<State>, Condvar)>);

impl Server {
    /// Starts it. What is answered to a path of a GET is said by `answer`.
    pub fn start(address: &str, answer: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = State {
            mood: Mood::Well,
            etag: 1,
            answer: Box::new(answer),
            asked: Vec::new(),
        };
        let server = Self(Arc::new((Mutex::new(state), Condvar::new())));
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = serving.clone();
                // A client may go away at any time.
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    /// Answers something else from now on, and wakes who waits for that.
    pub fn change(&self, answer: impl Fn(&str) -> Option<String> + Send + 'static) {
        let mut state = self.0.0.lock().unwrap();
        state.answer = Box::new(answer);
        state.etag += 1;
        self.0.1.notify_all();
    }

    /// Behaves in another way from now on; requests that wait are answered in that way, too.
    pub fn is(&self, mood: Mood) {
        let mut state = self.0.0.lock().unwrap();
        state.mood = mood;
        state.etag += 1;
        self.0.1.notify_all();
    }

    /// How many requests have come.
    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap().asked.len()
    }

    /// How often this was asked.
    pub fn times(&self, line: &str) -> usize {
        let state = self.0.0.lock().unwrap();
        state.asked.iter().filter(|asked| *asked == line).count()
    }

    /// Waits until so many requests have come.
    pub fn was_asked(&self, times: usize) {
        let begun = Instant::now();
        while self.count() < times {
            assert!(
                begun.elapsed() < SOON,
                "asked {} times, not {times}",
                self.count()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let mut words = line.split(' ');
            let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
            let (mut header, mut length) = (String::new(), 0);
            while lines.read_line(&mut header).ok()? > 2 {
                let (name, value) = header.split_once(':')?;
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().ok()?;
                }
                header.clear();
            }
            // What is put there is not looked at.
            std::io::copy(&mut lines.by_ref().take(length), &mut std::io::sink()).ok()?;
            let answer = self.answer(&method, &path)?;
            stream.write_all(&answer.0).ok()?;
            if !answer.1 {
                return None;
            }
        }
    }

    /// The bytes of an answer, and whether the connection stays.
    fn answer(&self, method: &str, path: &str) -> Option<(Vec<u8>, bool)> {
        let (lock, changed) = &*self.0;
        let mut state = lock.lock().unwrap();
        state.asked.push(format!("{method} {path}"));
        if state.mood == Mood::Well && path.contains("wait_for_change=true") {
            let same = format!("last_etag={}", state.etag);
            if path.contains(&same) {
                let before = state.etag;
                // As long as the real one, so that nothing but a change ends it.
                let waited = changed.wait_timeout_while(state, Duration::from_secs(60), |state| {
                    state.etag == before
                });
                state = waited.unwrap().0;
            }
        }
        let body = match method {
            "PUT" => Some("a-token".to_string()),
            _ => (state.answer)(path.split('?').next()?),
        };
        let status = match (&state.mood, &body) {
            (Mood::Status(status), _) => *status,
            (Mood::Silent, _) => {
                drop(state);
                thread::sleep(Duration::from_secs(600));
                return None;
            }
            (_, Some(_)) => 200,
            (_, None) => 404,
        };
        let mut body = body.unwrap_or_default();
        if let Mood::Huge(bytes) = state.mood {
            body.push_str(&" ".repeat(bytes));
        }
        let head = format!(
            "HTTP/1.1 {status} So\r\nMetadata-Flavor: Google\r\nETag: {}\r\nContent-Length: {}\r\n\r\n",
            state.etag,
            body.len()
        );
        if state.mood == Mood::Half {
            body.truncate(body.len() / 2);
        }
        let stays = state.mood != Mood::Half;
        Some(([head.into_bytes(), body.into_bytes()].concat(), stays))
    }
}
