//! The figures that this process reports while a service has a rollout.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::publisher::Publisher;
use crate::routing::ServiceName;
use crate::store::Report;
use crate::traffic::ReportedFigures;

/// The figures of the versions of a service, by their ids.
type ByVersion = BTreeMap<String, ReportedFigures>;

/// The figures of services, by their names.
type ByService = BTreeMap<ServiceName, ByVersion>;

/// Composes the figures of reports, and logs when they begin to be too long for a report, and when that is over.
#[derive(Debug, Default)]
pub(super) struct Composer {
    /// Whether the last report lacked figures.
    is_shortened: AtomicBool,
}

/// What a report has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOut {
    /// Services whose latencies are left out.
    latencies: usize,
    /// Services that are left out.
    services: usize,
}

impl Composer {
    /// Returns the figures of all versions of the services with a rollout, as JSON of at most [`Report::MAX_FIGURES`]
    /// bytes. `None`: no service has one.
    pub(super) fn compose(&self, publisher: &Publisher) -> Option<String> {
        let services = publisher.rolling().borrow().clone();
        if services.is_empty() {
            return None;
        }
        let (text, left_out) = write(figures(publisher, services.iter()), Report::MAX_FIGURES)?;
        self.log(left_out);
        Some(text)
    }

    /// Logs that figures are left out, and that they are complete again: once each, not with every report.
    fn log(&self, left_out: LeftOut) {
        let is_shortened = left_out != LeftOut::default();
        // Relaxed: exactly one report sees the change, and nothing else is read through it.
        if self.is_shortened.swap(is_shortened, Ordering::Relaxed) == is_shortened {
            return;
        }
        if is_shortened {
            left_out.log();
        } else {
            tracing::info!("the report has room for all figures again");
        }
    }
}

impl LeftOut {
    /// Warns with the numbers of services whose latencies, or all of whose figures, are left out.
    fn log(self) {
        let Self { latencies, services } = self;
        tracing::warn!(
            latencies,
            services,
            "the report has no room for all figures of services with a rollout"
        );
    }
}

/// Reads the figures of the services that are served here.
fn figures<'a>(publisher: &Publisher, services: impl Iterator<Item = &'a ServiceName>) -> ByService {
    let mut figures = ByService::new();
    for service in services {
        if let Some(versions) = publisher.handle().reported_figures(service.as_str()) {
            let versions = versions.into_iter().map(|(id, figures)| (id.to_string(), figures));
            figures.insert(service.clone(), versions.collect());
        }
    }
    figures
}

/// Writes the figures in at most `limit` bytes, and returns the numbers of services that lack figures. `None`: no JSON form.
fn write(mut figures: ByService, limit: usize) -> Option<(String, LeftOut)> {
    let whole = serde_json::to_string(&figures).ok()?;
    if whole.len() <= limit {
        return Some((whole, LeftOut::default()));
    }
    let left_out = shorten(&mut figures, limit);
    Some((serde_json::to_string(&figures).ok()?, left_out))
}

/// Leaves out what is longer than `limit`: the latencies of services, and services only if their counts alone are longer.
///
/// Services get room in the order of their names, which is the same at all gateways. So mostly the same ones keep what
/// they have, and their requests are compared over all gateways.
fn shorten(figures: &mut ByService, limit: usize) -> LeftOut {
    let mut room = limit.saturating_sub("{}".len());
    let before = figures.len();
    figures.retain(|service, versions| take_room(length(service, &without_latencies(versions)), &mut room));
    let mut left_out = LeftOut { latencies: 0, services: before - figures.len() };
    for (service, versions) in figures {
        let counts = without_latencies(versions);
        let more = length(service, versions) - length(service, &counts);
        if !take_room(more, &mut room) {
            *versions = counts;
            left_out.latencies += 1;
        }
    }
    left_out
}

/// Takes `length` from `room` and returns `true`, or returns `false` if there is not as much.
fn take_room(length: usize, room: &mut usize) -> bool {
    let rest = room.checked_sub(length);
    *room = rest.unwrap_or(*room);
    rest.is_some()
}

/// Returns the figures with counts alone.
fn without_latencies(versions: &ByVersion) -> ByVersion {
    let mut counts = versions.clone();
    counts.values_mut().for_each(ReportedFigures::clear_latencies);
    counts
}

/// Returns the length of a service in the report, with the comma after it.
fn length(service: &ServiceName, versions: &ByVersion) -> usize {
    json_length(service) + ":,".len() + json_length(versions)
}

/// Returns the length of the JSON of a value in bytes.
fn json_length(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::traffic::{Figures, Latencies, MirrorFigures};

    /// Returns latencies in each bucket from 4 µs on: about a million requests each.
    fn dense() -> Latencies {
        let times = (0..3_000).map(|i| Duration::from_secs_f64(4e-6 * 1.0065_f64.powi(i)));
        times.map(|time| (time, 120_000)).collect()
    }

    fn services(count: usize, latencies: &Latencies) -> ByService {
        let services = (0..count).map(|service| {
            let name = format!("service-{service:03}").parse().unwrap();
            let versions = (0..2).map(|version| {
                let users = Figures::new(400_000_000, 1_000_000).with_latencies(latencies.clone());
                let mirror = MirrorFigures { originals: users.clone(), ..MirrorFigures::default() };
                let id = format!("01890a5d-ac96-774b-bcce-{:012}", 2 * service + version);
                (id, ReportedFigures::new(users, mirror))
            });
            (name, versions.collect())
        });
        services.collect()
    }

    fn read(text: &str) -> ByService {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn hundred_dense_rollouts_fit() {
        let latencies = dense();
        assert!(latencies.iter().count() > 380);
        let figures = services(100, &latencies);
        let (text, left_out) = write(figures.clone(), Report::MAX_FIGURES).unwrap();
        assert_eq!((read(&text), left_out), (figures, LeftOut::default()));
    }

    #[test]
    fn later_services_lose_latencies() {
        let figures = services(200, &dense());
        let (text, left_out) = write(figures.clone(), Report::MAX_FIGURES).unwrap();
        assert!(
            text.len() <= Report::MAX_FIGURES && text.len() > Report::MAX_FIGURES * 99 / 100,
            "{}",
            text.len()
        );
        let kept = 200 - left_out.latencies;
        assert!(left_out.services == 0 && kept > 100 && kept < 200, "{left_out:?}");
        for (place, (service, versions)) in read(&text).iter().enumerate() {
            let expected =
                if place < kept { figures[service].clone() } else { without_latencies(&figures[service]) };
            assert_eq!(*versions, expected, "{service}");
        }
    }

    proptest! {
        #[test]
        fn no_report_is_longer(count in 1..12_usize, limit in 0..30_000_usize) {
            let figures = services(count, &dense());
            let (text, left_out) = write(figures.clone(), limit).unwrap();
            let is_within = text.len() <= limit.max("{}".len());
            prop_assert!(is_within, "{} of {}", text.len(), limit);
            let read = read(&text);
            prop_assert_eq!(read.len() + left_out.services, count);
            let counts = read.iter().filter(|(service, versions)| **versions != figures[*service]);
            prop_assert_eq!(counts.count(), left_out.latencies);
            // Nothing is left out that there is room for.
            let room = limit.saturating_sub(text.len());
            prop_assert!(left_out.services == 0 || room < 600, "{} of {}", room, limit);
        }
    }
}
