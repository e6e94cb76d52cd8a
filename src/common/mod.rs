//! Small parts that several modules of the crate repeat. Nothing here is public.

pub(crate) mod accessors;
pub(crate) mod error;
pub(crate) mod grpc;
pub(crate) mod hash;
pub(crate) mod lock;
#[cfg(feature = "serde")]
pub(crate) mod millis;
pub(crate) mod problem;
pub(crate) mod sharded;
pub(crate) mod time;
