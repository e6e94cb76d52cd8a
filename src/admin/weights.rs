//! Moving traffic.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::answers::{ChangedDto, Percent};
use super::document::ChangeAnswers;
use super::extract::{Body, OfService, OfVersion, Write};
use super::problem::Problem;
use super::requests::{SetWeight, SetWeights, Why};
use super::state::AdminState;
use crate::routing::{Change, VersionName, Weight};

/// Gives a version a weight. The other active versions share the rest in proportion to what they have.
#[utoipa::path(
    put,
    path = "/deployment/services/{service}/versions/{version}/weight",
    tag = "deployment",
    params(OfVersion, Write),
    request_body = SetWeight,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn set_weight(
    State(state): State<AdminState>,
    OfVersion(service, version): OfVersion,
    write: Write,
    Body(body): Body<SetWeight>,
) -> Result<Response, Problem> {
    let weight = Weight::try_from(body.weight)?;
    let change = Change::SetWeight { version, weight };
    let changed = state.apply(&service, change, write, body.reason).await?;
    let answer = ChangedDto { weight: Some(Percent(weight)), ..changed.dto() };
    Ok(changed.answer(StatusCode::OK, answer))
}

/// Sets the weights of the whole split. They total 100; active versions left out get 0.
#[utoipa::path(
    put,
    path = "/deployment/services/{service}/weights",
    tag = "deployment",
    params(OfService, Write),
    request_body = SetWeights,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn set_weights(
    State(state): State<AdminState>,
    OfService(service): OfService,
    write: Write,
    Body(body): Body<SetWeights>,
) -> Result<Response, Problem> {
    let change = Change::SetWeights(parsed(&body.weights)?);
    Ok(state.apply(&service, change, write, body.reason).await?.ok())
}

/// Gives a version all traffic, and activates it if it is not active. Also the way back.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/versions/{version}/switch",
    tag = "deployment",
    params(OfVersion, Write),
    request_body = Option<Why>,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn switch(
    State(state): State<AdminState>,
    OfVersion(service, version): OfVersion,
    write: Write,
    Body(body): Body<Why>,
) -> Result<Response, Problem> {
    let switched_to = Some(version.to_string());
    let changed = state.apply(&service, Change::Switch { version }, write, body.reason).await?;
    let answer = ChangedDto { switched_to, ..changed.dto() };
    Ok(changed.answer(StatusCode::OK, answer))
}

/// Lets everyone who is pinned to a version of the service be drawn anew, once.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/redraw",
    tag = "deployment",
    params(OfService, Write),
    request_body = Option<Why>,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn redraw(
    State(state): State<AdminState>,
    OfService(service): OfService,
    write: Write,
    Body(body): Body<Why>,
) -> Result<Response, Problem> {
    Ok(state.apply(&service, Change::Redraw, write, body.reason).await?.ok())
}

fn parsed(weights: &BTreeMap<String, f64>) -> Result<BTreeMap<VersionName, Weight>, Problem> {
    weights.iter().map(|(version, weight)| Ok((version.parse()?, Weight::try_from(*weight)?))).collect()
}
