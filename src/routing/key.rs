//! The slots of keys.

use twox_hash::XxHash64;

use super::draw::Point;

impl Point {
    /// Returns the slot of `key` in a service with the salt `salt`. It is the same on every replica, forever.
    ///
    /// The function is a documented format, so that other programs can compute it: `XXH64` of the bytes of the key, with
    /// the salt as the seed ([specification](https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md)), times
    /// 10,000, divided by 2^64 and rounded down. The file `tests/vectors/slots.json` in the source has examples, and
    /// `slots.py` beside it computes them.
    ///
    /// Slots spread users evenly. They are not an access control: a client that can choose its key can choose its version.
    ///
    /// ```
    /// use tower_canary::routing::Point;
    ///
    /// assert_eq!(Point::from_key(0, b"alice").get(), 4_517);
    /// ```
    #[must_use]
    pub fn from_key(salt: u64, key: &[u8]) -> Self {
        Self::from_hash(XxHash64::oneshot(salt, key))
    }
}
