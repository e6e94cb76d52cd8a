//! The PROXY protocol, versions 1 and 2: a load balancer that forwards TCP names the client in front of the first byte.
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::HEAD_TIMEOUT;

/// The start of a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of a header of version 2 in front of its addresses.
const FIXED_LENGTH: usize = 16;

/// The start of a header of version 1.
const PREFIX: &[u8] = b"PROXY ";

/// Maximum length of a header of version 1, with its line break.
const MAX_LINE: usize = 107;

/// Maximum length of a header of version 2. The protocol recommends senders to stay below 536 bytes.
const MAX_BINARY: usize = 2048;

/// The proxies that are trusted.
#[derive(Clone, Debug)]
pub(crate) struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Reads the header that a connection begins with, and returns the address of the client. No byte behind the header is read.
///
/// `None` is a connection of the balancer itself, for a health check, or one of which it does not know the client. It gets no
/// address: the address of the balancer is trusted, and its client could forge `X-Forwarded-For`.
pub(crate) async fn read_client(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let header = timeout(HEAD_TIMEOUT, read_header(stream)).await??;
    parse(&header)
}

async fn read_header(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        read_binary(stream, &mut header).await?;
    } else if header.starts_with(PREFIX) {
        read_line(stream, &mut header).await?;
    } else {
        return Err(malformed());
    }
    Ok(header)
}

async fn read_binary(stream: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    header.resize(FIXED_LENGTH, 0);
    stream.read_exact(&mut header[SIGNATURE.len()..]).await?;
    let length = FIXED_LENGTH + usize::from(u16::from_be_bytes([header[14], header[15]]));
    if length > MAX_BINARY {
        return Err(malformed());
    }
    header.resize(length, 0);
    stream.read_exact(&mut header[FIXED_LENGTH..]).await?;
    Ok(())
}

async fn read_line(stream: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    let mut next = [0; MAX_LINE];
    while !header.ends_with(b"\r\n") {
        let most = MAX_LINE - header.len();
        // Bytes behind the line belong to the first request, so they are looked at before they are taken.
        let available = stream.peek(&mut next[..most]).await?;
        let line = next[..available].iter().position(|byte| *byte == b'\n').map_or(available, |end| end + 1);
        if line == 0 || (header.len() + line == MAX_LINE && next[line - 1] != b'\n') {
            return Err(malformed());
        }
        stream.read_exact(&mut next[..line]).await?;
        header.extend_from_slice(&next[..line]);
        if header.ends_with(b"\n") && !header.ends_with(b"\r\n") {
            return Err(malformed());
        }
    }
    Ok(())
}

fn parse(header: &[u8]) -> io::Result<Option<IpAddr>> {
    let (parsed, length) = ProxyHeader::parse(header, ParseConfig::default()).map_err(|_| malformed())?;
    if length != header.len() {
        return Err(malformed());
    }
    Ok(parsed.proxied_address().map(|proxied| proxied.source.ip()))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed header of the PROXY protocol")
}
