//! The allocator and the arguments shared by the peers in Rust.

use std::env;
use std::net::{Ipv4Addr, SocketAddr};

use mimalloc::MiMalloc;

/// The same allocator as in the gateway.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The addresses of a peer and its backends, all on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The address for requests.
    pub listen: SocketAddr,
    /// The backend for 90 of 100 requests, or for all of them.
    pub one: SocketAddr,
    /// The backend for 10 of 100 requests.
    pub two: SocketAddr,
}

impl Addresses {
    /// Reads three ports from the arguments of the program.
    ///
    /// # Errors
    ///
    /// Returns a usage message if the arguments are not three ports.
    pub fn from_args() -> Result<Self, String> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let ports: Option<Vec<u16>> = arguments.iter().map(|argument| argument.parse().ok()).collect();
        let Some([listen, one, two]) = ports.as_deref() else {
            return Err(format!("expected three ports, LISTEN ONE TWO, not {arguments:?}"));
        };
        Ok(Self { listen: on_loopback(*listen), one: on_loopback(*one), two: on_loopback(*two) })
    }
}

fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
