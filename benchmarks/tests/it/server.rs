//! A web server for tests, whose every answer the test decides.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is asked for.
pub(crate) struct Request {
    /// How many requests there were before.
    pub(crate) index: usize,
    /// The path, with its slash.
    pub(crate) path: String,
    /// The first byte wanted, of a request for a part.
    pub(crate) start: Option<usize>,
    /// The condition of a request for a part.
    pub(crate) if_range: Option<String>,
}

/// What is answered: the head's lines, and what is sent behind it before the connection is closed.
pub(crate) struct Answer(pub(crate) String, pub(crate) Vec<u8>);

impl Answer {
    /// A whole file.
    pub(crate) fn whole(body: &[u8]) -> Self {
        Self(format!("200 OK\r\nContent-Length: {}\r\nETag: \"one\"", body.len()), body.to_vec())
    }

    /// A file from a byte on.
    pub(crate) fn rest(body: &[u8], start: usize) -> Self {
        let (end, all) = (body.len() - 1, body.len());
        let head = format!(
            "206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{end}/{all}\r\nETag: \"one\"",
            all - start
        );
        Self(head, body[start..].to_vec())
    }

    /// What a server does that knows ranges.
    pub(crate) fn of(request: &Request, body: &[u8]) -> Self {
        match request.start {
            Some(start) if request.if_range.as_deref().is_none_or(|tag| tag == "\"one\"") => Self::rest(body, start),
            _ => Self::whole(body),
        }
    }

    /// The same, with the connection closed after so many bytes.
    pub(crate) fn broken_off(mut self, length: usize) -> Self {
        self.1.truncate(length);
        self
    }

    /// No file.
    pub(crate) fn missing() -> Self {
        Self("404 Not Found\r\nContent-Length: 0".to_owned(), Vec::new())
    }
}

/// A server that runs until the test ends.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &log, &answer);
            }
        });
        Self { url, requests }
    }

    /// Paths asked for so far, each with the first byte wanted where only a part was: `/a.zip 100`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<String>>, answer: &impl Fn(&Request) -> Answer) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut start, mut if_range) = (None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "range" => start = value.strip_prefix("bytes=").and_then(|v| v.strip_suffix('-')?.parse().ok()),
            "if-range" => if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    let entry = start.map_or_else(|| path.clone(), |start: usize| format!("{path} {start}"));
    let index = {
        let mut log = log.lock().unwrap();
        log.push(entry);
        log.len() - 1
    };
    let Answer(head, body) = answer(&Request { index, path, start, if_range });
    let mut stream = stream;
    // A client that has heard enough closes first, which is no fault of the server's.
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
    let _ = stream.write_all(&body);
}
