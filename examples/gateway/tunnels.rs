//! WebSockets and other upgraded connections.

use hyper::rt::Executor;
use tokio_util::task::TaskTracker;
use tower_canary::proxy::Bridge;

/// Runs the tasks that copy bytes between an upgraded client and its backend, and tracks them for the shutdown.
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
    /// Waits until every tunnel is closed.
    pub(crate) async fn closed(&self) {
        self.open.close();
        self.open.wait().await;
    }
}
