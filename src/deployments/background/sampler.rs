//! Samples the counters of traffic.

use async_trait::async_trait;
use tokio::time::sleep;

use super::duty::{Duty, Label};
use crate::common::error::BoxError;
use crate::handle::RoutingHandle;
use crate::traffic::SAMPLE_EVERY;

/// The duty as it is logged and listed.
static LABEL: Label =
    Label { name: "sample", failed: "traffic cannot be sampled", recovered: "traffic is sampled again" };

/// Takes the samples from which windows of traffic are computed.
#[derive(Debug)]
pub(in crate::deployments) struct Sampler {
    handle: RoutingHandle,
}

impl Sampler {
    pub(in crate::deployments) const fn new(handle: RoutingHandle) -> Self {
        Self { handle }
    }
}

#[async_trait]
impl Duty for Sampler {
    fn label(&self) -> &'static Label {
        &LABEL
    }

    async fn due(&mut self, _: u32) {
        sleep(SAMPLE_EVERY).await;
    }

    async fn run(&mut self) -> Result<(), BoxError> {
        self.handle.sample_traffic();
        Ok(())
    }
}
