//! What versions do: told at once, once one is drained, or again and again.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http::header::{ACCEPT, HeaderMap};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::document::ReadProblems;
use super::extract::{OfService, Strict, limit};
use super::figures::{Everywhere, TrafficDto};
use super::problem::{Kind, Problem};
use super::state::AdminState;
use crate::routing::{ChangeError, ServiceName, VersionName};
use crate::store::StoreError;

/// How often the stream tells.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// A stream ends after this, so that whoever may no longer read is not told on; who may asks again.
const STREAM_LIMIT: Duration = Duration::from_secs(300);

/// How often it is looked whether a version is drained.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often the other gateways are asked for then, and how long that may take.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// How long an answer waits for that, where no time is given; and at most.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const MAX_WAIT: Duration = Duration::from_secs(600);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    version: Option<String>,
    wait: Option<WaitFor>,
    timeout: Option<String>,
}

/// What an answer may wait for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WaitFor {
    Drained,
}

/// What the versions of a service do at this gateway: requests by outcome, rates, percentiles, shares beside the
/// weights, requests in flight, and which versions are drained, here and at the other gateways. With
/// `Accept: text/event-stream` it is told again every two seconds, for five minutes.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/traffic",
    tag = "deployment",
    params(
        OfService,
        ("version" = Option<String>, Query, description = "only this version"),
        ("wait" = Option<String>, Query, description = "'drained': answer once the version is drained, here and at the other gateways, or after the timeout"),
        ("timeout" = Option<String>, Query, description = "how long to wait, at most 10m; 30s by default")
    ),
    security(("bearer" = [])),
    responses(
        (status = OK, description = "what the versions do", content((TrafficDto = "application/json"), (String = "text/event-stream"))),
        ReadProblems
    )
)]
pub(super) async fn traffic(
    State(state): State<AdminState>,
    OfService(service): OfService,
    Strict(asked): Strict<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = asked.limit()?;
    let version = asked.version.map(|name| name.parse()).transpose()?;
    let watched = Watched { state, service, version };
    if let Some(limit) = wait {
        // Drained or not, it is told how things are.
        let _ = timeout(limit, watched.drained()).await;
    }
    let now = watched.told().await?;
    if wants_events(&headers) {
        Ok(Sse::new(watched.events()).into_response())
    } else {
        Ok(Json(now).into_response())
    }
}

impl Asked {
    /// How long to wait until the version is drained, if at all.
    fn limit(&self) -> Result<Option<Duration>, Problem> {
        let refused = |detail| Err(Problem::new(Kind::MalformedQuery, detail));
        match (&self.wait, &self.version, &self.timeout) {
            (None, _, None) => Ok(None),
            (None, _, Some(_)) => refused("timeout goes with wait=drained"),
            (Some(WaitFor::Drained), None, _) => {
                refused("name the version that is to be drained, as in ?version=v1.0")
            }
            (Some(WaitFor::Drained), Some(_), None) => Ok(Some(DEFAULT_WAIT)),
            (Some(WaitFor::Drained), Some(_), Some(text)) => limit(text, MAX_WAIT).map(Some),
        }
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// What is told of.
struct Watched {
    state: AdminState,
    service: ServiceName,
    version: Option<VersionName>,
}

impl Watched {
    /// How things are.
    async fn told(&self) -> Result<TrafficDto, Problem> {
        let deployments = &self.state.deployments;
        let everywhere = self.everywhere().await;
        let traffic = deployments.handle().traffic(self.service.as_str());
        let traffic = traffic.ok_or_else(|| StoreError::UnknownService(self.service.clone()))?;
        let version = self.version.as_ref().map(VersionName::as_str);
        let told = TrafficDto::new(&traffic, deployments.replica_name(), version, &everywhere);
        match &self.version {
            Some(version) if told.versions.is_empty() => {
                Err(StoreError::Refused(ChangeError::UnknownVersion(version.clone())).into())
            }
            _ => Ok(told),
        }
    }

    /// What is known of the other gateways, where this is one of several.
    async fn everywhere(&self) -> Everywhere {
        if self.state.deployments.replica_id().is_none() {
            return Everywhere::Here;
        }
        match timeout(ASK_LIMIT, self.state.deployments.other_replicas(&self.service)).await {
            Ok(Ok(elsewhere)) => Everywhere::With(elsewhere),
            Ok(Err(_)) | Err(_) => Everywhere::Unknown,
        }
    }

    /// Waits until the version is drained everywhere, is no more, or the gateway ends.
    async fn drained(&self) {
        let drained = async {
            loop {
                while self.is_used() {
                    sleep(LOOK_EVERY).await;
                }
                let everywhere = self.everywhere().await;
                if !self.is_used() && !self.is_used_elsewhere(&everywhere) {
                    return;
                }
                sleep(ASK_EVERY).await;
            }
        };
        tokio::select! {
            () = drained => {}
            () = self.state.deployments.ended() => {}
        }
    }

    fn is_used_elsewhere(&self, everywhere: &Everywhere) -> bool {
        match (everywhere, &self.version) {
            (Everywhere::With(elsewhere), Some(version)) => elsewhere.blockers(version).next().is_some(),
            (Everywhere::Unknown, _) => true,
            (Everywhere::With(_) | Everywhere::Here, _) => false,
        }
    }

    fn is_used(&self) -> bool {
        let handle = self.state.deployments.handle();
        let is_drained = |version: &VersionName| handle.is_drained(self.service.as_str(), version.as_str());
        self.version.as_ref().and_then(is_drained) == Some(false)
    }

    /// How things are, until the service or the version is no more, the gateway ends, or it is time to ask again.
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let (deployments, end) = (self.state.deployments.clone(), Instant::now() + STREAM_LIMIT);
        let told = stream::unfold((self, Instant::now()), |(watched, due)| async move {
            sleep_until(due).await;
            let event = Event::default().event("traffic").json_data(watched.told().await.ok()?).ok()?;
            // A reader that is late has missed some.
            Some((Ok(event), (watched, Instant::now() + TELL_EVERY)))
        });
        told.take_until(Box::pin(async move {
            tokio::select! {
                () = sleep_until(end) => {}
                () = deployments.ended() => {}
            }
        }))
    }
}
