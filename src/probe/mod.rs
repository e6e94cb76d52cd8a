//! Probing versions over HTTP, and which addresses may be reached at all.
//!
//! Whoever may register a version makes the gateway connect to an address of their choosing. [`UrlPolicy`] says which
//! addresses these may be. It is asked twice: when a URL is registered, and when a connection is made, since a name
//! may resolve to another address by then.
//!
//! | | |
//! | --- | --- |
//! | allowed | public addresses, private ranges (that is where backends live), any name that is not denied |
//! | only with [`allow_loopback`](UrlPolicy::allow_loopback) | `127.0.0.0/8`, `::1`, `localhost` and names below it |
//! | denied always | link-local, metadata addresses and names, unspecified, multicast, broadcast |
//!
//! Every spelling is judged by the address it stands for: `0x7f000001`, `2130706433`, `0177.0.0.1`, `127.1`, and IPv4
//! addresses inside IPv6 ones (mapped, compatible, translated, NAT64, 6to4).
//!
//! [`HttpProbe`] is the [`VersionCheck`](crate::deployments::VersionCheck) of a gateway: it refuses URLs by the policy and
//! asks a version whether it is healthy before it gets traffic.
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
//! A gateway's own client should connect by the same policy:
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
