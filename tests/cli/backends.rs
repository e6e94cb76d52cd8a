//! Versions in this process, and requests for them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How a version responds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Health {
    Good,
    /// It passes its probe at `/` or `/healthz`, and fails every other request.
    Failing,
}

/// Starts a version and returns its base URL.
pub(crate) fn start(health: Health) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream, health));
        }
    });
    url
}

/// Serves a connection until its end.
fn serve(mut stream: TcpStream, health: Health) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let head = read_head(&mut reader)?;
        let is_probe = head.starts_with("GET / ") || head.starts_with("GET /healthz ");
        let status =
            if matches!(health, Health::Good) || is_probe { "200 OK" } else { "500 Internal Server Error" };
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok").ok()?;
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// Requests for a service until it is dropped: about a hundred per second.
#[derive(Debug)]
pub(crate) struct Load(Arc<AtomicBool>);

impl Load {
    /// Sends requests to the gateway at `address`.
    pub(crate) fn start(address: &str, service: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let head = format!("GET /{service}/work HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let address = address.to_owned();
        let seen = Arc::clone(&ends);
        thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                let _ = request(&address, &head);
                thread::sleep(Duration::from_millis(8));
            }
        });
        Self(ends)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn request(address: &str, head: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(head.as_bytes())?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    Ok(())
}
