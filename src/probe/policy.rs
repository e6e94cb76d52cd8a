//! The policy for URLs that may be registered and reached.

use std::net::IpAddr;

use http::uri::Scheme;
use url::Host;

use super::address::AddressKind;
use crate::deployments::UrlRefused;
use crate::routing::Backend;

/// A policy for the URLs that a gateway may connect to.
///
/// Private ranges are allowed, since backends live there. Loopback is allowed only after
/// [`allow_loopback`](Self::allow_loopback), and `https` only after
/// [`allow_https`](Self::allow_https). Metadata services and other link-local addresses are
/// always denied, in every spelling. The [module docs](super) have the whole list.
///
/// ```
/// use tower_canary::probe::UrlPolicy;
///
/// let loopback = "http://[::ffff:7f00:1]:8080".parse()?; // 127.0.0.1
/// assert!(UrlPolicy::new().check(&loopback).is_err());
/// assert!(UrlPolicy::new().allow_loopback().check(&loopback).is_ok());
///
/// let metadata = "http://metadata.google.internal.".parse()?;
/// assert!(UrlPolicy::new().allow_loopback().check(&metadata).is_err());
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlPolicy {
    loopback: bool,
    https: bool,
}

impl UrlPolicy {
    /// Creates the default policy, which denies loopback addresses and `https`.
    #[must_use]
    pub const fn new() -> Self {
        Self { loopback: false, https: false }
    }

    /// Allows loopback addresses: for development, for tests, and for backends on the same machine.
    ///
    /// See [`UrlPolicy`] for an example.
    #[must_use]
    pub const fn allow_loopback(self) -> Self {
        Self { loopback: true, ..self }
    }

    /// Allows `https`: for a gateway whose client for backends speaks TLS.
    ///
    /// The default is to refuse such a URL when it is registered, since without TLS each request to
    /// it fails.
    ///
    /// ```
    /// use tower_canary::probe::UrlPolicy;
    ///
    /// let backend = "https://auth.internal".parse()?;
    /// assert!(UrlPolicy::new().check(&backend).is_err());
    /// assert!(UrlPolicy::new().allow_https().check(&backend).is_ok());
    /// # Ok::<(), tower_canary::routing::InvalidBackend>(())
    /// ```
    #[must_use]
    pub const fn allow_https(self) -> Self {
        Self { https: true, ..self }
    }

    /// Checks whether `backend` may be the URL of a version, or the fallback of a layer.
    ///
    /// A name is compared with known names and not resolved: the
    /// [connector](UrlPolicy::connector) checks its addresses later. See [`UrlPolicy`] for an
    /// example.
    ///
    /// # Errors
    ///
    /// Returns [`UrlRefused`] with the reason if the policy denies the host or the scheme.
    pub fn check(&self, backend: &Backend) -> Result<(), UrlRefused> {
        self.check_backend(backend).map_err(UrlRefused::new)
    }

