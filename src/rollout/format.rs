//! The version of a stored form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version `N` of a stored form. Reading refuses another one: a gateway of an earlier release then leaves the state to
/// gateways that understand it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Format<const N: u32>;

impl<const N: u32> Serialize for Format<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for Format<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            found if found == N => Ok(Self),
            found => Err(serde::de::Error::custom(format_args!(
                "the stored form has version {found}, and this release reads {N}"
            ))),
        }
    }
}
