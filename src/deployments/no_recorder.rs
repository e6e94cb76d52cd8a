//! Stands in for `recorder.rs` without the feature `metrics` and records nothing.

use crate::routing::{ServiceName, Version, VersionName};
use crate::store::StoreError;

pub(super) const fn record_change(_: &'static str, _: &'static str) {}

pub(super) const fn record_check(_: &ServiceName, _: &VersionName, _: bool) {}

#[derive(Debug, Default)]
pub(super) struct ProbeResults {}

impl ProbeResults {
    pub(super) const fn record(&self, _: &ServiceName, _: &Version, _: bool) {}
}

pub(super) const fn record_store_call<T>(_: &'static str, _: &Result<T, StoreError>) {}
