//! The sender of the request.

use axum::Json;

use crate::admin::extract::{NoParams, Sender, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::api::PrincipalView;

/// Shows the sender of the request: the subject of the credentials, their scopes and when they expire.
///
/// It needs no scope, so that a sender without the scope of another request can see the missing one.
#[utoipa::path(
    get,
    path = "/whoami",
    tag = "authentication",
    security(("bearer" = [])),
    responses((status = OK, description = "the sender", body = PrincipalView), ReadProblems)
)]
pub(in crate::admin) async fn whoami(
    Sender(principal): Sender,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
) -> Json<PrincipalView> {
    let scopes = principal.scopes().map(|scope| scope.to_string()).collect();
    let expires_at = principal.expires_at().map(Into::into);
    Json(PrincipalView::new(principal.subject(), scopes, expires_at))
}
