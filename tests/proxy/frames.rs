//! HTTP/2 frames as bytes, for what a client library does not do.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Returns what begins a connection, with these settings as bytes.
pub(crate) fn preface(settings: &[u8]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frame(SETTINGS, 0, 0, settings)].concat()
}

/// Returns the head of a request for `http://shop/` on stream 1, with these fields.
pub(crate) fn head(is_end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":scheme", "http"), (":authority", "shop"), (":path", "/")];
    let block: Vec<u8> = pseudo.iter().chain(fields).flat_map(|(name, value)| field(name, value)).collect();
    frame(HEADERS, END_HEADERS | if is_end { END_STREAM } else { 0 }, 1, &block)
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Returns a literal field without indexing (RFC 7541, 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    fn text(text: &str) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    [vec![0], text(name), text(value)].concat()
}

/// Reads frames up to a head on stream 1.
pub(crate) async fn read_head(stream: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if (head[3], head[8]) == (HEADERS, 1) {
            return;
        }
    }
}
