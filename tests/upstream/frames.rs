//! HTTP/2 frames, for backends that do what no server library does.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::Connection;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200`, an entry of the static table.
pub(crate) const OK: [u8; 1] = [0x88];

/// `SETTINGS_INITIAL_WINDOW_SIZE`, and its value here: no test of this file waits for a window.
const WINDOW: [u8; 6] = [0, 4, 0, 16, 0, 0];

/// The number of `SETTINGS_MAX_CONCURRENT_STREAMS`.
const MAX_CONCURRENT_STREAMS: u16 = 3;

#[derive(Debug)]
pub(crate) struct RawFrame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl RawFrame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// A connection of a backend that writes each frame by itself.
pub(crate) struct Frames {
    connection: Connection,
}

impl Frames {
    /// Reads the preface, and sends the settings.
    pub(crate) async fn accept(mut connection: Connection, max_streams: Option<u32>) -> Option<Self> {
        let mut preface = [0; 24];
        connection.stream.read_exact(&mut preface).await.ok()?;
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        let mut frames = Self { connection };
        frames.settings(max_streams).await;
        frames.write(WINDOW_UPDATE, 0, 0, &WINDOW[2..]).await;
        Some(frames)
    }

    pub(crate) async fn settings(&mut self, max_streams: Option<u32>) {
        let mut payload = WINDOW.to_vec();
        if let Some(max_streams) = max_streams {
            payload.extend(MAX_CONCURRENT_STREAMS.to_be_bytes());
            payload.extend(max_streams.to_be_bytes());
        }
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // A client that has gone is what some tests want.
        let _ = self.connection.stream.write_all(&frame).await;
    }

    pub(crate) async fn head(&mut self, stream: u32, flags: u8) {
        self.write(HEADERS, END_HEADERS | flags, stream, &OK).await;
    }

    /// Responds 200 with `ok`.
    pub(crate) async fn ok(&mut self, stream: u32) {
        self.head(stream, 0).await;
        self.write(DATA, END_STREAM, stream, b"ok").await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, code: u32) {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await;
    }

    /// Reads until the client closes. A connection that is closed with bytes unread is reset, which can overtake a frame.
    pub(crate) async fn drain(&mut self) {
        while self.read().await.is_some() {}
    }

    /// Ends the stream of bytes, and reads until the client closes.
    pub(crate) async fn end(&mut self) {
        let _ = self.connection.stream.get_mut().shutdown().await;
        self.drain().await;
    }

    /// Reads a frame. Settings and pings are acknowledged.
    pub(crate) async fn read(&mut self) -> Option<RawFrame> {
        let frame = self.read_silently().await?;
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
            self.write(frame.kind, ACK, 0, payload).await;
        }
        Some(frame)
    }

    /// Reads a frame.
    pub(crate) async fn read_silently(&mut self) -> Option<RawFrame> {
        let mut head = [0; 9];
        self.connection.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.connection.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(RawFrame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads the next request that is complete. Returns its stream and its body.
    pub(crate) async fn request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut bodies = HashMap::<u32, Vec<u8>>::new();
        loop {
            let frame = self.read().await?;
            let body = bodies.entry(frame.stream).or_default();
            if frame.kind == DATA {
                body.extend(&frame.payload);
            }
            if frame.ends_stream() {
                return Some((frame.stream, std::mem::take(body)));
            }
        }
    }

    /// Responds to every request with `ok`.
    pub(crate) async fn serve(mut self) {
        while let Some((stream, _)) = self.request().await {
            self.ok(stream).await;
        }
    }
}
