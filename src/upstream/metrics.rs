//! The connections as metrics.

use std::collections::BTreeSet;
use std::sync::Mutex;

use metrics::{Unit, describe_gauge, gauge};

use super::figures::BackendConnections;
use crate::common::lock::lock;

/// The gauge of connections.
const CONNECTIONS: &str = "canary_upstream_connections";

/// The backends whose gauges were set, so that the gauges of a forgotten backend can be set to 0.
#[derive(Debug, Default)]
pub(super) struct Published(Mutex<BTreeSet<String>>);

impl Published {
    /// Sets the gauges. A backend that is gone has 0 in each state.
    pub(super) fn publish(&self, connections: &[BackendConnections]) {
        describe_gauge!(CONNECTIONS, Unit::Count, "Connections to a backend, by state: idle or in_use.");
        let mut published = lock(&self.0);
        let current: BTreeSet<_> = connections.iter().map(|figures| figures.backend.clone()).collect();
        for gone in published.difference(&current) {
            set(gone, 0, 0);
        }
        for figures in connections {
            set(&figures.backend, figures.idle, figures.in_use);
        }
        *published = current;
    }
}

/// Sets both gauges of a backend.
#[expect(clippy::cast_precision_loss, reason = "a count of connections is far below 2^52")]
fn set(backend: &str, idle: usize, in_use: usize) {
    gauge!(CONNECTIONS, "backend" => backend.to_owned(), "state" => "idle").set(idle as f64);
    gauge!(CONNECTIONS, "backend" => backend.to_owned(), "state" => "in_use").set(in_use as f64);
}
