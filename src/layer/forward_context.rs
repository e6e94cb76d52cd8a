//! A request between the choice of its version and its rewriting, which is when a mirror copies it.

use super::rewrite::HostPolicy;
use crate::handle::{Choice, RouteSnapshot};

/// The choice for a request, and the options by which the request is rewritten. By the same options a mirror makes the
/// head of a copy.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "mirror"), expect(dead_code, reason = "only a mirror reads it"))]
pub(crate) struct ForwardContext<'a> {
    pub(crate) snapshot: RouteSnapshot<'a>,
    pub(crate) choice: Choice<'a>,
    /// Whether the latency is measured.
    pub(crate) is_measured: bool,
    /// The number of bytes to remove from the front of the path.
    pub(super) strip: usize,
    pub(super) host: HostPolicy,
}
