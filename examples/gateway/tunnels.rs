//! WebSockets and other tunnels, counted.

use hyper::rt::Executor;
use tokio_util::task::TaskTracker;
use tower_canary::proxy::Bridge;

/// Spawns what bridges tunnels, and knows how many are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tunnels {
    open: TaskTracker,
}

impl Executor<Bridge> for Tunnels {
    fn execute(&self, bridge: Bridge) {
        self.open.spawn(bridge);
    }
}

impl Tunnels {
    /// Waits until none is open.
    pub(crate) async fn closed(&self) {
        self.open.close();
        self.open.wait().await;
    }
}
