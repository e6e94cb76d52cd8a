//! What each version is doing: written by the layer, read by whoever asks.

mod tally;

pub(crate) use self::tally::{InFlightGuard, Tally};
