//! Helpers of the fuzz targets.

use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::{Builder, Runtime};

/// Drives the services under test, which use timers.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// Returns the headers in `data`, one `name: value` a line, without the lines that are no header.
pub fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in data.split(|byte| *byte == b'\n').filter_map(|line| split_once(line, b':')) {
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Splits at the first `separator`.
pub fn split_once(data: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|byte| *byte == separator)?;
    Some((&data[..at], &data[at + 1..]))
}
