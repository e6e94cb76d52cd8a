//! Small parts that several modules of the crate use. A public item here is exported by one of these modules.

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
