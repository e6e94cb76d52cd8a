//! The bodies of failover, around bodies that can be copied.

use bytes::Bytes;

use super::body::MirroredBody;
use super::tee::Tee;
use crate::layer::failover::ReplayableBody;

/// All attempts share the body, so it is copied once.
impl<B: MirroredBody + Unpin> MirroredBody for ReplayableBody<B> {
    fn whole(bytes: Bytes) -> Self {
        Self::new(B::whole(bytes))
    }

    fn tee(&mut self, tee: Tee) {
        self.with_unsent(|body| body.get_mut().tee(tee));
    }
}
