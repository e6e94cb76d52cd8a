//! Health probes over HTTP, and a policy for the addresses that may be reached at all.
//!
//! Anybody who may register a version chooses an address that the gateway then connects to. That is
//! the classic way to server-side request forgery: a URL of a metadata service would hand out the
//! credentials of the machine. [`UrlPolicy`] restricts the addresses. It is applied twice: when a
//! URL is registered, and when a connection is made, since a name may resolve to another address by
//! then.
//!
//! | address | allowed |
//! | --- | --- |
//! | public, private ranges, other names | yes |
//! | `127.0.0.0/8`, `::1`, `localhost` and names below it | with [`allow_loopback`](UrlPolicy::allow_loopback) |
//! | link-local, metadata services and their names | never |
//! | unspecified, multicast, broadcast | never |
//!
//! The spelling does not matter: `0x7f000001`, `2130706433`, `0177.0.0.1` and `127.1` are all
//! loopback. An IPv6 address that contains an IPv4 address (mapped, compatible, translated, NAT64,
//! 6to4) is judged by that one.
//!
//! [`HttpProbe`] is the [`VersionCheck`](crate::deployments::VersionCheck) of a gateway: it refuses
//! URLs by the policy, and checks that a version is healthy before it gets traffic.
//!
//! # Example
//!
//! ```
//! use tower_canary::deployments::VersionCheck;
//! use tower_canary::probe::{HttpProbe, UrlPolicy};
//!
//! let probe = HttpProbe::new(UrlPolicy::new());
//! assert!(probe.admit(&"http://10.0.0.7:8080".parse()?).is_ok());
//! assert!(probe.admit(&"http://169.254.169.254/latest".parse()?).is_err());
//! assert!(probe.admit(&"http://[::ffff:a9fe:a9fe]".parse()?).is_err());
//! # Ok::<(), tower_canary::routing::InvalidBackend>(())
//! ```
//!
//! The client that sends traffic should connect by the same policy:
//!
//! ```
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower_canary::probe::UrlPolicy;
//!
//! let client = Client::builder(TokioExecutor::new())
//!     .build::<_, http_body_util::Empty<bytes::Bytes>>(UrlPolicy::new().connector());
//! ```

mod address;
mod cause;
mod client;
mod connector;
mod http_probe;
mod policy;

pub use self::client::PlainClient;
pub use self::connector::{Connecting, GuardedConnector};
pub use self::http_probe::HttpProbe;
pub use self::policy::UrlPolicy;
