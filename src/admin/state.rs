//! What handlers share: making a change, and answering with the split after it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::answers::{ChangedDto, ConvergenceDto, MoveDto};
use super::extract::Write;
use super::problem::{Kind, Problem};
use super::requests::Reason;
use crate::deployments::Deployments;
use crate::routing::{Change, Move, Preview, ServiceName, Split};
use crate::store::ChangeRequest;

/// What handlers share.
#[derive(Clone, Debug)]
pub(super) struct AdminState {
    pub(super) deployments: Deployments,
}

impl AdminState {
    /// Makes a change, and waits for the other replicas if that is asked for.
    pub(super) async fn apply(
        &self,
        service: &ServiceName,
        change: Change,
        write: Write,
        reason: Option<Reason>,
    ) -> Result<Changed, Problem> {
        if write.wait.is_some() && self.deployments.replica_id().is_none() {
            let detail = "this gateway does not report what it serves, so there is no waiting for it";
            return Err(Problem::new(Kind::MalformedQuery, detail));
        }
        let served = self.deployments.handle().route(service.as_str());
        let current = served.map(|route| route.split().generation());
        let mut request = ChangeRequest::new(change, write.principal.subject());
        request.reason = reason.map(|Reason(text)| text);
        request.expected_generation = write.if_match.expected(current)?;
        if write.force {
            request = request.without_check();
        }
        if write.dry_run {
            let Preview { after, moves, .. } = self.deployments.preview(service, &request)?;
            return Ok(Changed { split: after, moves: Some(moves), convergence: None });
        }
        let applied = self.deployments.apply(service, request).await?;
        let convergence = match write.wait {
            Some(limit) => Some(self.deployments.wait_converged(applied.revision, limit).await.into()),
            None => None,
        };
        Ok(Changed { split: applied.after, moves: None, convergence })
    }
}

/// A change that was made, or would be.
#[derive(Debug)]
pub(super) struct Changed {
    split: Split,
    /// Which users would move: of a change that was not made.
    moves: Option<Vec<Move>>,
    convergence: Option<ConvergenceDto>,
}

impl Changed {
    /// What to answer.
    pub(super) fn dto(&self) -> ChangedDto {
        ChangedDto {
            dry_run: self.moves.is_some(),
            moves: self.moves.as_ref().map(|moves| moves.iter().map(MoveDto::from).collect()),
            ..ChangedDto::from(&self.split)
        }
    }

    /// Answers with the split.
    pub(super) fn ok(self) -> Response {
        let body = self.dto();
        self.answer(StatusCode::OK, body)
    }

    /// Answers `body` with `status`, or with 202 where some replica does not serve it yet. What was not made has no tag.
    pub(super) fn answer(self, status: StatusCode, body: ChangedDto) -> Response {
        if self.moves.is_some() {
            return Json(body).into_response();
        }
        let lags = self.convergence.as_ref().is_some_and(|convergence| !convergence.converged);
        let status = if lags { StatusCode::ACCEPTED } else { status };
        tagged(status, &self.split, ChangedDto { convergence: self.convergence, ..body })
    }
}

/// An answer about one split, tagged with its generation.
pub(super) fn tagged(status: StatusCode, split: &Split, body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    // A number in quotes is always a header value.
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", split.generation())) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
