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
//! | `127.0.0.0/8`, `::1`, `localhost` and other names of the machine in hosts files, and names below them | with [`allow_loopback`](UrlPolicy::allow_loopback) |
//! | any of these by `https` | with [`allow_https`](UrlPolicy::allow_https), for a gateway with TLS to backends |
//! | link-local, metadata services and their names | never |
//! | unspecified (`0.0.0.0/8`, `::`), multicast, broadcast, the local NAT64 prefix `64:ff9b:1::/48` | never |
//!
//! The spelling does not matter: the connector takes `0x7f000001`, `2130706433`, `0177.0.0.1` and
//! `127.1` for loopback, and as the URL of a version they are refused. An IPv6 address that contains
//! an IPv4 address (mapped, compatible, translated, NAT64, 6to4) is judged by that one.
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
#[cfg(all(feature = "admin", feature = "rollout"))]
mod http_gate;
mod http_probe;
mod policy;
#[cfg(feature = "client")]
mod protocol;
mod resolver;
mod stream;
#[cfg(feature = "client-tls")]
mod tls;
#[cfg(feature = "client-tls")]
mod tls_client;
#[cfg(all(feature = "client-tls", feature = "admin", feature = "rollout"))]
mod tls_gate;

pub use self::client::PlainClient;
pub use self::connector::{Connecting, GuardedConnector};
#[cfg(all(feature = "admin", feature = "rollout"))]
pub use self::http_gate::HttpGate;
pub use self::http_probe::HttpProbe;
pub use self::policy::UrlPolicy;
#[cfg(feature = "client")]
pub(crate) use self::protocol::{Offer, Protocol};
#[cfg(feature = "client")]
pub(crate) use self::resolver::{Forbidden, Unresolved};
pub use self::stream::GuardedStream;
#[cfg(feature = "client-tls")]
pub use self::tls::ClientTls;
#[cfg(feature = "client-tls")]
pub(crate) use self::tls::{HandshakeFailed, negotiated_protocol};
#[cfg(feature = "client-tls")]
pub use self::tls_client::TlsClient;
