//! What the peers written in Rust share: their allocator and their arguments.

use std::env;
use std::net::{Ipv4Addr, SocketAddr};

use mimalloc::MiMalloc;

/// Of every program here, as of the gateway.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Where a peer listens and where its backends do, all on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// The backend that gets 90 of 100 requests, or all.
    pub one: SocketAddr,
    /// The backend that gets 10.
    pub two: SocketAddr,
}

impl Addresses {
    /// Reads three ports from the arguments of the program.
    ///
    /// # Errors
    ///
    /// What should have been said, where they are not three ports.
    pub fn from_args() -> Result<Self, String> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let ports: Option<Vec<u16>> = arguments.iter().map(|argument| argument.parse().ok()).collect();
        let Some([listen, one, two]) = ports.as_deref() else {
            return Err(format!("three ports are needed, LISTEN ONE TWO, not {arguments:?}"));
        };
        let on_loopback = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        Ok(Self { listen: on_loopback(listen), one: on_loopback(one), two: on_loopback(two) })
    }
}
