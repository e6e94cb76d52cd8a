//! Small parts that several modules of the crate repeat. A public item here has its public name in one of them.

pub(crate) mod accessors;
#[cfg(any(feature = "client", feature = "proxy"))]
pub(crate) mod coalescing;
pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod hash;
pub(crate) mod lock;
#[cfg(feature = "serde")]
pub(crate) mod millis;
pub(crate) mod problem;
pub(crate) mod sharded;
pub(crate) mod time;
