//! The settings of a service.

use super::health_path::HealthPath;
use super::mirror_share::MirrorShare;

/// The settings of a service, which apply to all of its versions, as the history records them.
///
/// ```
/// use tower_canary::routing::{Change, Split};
///
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// assert_eq!((split.settings().health_path, split.settings().pin_epoch), (None, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// The path below the base URLs that health probes request. `None`: they request the base URL.
    pub health_path: Option<HealthPath>,
    /// How often all pins were invalidated.
    pub pin_epoch: u64,
    /// Which version gets copies of requests. `None` also for a generation that an earlier release recorded.
    pub mirror: Option<MirrorShare>,
}

impl ServiceSettings {
    /// Creates the settings. Stores use it to read a history entry.
    #[must_use]
    pub const fn new(health_path: Option<HealthPath>, pin_epoch: u64) -> Self {
        Self { health_path, pin_epoch, mirror: None }
    }

    /// Sets which version gets copies of requests.
    #[must_use]
    pub fn with_mirror(self, mirror: Option<MirrorShare>) -> Self {
        Self { mirror, ..self }
    }
}
