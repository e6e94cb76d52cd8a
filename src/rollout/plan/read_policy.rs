//! Reads the policy of the guard from JSON.

use std::time::Duration;

use super::end::{WhenFailed, WhenInconclusive};
use super::guard_policy::{ErrorPolicy, GuardPolicy, LatencyPolicy};
use super::invalid::InvalidPlan;
use super::node::Node;

/// The fields of a policy.
const FIELDS: [&str; 8] = [
    "errors",
    "latency",
    "falseRollbacks",
    "leastRequests",
    "leastWindows",
    "calm",
    "whenFailed",
    "whenInconclusive",
];
/// The least difference of rates, in points. The bound on false rollbacks holds for independent failures alone, and in the
/// simulation a margin below this one convicts versions whose failures come in bursts.
const LEAST_POINTS: f64 = 0.05;
/// The largest `leastRequests`.
const MOST_REQUESTS: u64 = 1_000_000_000;
/// The largest `leastWindows`.
const MOST_WINDOWS: u64 = 100_000;

/// Reads a policy. A field that is left out has its default; `errors` and `latency` may be `null`, which
/// switches that measure off.
pub(super) fn read_policy(node: &Node<'_>) -> Result<GuardPolicy, InvalidPlan> {
    let fields = node.fields(&FIELDS)?;
    let default = GuardPolicy::default();
    Ok(GuardPolicy {
        errors: fields.read("errors", |node| optional(node, read_errors))?.unwrap_or(default.errors),
        latency: fields.read("latency", |node| optional(node, read_latency))?.unwrap_or(default.latency),
        false_rollbacks: fields
            .read("falseRollbacks", |node| node.number(0.000_001, 0.1))?
            .unwrap_or(default.false_rollbacks),
        least_requests: fields
            .read("leastRequests", |node| node.count(MOST_REQUESTS))?
            .unwrap_or(default.least_requests),
        least_windows: fields
            .read("leastWindows", |node| node.count(MOST_WINDOWS))?
            .unwrap_or(default.least_windows),
        calm: fields.read("calm", Node::weight)?.unwrap_or(default.calm),
        when_failed: fields
            .read("whenFailed", |node| node.word(WhenFailed::ALL, WhenFailed::as_str))?
            .unwrap_or_default(),
        when_inconclusive: fields
            .read("whenInconclusive", |node| node.word(WhenInconclusive::ALL, WhenInconclusive::as_str))?
            .unwrap_or_default(),
    })
}

/// Reads `null` as `None`.
fn optional<T>(
    node: &Node<'_>,
    read: impl FnOnce(&Node<'_>) -> Result<T, InvalidPlan>,
) -> Result<Option<T>, InvalidPlan> {
    if node.is_null() { Ok(None) } else { read(node).map(Some) }
}

/// Reads when the canary fails too often. `worseBy` and `limit` are in points of a percent.
fn read_errors(node: &Node<'_>) -> Result<ErrorPolicy, InvalidPlan> {
    let fields = node.fields(&["worseBy", "timesWorse", "limit"])?;
    let default = ErrorPolicy::default();
    Ok(ErrorPolicy {
        worse_by: fields.read("worseBy", points)?.unwrap_or(default.worse_by),
        times_worse: fields
            .read("timesWorse", |node| node.number(1.0, 100.0))?
            .unwrap_or(default.times_worse),
        limit: fields.read("limit", |node| optional(node, points))?.unwrap_or(default.limit),
    })
}

/// Reads a difference of percentages, up to 100.
fn points(node: &Node<'_>) -> Result<f64, InvalidPlan> {
    node.number(LEAST_POINTS, 100.0)
}

/// Reads when the canary is too slow. `timesWorse` is at least 1.1: latencies are kept in buckets of a
/// thirtieth, in which a smaller difference disappears.
fn read_latency(node: &Node<'_>) -> Result<LatencyPolicy, InvalidPlan> {
    let fields = node.fields(&["timesWorse", "atLeast", "limit"])?;
    let default = LatencyPolicy::default();
    Ok(LatencyPolicy {
        times_worse: fields
            .read("timesWorse", |node| node.number(1.1, 100.0))?
            .unwrap_or(default.times_worse),
        at_least: fields.read("atLeast", Node::duration)?.unwrap_or(default.at_least),
        limit: fields.read("limit", |node| optional(node, read_limit))?.unwrap_or(default.limit),
    })
}

/// Reads an absolute limit for the 99th percentile.
fn read_limit(node: &Node<'_>) -> Result<Duration, InvalidPlan> {
    let limit = node.duration()?;
    if limit.is_zero() { Err(node.refuse("give a duration above 0")) } else { Ok(limit) }
}
