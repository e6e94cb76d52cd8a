//! `Serialize` and `Deserialize` for values of `routing`, whose docs describe the formats.

mod change;
mod split;
mod urls;
mod values;
