//! HTTP/2 frames as bytes, for requests that a library refuses to send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A name and a value, unchecked.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends a request with these fields on its own connection. Returns whether its status is 200.
pub(crate) async fn is_ok(address: &str, fields: &[Field<'_>], body: Option<&[u8]>) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let block: Vec<u8> = fields.iter().flat_map(literal).collect();
    let end = if body.is_none() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block));
    bytes.extend(body.map(|body| frame(DATA, END_STREAM, 1, body)).unwrap_or_default());
    let _ = stream.write_all(&bytes).await;
    timeout(Duration::from_secs(15), read_status(&mut stream)).await.ok().flatten().unwrap_or(false)
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [.., high, middle, low] = payload.len().to_be_bytes();
    [&[high, middle, low, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A literal field without indexing (RFC 7541, 6.2.2), without Huffman coding.
fn literal((name, value): &Field<'_>) -> Vec<u8> {
    [&[0], &*string(name), &*string(value)].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    match bytes.len().checked_sub(127) {
        None => coded.extend(u8::try_from(bytes.len())),
        Some(mut rest) => {
            coded.push(127);
            while rest >= 128 {
                coded.extend(u8::try_from(rest % 128 + 128));
                rest /= 128;
            }
            coded.extend(u8::try_from(rest));
        }
    }
    coded.extend_from_slice(bytes);
    coded
}

/// Reads frames until the response head or the end of the stream or connection. Returns whether the
/// status is 200.
async fn read_status(stream: &mut TcpStream) -> Option<bool> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut payload).await.ok()?;
        match head[3] {
            // Skip a dynamic table size update. Index 8 of the static table is `:status: 200`.
            HEADERS => return payload.iter().find(|byte| **byte & 0xe0 != 0x20).map(|byte| *byte == 0x88),
            RST_STREAM | GOAWAY => return Some(false),
            _ => {}
        }
    }
}
