//! What was changed, by whom and why; what was refused; and the way back.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::answers::ChangedDto;
use super::document::{ChangeAnswers, ReadProblems};
use super::extract::{Body, OfService, Strict, Write};
use super::problem::{Kind, Problem};
use super::record::{EntryDto, HistoryDto, RefusalDto};
use super::requests::Restore;
use super::state::AdminState;
use crate::routing::Change;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// How many refused changes the first page has.
const REFUSED: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<u32>,
    before: Option<u64>,
}

/// The changes of one service, latest first. The first page, which is without 'before', also has the last 50 that were
/// refused.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/history",
    tag = "deployment",
    params(
        OfService,
        ("limit" = Option<u32>, Query, description = "how many, 1 to 200; 50 by default"),
        ("before" = Option<u64>, Query, description = "only changes before this generation")
    ),
    security(("bearer" = [])),
    responses((status = OK, description = "changes", body = HistoryDto), ReadProblems)
)]
pub(super) async fn history(
    State(state): State<AdminState>,
    OfService(service): OfService,
    Strict(page): Strict<Page>,
) -> Result<Json<HistoryDto>, Problem> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(Kind::MalformedQuery, "limit must be 1 to 200"));
    }
    let found = state.deployments.history(&service, page.before, limit).await?;
    // Generations count from 1, so behind that one there is no further page.
    let full = found.len() == limit as usize;
    let next_before = found.last().map(|entry| entry.generation).filter(|oldest| full && *oldest > 1);
    let history = found.into_iter().map(EntryDto::from).collect();
    let refused = match page.before {
        None => Some(state.deployments.refusals(&service, REFUSED).await?),
        Some(_) => None,
    };
    let refused = refused.map(|refused| refused.into_iter().map(RefusalDto::from).collect());
    Ok(Json(HistoryDto { service: service.to_string(), history, next_before, refused }))
}

/// Brings back the weights and active flags that an earlier generation left.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/restore",
    tag = "deployment",
    params(OfService, Write),
    request_body = Restore,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn restore(
    State(state): State<AdminState>,
    OfService(service): OfService,
    write: Write,
    Body(body): Body<Restore>,
) -> Result<Response, Problem> {
    let change = match write.dry_run {
        true => state.deployments.restore_change(&service, body.generation).await?,
        false => Change::Restore { generation: body.generation, shares: Vec::new() },
    };
    Ok(state.apply(&service, change, write, body.reason).await?.ok())
}
