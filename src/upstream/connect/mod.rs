//! Connections to backends.

mod connector;
mod error;
mod stream;
mod target;

pub(super) use self::connector::Connector;
pub use self::error::{ConnectError, ConnectErrorKind};
pub(super) use self::stream::Stream;
pub(super) use self::target::Target;
pub(super) use crate::probe::{Offer, Protocol};

#[cfg(test)]
#[cfg(feature = "client-tls")]
#[expect(dead_code, reason = "client certificates have tests elsewhere")]
#[path = "../../../tests/shared/certificates.rs"]
mod certificates;
