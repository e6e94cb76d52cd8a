//! The figures that this process reports while a service has a rollout.

use std::collections::BTreeMap;

use super::publisher::Publisher;
use crate::routing::ServiceName;
use crate::store::Report;
use crate::traffic::ReportedFigures;

/// The figures of the versions of each service, by their ids.
type ByService<'a> = BTreeMap<&'a ServiceName, BTreeMap<String, ReportedFigures>>;

/// Returns the figures of all versions of the services with a rollout, as JSON. `None`: there is none.
///
/// If the text is longer than a report may have, it is without latencies: failures are compared nevertheless.
pub(super) fn compose(publisher: &Publisher) -> Option<String> {
    let services = publisher.rolling().borrow().clone();
    if services.is_empty() {
        return None;
    }
    let mut figures = ByService::new();
    for service in services.iter() {
        if let Some(versions) = publisher.handle().reported_figures(service.as_str()) {
            let versions = versions.into_iter().map(|(id, figures)| (id.to_string(), figures));
            figures.insert(service, versions.collect());
        }
    }
    let text = serde_json::to_string(&figures).ok()?;
    if text.len() <= Report::MAX_FIGURES { Some(text) } else { without_latencies(figures) }
}

fn without_latencies(mut figures: ByService<'_>) -> Option<String> {
    figures.values_mut().flat_map(BTreeMap::values_mut).for_each(ReportedFigures::clear_latencies);
    serde_json::to_string(&figures).ok()
}
