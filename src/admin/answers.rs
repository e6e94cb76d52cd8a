//! What the API answers.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::deployments::{Convergence, Freshness, Healthy};
use crate::routing::{Move, Route, Split, Version, VersionName, Weight};
use crate::store::{Replica, StoreError};

/// A weight in percent: whole ones without a decimal point.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = f64, minimum = 0, maximum = 100, example = 10)]
pub(super) struct Percent(pub(super) Weight);

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hundredths = self.0.hundredths();
        if hundredths.is_multiple_of(100) {
            serializer.serialize_u16(hundredths / 100)
        } else {
            serializer.serialize_f64(self.0.percent())
        }
    }
}

/// All services.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServicesDto {
    pub(super) services: Vec<SplitDto>,
}

/// The split of one service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SplitDto {
    #[schema(example = "auth")]
    pub(super) service: String,
    /// Counts the changes of the split. `If-Match: "<generation>"` makes a write refuse any other.
    pub(super) generation: u64,
    /// Where the versions answer health probes.
    pub(super) health_path: Option<String>,
    /// Oldest first.
    pub(super) versions: Vec<VersionDto>,
}

/// One version of a service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionDto {
    #[schema(format = "uuid")]
    id: String,
    #[schema(example = "v1.1")]
    version: String,
    #[schema(example = "http://10.0.0.2:8080")]
    url: String,
    weight: Percent,
    is_active: bool,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    updated_at: String,
}

/// A change that was made, and the split after it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedDto {
    #[schema(example = true)]
    pub(super) success: bool,
    /// After a weight was set: that weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<Percent>,
    /// After a switch: the version that has all traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "v1.1")]
    pub(super) switched_to: Option<String>,
    /// `true` after `?dryRun=true`: the change was not made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dry_run: bool,
    /// With `dryRun`: which users, known by a key, would get another version; most first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moves: Option<Vec<MoveDto>>,
    /// After `?wait=converged`: which replicas serve the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) convergence: Option<ConvergenceDto>,
    #[serde(flatten)]
    pub(super) split: SplitDto,
}

/// Users who would get another version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MoveDto {
    /// The version they have; `null` where none is active.
    #[schema(example = "v1.0")]
    from: Option<String>,
    /// The version they would get; `null` where none would be active.
    #[schema(example = "v1.1")]
    to: Option<String>,
    /// How many, in percent of all users.
    users: Percent,
}

/// Which version a key gets, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainedDto {
    #[schema(example = "auth")]
    pub(super) service: String,
    /// The generation of the split that it is told of.
    pub(super) generation: u64,
    #[schema(example = "alice")]
    pub(super) key: String,
    /// The slot that the key falls into, 0 to 9,999.
    slot: u16,
    /// The version that holds it; `null` when none is active.
    #[schema(example = "v1.0")]
    version: Option<String>,
    /// That version's weight.
    weight: Option<Percent>,
    /// Which rule chooses it.
    #[schema(example = "key")]
    reason: &'static str,
}

/// Which replicas serve a change, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConvergenceDto {
    /// Whether all do that are known.
    pub(super) converged: bool,
    #[schema(example = json!(["gateway-1"]))]
    serving: Vec<String>,
    /// Those that do not yet; `null` where the store could not be asked for them.
    #[schema(example = json!(["gateway-2"]))]
    waiting: Option<Vec<String>>,
}

/// What this replica serves.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusDto {
    /// The store's revision that is served, or something later.
    revision: u64,
    /// How long ago that was known to be what the store has.
    age_ms: u64,
    /// Whether the store was not read since the start: what was served before it is served.
    from_cache: bool,
    /// Services whose stored splits cannot be read: their last good routes are served. The gateway's log says why.
    broken: Vec<String>,
}

/// The replicas that share the store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplicasDto {
    /// The latest revision that one of them serves.
    revision: u64,
    /// Whether all serve it.
    converged: bool,
    /// Ordered by name.
    replicas: Vec<ReplicaDto>,
}