    /// Checks `backend` as [`check`](Self::check) does. The error is the bare reason.
    pub(super) fn check_backend(self, backend: &Backend) -> Result<(), &'static str> {
        if *backend.scheme() == Scheme::HTTPS && !self.https {
            return Err("it is https, and this gateway has no TLS for backends");
        }
        self.check_host(backend.authority().host())
    }

    /// Checks the host of a URL as the URL standard reads it, which is how clients would reach it.
    pub(super) fn check_host(self, host: &str) -> Result<(), &'static str> {
        self.judge(match Host::parse(host) {
            Ok(Host::Domain(name)) => AddressKind::from_name(&name),
            Ok(Host::Ipv4(address)) => AddressKind::from_address(address.into()),
            Ok(Host::Ipv6(address)) => AddressKind::from_address(address.into()),
            Err(_) => AddressKind::Denied("its host is neither a name nor an address"),
        })
    }

    /// Checks an address that a name resolved to.
    pub(super) fn check_address(self, address: IpAddr) -> Result<(), &'static str> {
        self.judge(AddressKind::from_address(address))
    }

    /// Allows or denies a destination of this kind. The error is the reason.
    const fn judge(self, kind: AddressKind) -> Result<(), &'static str> {
        match kind {
            AddressKind::Ordinary => Ok(()),
            AddressKind::Loopback if self.loopback => Ok(()),
            AddressKind::Loopback => Err("it is a loopback address, which this gateway does not allow"),
            AddressKind::Denied(reason) => Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UrlPolicy;
    use crate::routing::Backend;

    /// Returns whether `url` is a base URL that the policy allows.
    fn allowed(policy: UrlPolicy, url: &str) -> bool {
        url.parse::<Backend>().is_ok_and(|backend| policy.check(&backend).is_ok())
    }

    const DENIED: [&str; 62] = [
        "http://169.254.169.254",
        "http://169.254.169.254.",
        "http://169.254.0.1:80/latest",
        "http://169.254.43518",
        "http://169.16689662",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0xA9.0xFE.0xA9.0xFE",
        "http://0251.0376.0251.0376",
        "http://025177524776",
        "http://0xa9.254.0251.254",
        "http://[::ffff:169.254.169.254]",
        "http://[::ffff:a9fe:a9fe]",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]",
        "http://[::169.254.169.254]",
        "http://[::ffff:0:169.254.169.254]",
        "http://[64:ff9b::169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[64:ff9b:1::a9fe:a9fe]",
        "http://[2002:a9fe:a9fe::]",
        "http://[fe80::1]",
        "http://[fe80::1%25eth0]",
        "http://[febf:ffff::1]",
        "http://[fd00:ec2::254]",
        "http://[FD00:0EC2:0000::0254]",
        "http://[fd00:ec2::23]",
        "http://[fd20:ce::254]",
        "http://100.100.100.200",
        "http://1684301000",
        "http://[::ffff:100.100.100.200]",
        "http://192.0.0.192",
        "http://168.63.129.16",
        "http://0.0.0.0",
        "http://0",
        "http://0x0",
        "http://0.1.2.3",
        "http://[::]",
        "http://[::ffff:0.0.0.0]",
        "http://224.0.0.1",
        "http://239.255.255.255",
        "http://[ff02::1]",
        "http://255.255.255.255",
        "http://4294967295",
        "http://[::ffff:255.255.255.255]",
        "http://metadata",
        "http://METADATA",
        "http://metadata.google.internal",
        "http://Metadata.Google.Internal.",
        "https://metadata.google.internal:8443/computeMetadata/v1",
        "http://metadata.goog",
        "http://instance-data",
        "http://instance-data.",
        "http://instance-data.ec2.internal",
        "http://rancher-metadata",
        "http://x.metadata.google.internal",
        "http://user@10.0.0.1",
        "http://169.254.169.254@10.0.0.1",
        "http://10.0.0.1\\@169.254.169.254",
        "file:///etc/passwd",
        "gopher://10.0.0.1:6379/_FLUSHALL",
        "http://%31%36%39.254.169.254",
        "http://[::ffff:169.254.169.254",
    ];

    /// Spellings of 127.0.0.1 that are no host of a base URL, since connectors differ in how they read them.
    const LOOPBACK_SPELLINGS: [&str; 8] = [
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0x7f000001",
        "0X7F.1",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
    ];

    const LOOPBACK: [&str; 14] = [
        "http://127.0.0.1",
        "http://127.0.0.1:8080/base",
        "http://127.255.255.254",
        "http://[::1]",
        "http://[0:0:0:0:0:0:0:1]",
        "http://[::ffff:127.0.0.1]",
        "http://[::ffff:7f00:1]",
        "http://[::127.0.0.1]",
        "http://[64:ff9b::127.0.0.1]",
        "http://localhost",
        "http://LocalHost.",
        "http://auth.localhost:9000",
        "http://localhost.localdomain",
        "http://ip6-localhost",
    ];

    const ALLOWED: [&str; 16] = [
        "http://10.0.0.7:8080/api",
        "http://172.16.0.1",
        "http://192.168.1.1",
        "http://100.64.0.1",
        "http://100.100.100.201",
        "http://169.253.1.1",
        "http://8.8.8.8",
        "http://[fd00::1]",
        "http://[fd00:ec3::254]",
        "http://[2001:db8::1]:8080",
        "http://[::ffff:10.0.0.1]",
        "http://[64:ff9b::808:808]",
        "http://auth",
        "http://notlocalhost",
        "http://metadata.example.com",
        "http://mymetadata",
    ];

    // Also with loopback allowed.
    #[test]
    fn denied_urls_are_denied_in_any_spelling() {
        for url in DENIED {
            assert!(!allowed(UrlPolicy::new(), url), "{url}");
            assert!(!allowed(UrlPolicy::new().allow_loopback(), url), "{url}");
        }
    }

    #[test]
    fn loopback_is_opt_in_in_any_spelling() {
        for url in LOOPBACK {
            assert!(!allowed(UrlPolicy::new(), url), "{url}");
            assert!(allowed(UrlPolicy::new().allow_loopback(), url), "{url}");
        }
    }

    // A connector gets its URLs from elsewhere.
    #[test]
    fn connector_reads_every_spelling() {
        for host in LOOPBACK_SPELLINGS {
            assert!(UrlPolicy::new().check_host(host).is_err(), "{host}");
            assert!(UrlPolicy::new().allow_loopback().check_host(host).is_ok(), "{host}");
            assert!(!allowed(UrlPolicy::new().allow_loopback(), &format!("http://{host}")), "{host}");
        }
    }

    #[test]
    fn https_is_opt_in() {
        for url in ["https://auth.internal", "HTTPS://10.0.0.1:8443/api"] {
            assert!(!allowed(UrlPolicy::new(), url), "{url}");
            assert!(allowed(UrlPolicy::new().allow_https(), url), "{url}");
        }
        assert!(!allowed(UrlPolicy::new().allow_https(), "https://169.254.169.254"));
    }

    #[test]
    fn private_and_public_urls_are_allowed() {
        for url in ALLOWED {
            assert!(allowed(UrlPolicy::new(), url), "{url}");
        }
    }
}
