//! The frames of a client, as bytes.

/// A window that no response of the bench fills.
const WINDOW: u32 = (1 << 31) - 1;

/// Returns the preface, settings with the largest window, and the acknowledgement of the server's settings.
pub(crate) fn start() -> Vec<u8> {
    const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, 4, 0, 0, &[&INITIAL_WINDOW_SIZE[..], &WINDOW.to_be_bytes()].concat());
    frame(&mut bytes, 4, 1, 0, &[]);
    bytes
}

/// Adds a GET request, which ends its stream.
pub(crate) fn request(bytes: &mut Vec<u8>, stream: u32) {
    // `:method: GET`, `:scheme: http` and `:path: /` of the static table, and `:authority` without indexing.
    let block = [&[0x82, 0x86, 0x84, 0x01, 9][..], b"localhost"].concat();
    frame(bytes, 1, 0x5, stream, &block);
}

/// Adds `length` to the window of the connection.
pub(crate) fn window_update(bytes: &mut Vec<u8>, length: u32) {
    frame(bytes, 8, 0, 0, &length.to_be_bytes());
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}
