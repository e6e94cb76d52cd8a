//! Wire types of the admin API: the JSON of its requests and responses.
//!
//! The same types serve both ends. The [admin router](crate::admin) deserializes requests and serializes
//! responses; a client serializes requests and deserializes responses. This module needs neither axum nor an
//! HTTP client, so a client of the API enables the feature `api` alone.
//!
//! | file of the module | types |
//! | --- | --- |
//! | `split` | [`ServiceList`], [`SplitView`], [`VersionView`], [`MirrorView`], [`LastChangeView`] |
//! | `instance` | [`VersionHealthView`], [`InstanceView`], [`LastCheckView`] |
//! | `health_event` | [`HealthEventView`] |
//! | `change` | request bodies: [`SetWeight`], [`SetWeights`], [`SetMirror`], [`UpdateService`], [`RestoreGeneration`], [`PlainChange`] |
//! | `version_change` | request bodies of one version: [`RegisterVersion`], [`UpdateVersion`] |
//! | `change_result` | [`ChangeResult`], [`UserMove`], [`ConvergenceView`], [`RolloutEffect`] |
//! | `params` | query parameters: [`ChangeParams`], [`PageParams`], [`ServicesParams`], [`VersionsParams`], [`ExplainParams`], [`TrafficParams`] |
//! | `history` | [`HistoryPage`], [`HistoryEntryView`], [`RefusalPage`], [`RefusalView`] |
//! | `traffic`, `figures`, `copies`, `instance_traffic` | [`TrafficView`] and the figures in it, [`CopiesView`], [`InstanceTrafficView`] |
//! | `cluster_drain` | [`ClusterDrainView`], [`DrainBlockerView`] |
//! | `overview` | [`TrafficOverview`], [`ServiceTrafficView`] |
//! | `replicas` | [`StatusView`], [`FeaturesView`], [`ReplicaList`], [`ReplicaView`], [`DrainingView`] |
//! | `explain` | [`ExplanationView`] |
//! | `check` | [`CheckVersion`], [`CheckView`], [`ProbeView`] |
//! | `whoami` | [`PrincipalView`] |
//! | `rollout` | with the feature `rollout`: `StartRollout`, `StepOrder`, `RolloutSummary`, `RolloutDetails`, `RolloutPage`, `RolloutList`, `RolloutPreview` |
//! | `problem`, `problem_kind` | [`Problem`], [`ProblemKind`] |
//! | `percent`, `timestamp`, `reason` | values of fields: [`Percent`], [`Timestamp`], [`ChangeReason`] |
//!
//! # Conventions
//!
//! - Field names are camelCase. Weights are numbers in percent ([`Percent`]), times are in RFC 3339
//!   ([`Timestamp`]), durations are in milliseconds or seconds, as the name of the field says.
//! - A request with an unknown field is refused, so that a mistyped name is not overlooked. A response may
//!   gain fields: clients ignore fields that they do not know.
//! - A type whose name ends in `View` shows the core type of that name: a [`SplitView`] is a
//!   [`Split`](crate::routing::Split) as the API writes it. Names of services and versions are plain text in
//!   views, so that a client reads the response of a later server with other rules for names.
//! - With the feature `admin` the types implement utoipa's `ToSchema`, for the OpenAPI document. These
//!   implementations are no promise: a later release may use another version of utoipa.
//!
//! # Example
//!
//! A client that sets a weight and reads the response:
//!
//! ```
//! use tower_canary::Weight;
//! use tower_canary::api::{ChangeResult, SetWeight};
//!
//! let body = SetWeight::new("12.5".parse()?).with_reason("first step".parse()?);
//! assert_eq!(serde_json::to_string(&body)?, r#"{"weight":12.5,"reason":"first step"}"#);
//!
//! let response = r#"{
//!     "success": true, "weight": 12.5, "revision": 118, "service": "auth", "generation": 3, "healthPath": null,
//!     "lastChange": {"actor": "alice", "at": "2026-01-05T09:31:00.000Z"},
//!     "versions": [{
//!         "id": "0199d5a4-5d1c-7c3e-9a55-6f0d5c1b2a3e", "version": "v1.1", "url": "http://10.0.0.2:8080",
//!         "urls": ["http://10.0.0.2:8080"], "weight": 12.5, "isActive": true,
//!         "createdAt": "2026-01-05T09:30:00.000Z", "updatedAt": "2026-01-05T09:31:00.000Z"
//!     }]
//! }"#;
//! let result: ChangeResult = serde_json::from_str(response)?;
//! assert_eq!(result.split.generation, 3);
//! assert_eq!(result.split.versions[0].weight.weight(), Weight::try_from(12.5)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod change_result;
mod check;
mod cluster_drain;
mod copies;
mod explain;
mod figures;
mod health_event;
mod history;
mod instance;
mod instance_traffic;
mod overview;
mod page_limit;
mod params;
mod percent;
mod problem;
mod problem_kind;
mod reason;
mod replicas;
#[cfg(feature = "rollout")]
mod rollout;
mod split;
mod timestamp;
mod traffic;
mod version_change;
mod whoami;

pub use self::change::{PlainChange, RestoreGeneration, SetMirror, SetWeight, SetWeights, UpdateService};
pub use self::change_result::{ChangeResult, ConvergenceView, RolloutEffect, UserMove};
pub use self::check::{CheckVersion, CheckView, ProbeView};
pub use self::cluster_drain::{ClusterDrainView, DrainBlockerView};
pub use self::copies::CopiesView;
pub use self::explain::ExplanationView;
pub use self::figures::{ActivityView, LatencyView, ObservedShareView, OutcomeRates, WindowView};
pub use self::health_event::HealthEventView;
pub use self::history::{
    HistoryEntryView, HistoryPage, RefusalPage, RefusalView, RequestedChange, SettingsView, ShareView,
};
pub use self::instance::{InstanceView, LastCheckView, VersionHealthView};
pub use self::instance_traffic::InstanceTrafficView;
pub use self::overview::{ServiceTrafficView, TrafficOverview};
pub use self::params::{
    ChangeParams, ChangeWait, ExplainParams, PageParams, ServicesParams, TrafficParams, TrafficWait,
    VersionsParams,
};
pub use self::percent::Percent;
pub use self::problem::Problem;
pub use self::problem_kind::ProblemKind;
pub use self::reason::{ChangeReason, InvalidChangeReason};
pub use self::replicas::{DrainingView, FeaturesView, ReplicaList, ReplicaView, StatusView};
#[cfg(feature = "rollout")]
pub use self::rollout::{
    AbortParams, RolloutDetails, RolloutEndPreview, RolloutEventView, RolloutGateView, RolloutLeaderView,
    RolloutList, RolloutMeasureView, RolloutPage, RolloutPauseView, RolloutPreview, RolloutReplicaView,
    RolloutRequestsView, RolloutReturnView, RolloutStagePreview, RolloutStageView, RolloutSummary,
    RolloutTallyView, RolloutTotalsView, RolloutVerdictView, StartParams, StartRollout, StepOrder,
};
#[cfg(all(feature = "admin", feature = "rollout"))]
pub(crate) use self::rollout::{PlanSchema, StartAnswerSchema};
pub use self::split::{LastChangeView, MirrorView, ServiceList, SplitView, VersionView};
pub use self::timestamp::{InvalidTimestamp, Timestamp};
pub use self::traffic::{SampleView, TrafficView, VersionState, VersionTrafficView};
pub use self::version_change::{RegisterVersion, UpdateVersion};
pub use self::whoami::PrincipalView;
