//! Extractors of the operations on rollouts.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde::Deserialize;

use super::decode::decode_object;
use super::extract::{Sender, json_bytes, malformed_body, path_parameters};
use super::principal::{Principal, Scope};
use super::problem::ApiError;
use super::state::AdminState;
use crate::api::{ProblemKind, StartRollout};
use crate::rollout::Rollouts;
use crate::routing::ServiceName;

/// The name of the rollout that is under way, in the place of an id.
const CURRENT: &str = "current";

/// The length of the longest id that a store keeps.
const MAX_ID: usize = 36;

/// The rollouts that the application has mounted. Without any, the response is 404, whatever else the request has: so it
/// is the first extractor of each handler.
#[derive(Debug)]
pub(super) struct MountedRollouts(pub(super) Rollouts);

/// The service and the rollout in the path.
///
/// A text that no id can be gets 404 `unknown-rollout`.
#[derive(Debug)]
pub(super) struct RolloutPath {
    pub(super) service: ServiceName,
    /// `None`: the rollout that is under way.
    pub(super) id: Option<String>,
}

/// The sender of a request that needs [`Scope::Write`].
#[derive(Debug)]
pub(super) struct Writer(pub(super) Principal);

/// The plan in the body, with a reason.
///
/// | body | response |
/// | --- | --- |
/// | longer than the router allows, or of another media type | as for other bodies |
/// | not a JSON object, or a name in it twice | 400 `malformed-body` |
/// | not a plan | 422 `invalid-plan`, with a JSON pointer to the field |
#[derive(Debug)]
pub(super) struct PlanBody(pub(super) StartRollout);

#[derive(Deserialize)]
struct RolloutParameters {
    service: String,
    rollout: String,
}

impl FromRequestParts<AdminState> for MountedRollouts {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, state: &AdminState) -> Result<Self, ApiError> {
        state.rollouts.get().cloned().map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RolloutPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let RolloutParameters { service, rollout } = path_parameters(parts, state).await?;
        let service = service.parse()?;
        if rollout == CURRENT {
            return Ok(Self { service, id: None });
        }
        let is_id = rollout.len() <= MAX_ID && rollout.bytes().all(|byte| byte.is_ascii_graphic());
        if is_id {
            return Ok(Self { service, id: Some(rollout) });
        }
        let detail = "the path has no id of a rollout: list the rollouts of the service for their ids";
        Err(ApiError::new(ProblemKind::UnknownRollout, detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Writer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Sender(principal) = Sender::from_request_parts(parts, state).await?;
        if principal.may(Scope::Write) {
            return Ok(Self(principal));
        }
        Err(ApiError::insufficient_scope(Scope::Write))
    }
}

impl<S: Send + Sync> FromRequest<S> for PlanBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, state).await?;
        let fields = decode_object(&bytes).map_err(|detail| malformed_body(&detail))?;
        Ok(Self(StartRollout::try_from(fields)?))
    }
}
