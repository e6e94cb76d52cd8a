//! What each version is doing: written by the layer, read by whoever asks.

mod in_flight;

pub(crate) use self::in_flight::{InFlight, InFlightGuard};