/// One gateway among those that share the store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaDto {
    id: String,
    #[schema(example = "gateway-1")]
    name: String,
    /// It serves what the store had at this revision, or later.
    revision: u64,
    /// How long ago it reported.
    seen_ms: u64,
    /// Whether it is the one that answers.
    is_this: bool,
}

/// What a probe saw.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckedDto {
    /// `null` where the gateway does not probe.
    healthy: Option<bool>,
    /// The status of the answer.
    #[schema(example = 200)]
    status: Option<u16>,
    #[schema(example = 3)]
    latency_ms: Option<u64>,
}

impl From<&Split> for SplitDto {
    fn from(split: &Split) -> Self {
        Self {
            service: split.service().to_string(),
            generation: split.generation(),
            health_path: split.health_path().map(|path| path.as_str().to_owned()),
            versions: split.versions().iter().map(VersionDto::from).collect(),
        }
    }
}

impl From<&Version> for VersionDto {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id.to_string(),
            version: version.name.to_string(),
            url: version.backend().to_string(),
            weight: Percent(version.weight),
            is_active: version.active,
            created_at: rfc3339(version.created_at),
            updated_at: rfc3339(version.updated_at),
        }
    }
}

impl From<&Split> for ChangedDto {
    fn from(split: &Split) -> Self {
        Self {
            success: true,
            weight: None,
            switched_to: None,
            dry_run: false,
            moves: None,
            convergence: None,
            split: split.into(),
        }
    }
}

impl From<&Move> for MoveDto {
    fn from(of: &Move) -> Self {
        let name = |version: &Option<VersionName>| version.as_ref().map(ToString::to_string);
        let users = Weight::from_hundredths(of.slots).unwrap_or(Weight::FULL);
        Self { from: name(&of.from), to: name(&of.to), users: Percent(users) }
    }
}

impl ExplainedDto {
    pub(super) fn new(route: &Route, key: String) -> Self {
        let explanation = route.explain(key.as_bytes());
        Self {
            service: route.service().to_string(),
            generation: route.split().generation(),
            slot: explanation.slot.get(),
            version: explanation.version.map(|version| version.name.to_string()),
            weight: explanation.version.map(|version| Percent(version.weight)),
            reason: explanation.reason.as_str(),
            key,
        }
    }
}

impl From<Result<Convergence, StoreError>> for ConvergenceDto {
    fn from(seen: Result<Convergence, StoreError>) -> Self {
        let names = |replicas: Vec<Replica>| replicas.into_iter().map(|replica| replica.name).collect();
        match seen {
            Ok(Convergence { serving, waiting, .. }) => {
                Self { converged: waiting.is_empty(), serving: names(serving), waiting: Some(names(waiting)) }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot tell which replicas serve a change"
                );
                Self { converged: false, serving: Vec::new(), waiting: None }
            }
        }
    }
}

impl From<Freshness> for StatusDto {
    fn from(freshness: Freshness) -> Self {
        Self {
            revision: freshness.revision,
            age_ms: millis(freshness.age),
            from_cache: freshness.from_cache,
            broken: freshness.broken.into_iter().map(|broken| broken.service).collect(),
        }
    }
}

impl ReplicasDto {
    /// As seen by the replica `this`.
    pub(super) fn new(replicas: Vec<Replica>, this: Option<&str>) -> Self {
        let revision = replicas.iter().map(|replica| replica.revision).max().unwrap_or(0);
        let converged = replicas.iter().all(|replica| replica.revision == revision);
        let replica = |replica: Replica| ReplicaDto {
            is_this: Some(replica.id.as_str()) == this,
            id: replica.id,
            name: replica.name,
            revision: replica.revision,
            seen_ms: millis(replica.seen),
        };
        Self { revision, converged, replicas: replicas.into_iter().map(replica).collect() }
    }
}

impl From<Option<Healthy>> for CheckedDto {
    fn from(seen: Option<Healthy>) -> Self {
        Self {
            healthy: seen.map(|_| true),
            status: seen.map(|seen| seen.status),
            latency_ms: seen.map(|seen| millis(seen.took)),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}
