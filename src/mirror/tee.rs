//! The bytes of a request body on their way to a copy.

use std::fmt;

use bytes::Bytes;
use http_body::Frame;

use crate::traffic::Unsent;

/// Called once: sends the copy with the whole body, or counts why the body cannot be copied.
type Finish = Box<dyn FnOnce(Result<Bytes, Unsent>) + Send>;

/// Collects the bytes of a request body while they are sent, for a copy of the request. See
/// [`MirroredBody`](super::MirroredBody).
///
/// The bytes are copied. A slice of a buffer would keep the whole buffer of a connection, which may be much larger.
#[must_use]
pub struct Tee {
    bytes: Vec<u8>,
    /// The size of the largest body that is copied, in bytes.
    max: usize,
    /// `None`: it was called.
    finish: Option<Finish>,
}

impl Tee {
    /// Creates a tee that calls `finish` once: with the whole body, or with the reason for which there is none to copy.
    pub(super) fn new(max: usize, finish: impl FnOnce(Result<Bytes, Unsent>) + Send + 'static) -> Self {
        Self { bytes: Vec::new(), max, finish: Some(Box::new(finish)) }
    }

    /// Collects a frame. `is_last`: the body ends with it.
    #[cold]
    pub(super) fn record(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        match frame.data_ref() {
            Some(data) if data.len() > self.room() => self.finish(Err(Unsent::TooLarge)),
            Some(data) => self.collect(data),
            // The copy would lack the trailers.
            None => self.finish(Err(Unsent::Incomplete)),
        }
        if is_last {
            self.end();
        }
    }

    /// Returns how many more bytes may be collected.
    const fn room(&self) -> usize {
        self.max - self.bytes.len()
    }

    /// Adds bytes for the copy.
    fn collect(&mut self, data: &[u8]) {
        // Doubled as usual, but never beyond the limit.
        if data.len() > self.bytes.capacity() - self.bytes.len() {
            self.bytes.reserve_exact(data.len().max(self.bytes.len()).min(self.room()));
        }
        self.bytes.extend_from_slice(data);
    }

    /// Ends the body: hands the collected bytes to the copy, unless the tee has finished.
    pub(super) fn end(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.finish(Ok(bytes.into()));
    }

    /// Returns whether the copy was sent, or the reason for none was counted.
    pub(super) const fn has_finished(&self) -> bool {
        self.finish.is_none()
    }

    /// Hands the whole body to the copy, or the reason why there is none. It happens once.
    fn finish(&mut self, result: Result<Bytes, Unsent>) {
        if let Some(finish) = self.finish.take() {
            self.bytes = Vec::new();
            finish(result);
        }
    }
}

/// The body was dropped before its end: the client or the version gave up. After the end this does nothing.
impl Drop for Tee {
    fn drop(&mut self) {
        self.finish(Err(Unsent::Incomplete));
    }
}

impl fmt::Debug for Tee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tee")
            .field("collected", &self.bytes.len())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // However the frames are cut: what is held never exceeds the limit, and nothing is held after the end.
        #[test]
        fn memory_stays_below_the_limit(max in 0..5_000_usize, frames in prop::collection::vec(0..2_000_usize, 0..20)) {
            let (sender, receiver) = std::sync::mpsc::channel();
            let mut tee = Tee::new(max, move |result| sender.send(result).unwrap());
            let mut size = 0;
            for frame in &frames {
                size += frame;
                tee.record(&Frame::data(vec![7; *frame].into()), false);
                prop_assert!(tee.bytes.capacity() <= max);
            }
            prop_assert_eq!(tee.has_finished(), size > max);
            tee.end();
            prop_assert_eq!(tee.bytes.capacity(), 0);
            let result = receiver.try_recv().unwrap();
            prop_assert_eq!(result.map(|bytes| bytes.len()), if size > max { Err(Unsent::TooLarge) } else { Ok(size) });
            drop(tee);
            prop_assert!(receiver.try_recv().is_err(), "it finishes once");
        }
    }
}
