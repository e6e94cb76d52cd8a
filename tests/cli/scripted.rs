//! A server that responds as a test says, one connection after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A whole response: its status line, its type, its body.
    Full(&'static str, &'static str, String),
    /// A response with a header of its own.
    With(&'static str, &'static str),
    /// The connection ends without a response.
    Nothing,
    /// No response: the connection stays open.
    Silence,
    /// A response that does not end: the connection stays open.
    Endless(String),
}

/// A server with the replies for its first requests. The last reply is repeated.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Reply {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Full("200 OK", "application/json", body.into())
    }

    /// A problem document of this status and type.
    pub(crate) fn problem(status: u16, kind: &str) -> Self {
        let line = match status {
            401 => "401 Unauthorized",
            403 => "403 Forbidden",
            404 => "404 Not Found",
            409 => "409 Conflict",
            412 => "412 Precondition Failed",
            422 => "422 Unprocessable Entity",
            503 => "503 Service Unavailable",
            _ => "500 Internal Server Error",
        };
        let body = format!(r#"{{"type":"{kind}","title":"Title","status":{status},"detail":"the detail"}}"#);
        Self::Full(line, "application/problem+json", body)
    }

    fn text(&self) -> String {
        match self {
            Self::Full(status, kind, body) => format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            ),
            Self::With(status, header) => {
                format!("HTTP/1.1 {status}\r\n{header}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            }
            Self::Nothing | Self::Silence => String::new(),
            Self::Endless(text) => {
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}"
                )
            }
        }
    }
}

impl Scripted {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            let mut open = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let reply = replies[number.min(replies.len() - 1)].clone();
                open.extend(respond(stream.unwrap(), &reply, &seen));
            }
        });
        Self { url, requests }
    }

    /// Returns the requests: the line, the headers and the body of each.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Responds to one request. Returns the connection if it stays open.
fn respond(stream: TcpStream, reply: &Reply, seen: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    seen.lock().unwrap().push(head + &*String::from_utf8_lossy(&body));
    let mut stream = stream;
    stream.write_all(reply.text().as_bytes()).ok()?;
    matches!(reply, Reply::Endless(_) | Reply::Silence).then_some(stream)
}
