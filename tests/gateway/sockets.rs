//! WebSocket clients.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::Gateway;

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Opens a socket. Returns it with the name of its version.
pub(crate) async fn open(gateway: &Gateway) -> (Socket, String) {
    let stream = TcpStream::connect(&gateway.data).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let url = format!("ws://{}/auth/chat", gateway.data);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let name = receive(&mut socket).await.into_text().unwrap().to_string();
    (socket, name)
}

pub(crate) async fn receive<S>(socket: &mut WebSocketStream<S>) -> Message
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(Duration::from_secs(15), socket.next()).await.unwrap().unwrap().unwrap()
}

/// Returns text and binary messages in turn, in all sizes for which frames have different headers.
pub(crate) fn message(i: usize) -> Message {
    let length = match i % 500 {
        0 => 65_536 + i % 100,
        at if at.is_multiple_of(10) => 126 + i % 2_000,
        _ => i % 126,
    };
    if i.is_multiple_of(2) {
        Message::text(format!("{i} {}", "ä".repeat(length / 2)))
    } else {
        Message::binary((0..length).map(|at| (at * 31 + i) as u8).collect::<Vec<_>>())
    }
}
