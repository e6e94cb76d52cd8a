//! A request between the choice of its version and its rewriting, for those that copy it.

use super::rewrite::HostPolicy;
use crate::handle::{Choice, RouteSnapshot};

/// A request that was given a version and is not rewritten yet: the choice, and the options for the rest of its way.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "mirror"), expect(dead_code, reason = "only a mirror reads it"))]
pub(crate) struct Passing<'a> {
    pub(crate) snapshot: RouteSnapshot<'a>,
    pub(crate) choice: Choice<'a>,
    /// Whether the latency is measured.
    pub(crate) is_measured: bool,
    pub(super) strip: usize,
    pub(super) host: HostPolicy,
}
