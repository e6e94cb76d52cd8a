//! Computes the effect of a change without making it.

use super::checker::Checker;
use super::error::DeployError;
use crate::common::time::now;
use crate::handle::RoutingHandle;
use crate::routing::{Preview, ServiceName};
use crate::store::ChangeRequest;

/// Applies `request` to the split that is served now. Nothing is probed, stored or published.
pub(super) fn preview(
    handle: &RoutingHandle,
    checker: &Checker,
    service: &ServiceName,
    request: &ChangeRequest,
) -> Result<Preview, DeployError> {
    checker.admit(service, &request.change, handle)?;
    let before = match handle.route(service.as_str()) {
        Some(route) => route.split().clone(),
        None => request.first_split(service)?,
    };
    let after = request.clone().without_check().decide(&before, now())?;
    Ok(Preview { moves: before.moves(&after), after })
}
