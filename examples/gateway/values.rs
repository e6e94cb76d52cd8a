//! Values of options, as text.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderName;
use ipnet::{IpNet, Ipv4Net};
use tower_canary::Backend;
use tower_canary::proxy::AddressHeader;

/// The shortest time that an option for checks accepts.
const SHORTEST: Duration = Duration::from_millis(100);

/// Parses a time: a number of seconds, or a number with the unit `ms`, `s` or `m`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let millis = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return Err("not a number of seconds".into()),
    };
    let number: u32 = text[..digits].parse().map_err(|_| "not a number of seconds")?;
    Ok(Duration::from_millis(u64::from(number) * millis))
}

pub(crate) fn positive_seconds(text: &str) -> Result<Duration, String> {
    let limit = seconds(text)?;
    if limit < Duration::from_secs(1) { Err("at least one second".into()) } else { Ok(limit) }
}

/// Parses a time of a tenth of a second or more.
pub(crate) fn check_time(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time < SHORTEST { Err("at least 100ms".into()) } else { Ok(time) }
}

/// Parses the name of a gate and its URL.
pub(crate) fn gate(text: &str) -> Result<(String, Backend), Box<dyn Error + Send + Sync>> {
    let (name, url) = text.split_once('=').ok_or("not NAME=URL")?;
    Ok((name.to_owned(), url.parse()?))
}

pub(crate) fn address_header(text: &str) -> Result<AddressHeader, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Ok(AddressHeader::XForwardedFor),
        "forwarded" => Ok(AddressHeader::Forwarded),
        _ => Err("X-Forwarded-For or Forwarded"),
    }
}

/// Parses an address or a network. Those of IPv4 that are written as IPv6 become IPv4, as the addresses of clients do.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse()).map_err(|_| "neither an address nor a network")?;
    let mapped = network.addr().to_canonical();
    match (mapped, network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(prefix)) if network.addr().is_ipv6() => {
            Ipv4Net::new(address, prefix).map(IpNet::V4).map_err(|error| error.to_string())
        }
        _ => Ok(network),
    }
}

/// Parses a header name. Names with `_` are refused, since the proxy removes such headers from every request.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, String> {
    if text.contains('_') {
        return Err("the gateway removes headers with '_' in their name: use '-'".into());
    }
    text.parse().map_err(|_| "not the name of a header".into())
}
