//! The addresses of the API.

use std::net::IpAddr;

use reqwest::Url;

use crate::failure::Failure;

/// The mount of the API by convention.
const MOUNT: &str = "/api/v1/admin";

/// Reads addresses that are separated by commas. An address without a path gets the usual mount.
pub(super) fn read(text: &str) -> Result<Vec<Url>, Failure> {
    let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
    let mounts = addresses.map(mount).collect::<Result<Vec<_>, _>>()?;
    if mounts.is_empty() {
        return Err(Failure::usage("--url needs an address, such as http://127.0.0.1:8081"));
    }
    Ok(mounts)
}

/// Parses one address of the API. Credentials belong into the token and not into a URL, which may be logged.
fn mount(address: &str) -> Result<Url, Failure> {
    // The text is not repeated: it could have a password.
    let refused =
        |why: &str| Failure::usage(format!("an address of the API {why}, as in http://127.0.0.1:8081"));
    let mut url: Url = address.parse().map_err(|_| refused("is an absolute URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("has no user and no password: use CANARY_TOKEN"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has no query and no fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(if path.is_empty() { MOUNT } else { &path });
    Ok(url)
}

/// Returns whether a token would go over the network without encryption.
pub(super) fn is_exposed(mount: &Url) -> bool {
    let host = mount.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    mount.scheme() == "http" && !is_local
}

#[cfg(test)]
mod tests {
    use super::{is_exposed, read};

    #[test]
    fn path_is_the_mount() {
        let mounts = read("http://127.0.0.1:8081, https://gateway.internal/ops/ ,").unwrap();
        let texts: Vec<&str> = mounts.iter().map(reqwest::Url::as_str).collect();
        assert_eq!(texts, ["http://127.0.0.1:8081/api/v1/admin", "https://gateway.internal/ops"]);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", ",", "gateway:8081", "127.0.0.1:8081", "ftp://a", "http://u:p@a", "http://a?x", "http://a#x"]
        {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.exit().code(), 2, "{text}");
        }
    }

    #[test]
    fn only_http_to_other_machines_is_exposed() {
        let exposed = |text: &str| is_exposed(&read(text).unwrap()[0]);
        assert!(exposed("http://10.0.0.1") && exposed("http://gateway"));
        assert!(!exposed("https://10.0.0.1") && !exposed("http://127.0.0.2") && !exposed("http://[::1]:1"));
        assert!(!exposed("http://localhost:8081"));
    }
}
