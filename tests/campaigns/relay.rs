//! An address that moves from one server to another, and whose connections may fall silent.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections. Those that are open stay where they are when the address moves, as behind a virtual address or a
/// name.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    silence: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Mutex::new(server));
        let silence = watch::Sender::new(());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&server), silence.clone()));
        Self { address, server, silence, accepting }
    }

    pub(crate) fn move_to(&self, server: SocketAddr) {
        *self.server.lock().unwrap() = server;
    }

    /// Forwards nothing more on the open connections, and closes none of them.
    pub(crate) fn silence(&self) {
        self.silence.send_replace(());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: Arc<Mutex<SocketAddr>>, silence: watch::Sender<()>) {
    loop {
        let (mut here, _) = listener.accept().await.unwrap();
        let server = *server.lock().unwrap();
        let mut silence = silence.subscribe();
        tokio::spawn(async move {
            let Ok(mut there) = TcpStream::connect(server).await else { return };
            let is_silent = tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut here, &mut there) => false,
                silenced = silence.changed() => silenced.is_ok(),
            };
            if is_silent {
                pending().await
            }
        });
    }
}
