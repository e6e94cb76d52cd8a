//! The start of a rollout.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::event::{Event, EventKind};
use super::known_split::KnownSplit;
use super::phase::Phase;
use super::refused::StartRefused;
use super::state::{RecordedEvents, Start, StartWeight, State};
use super::transition::{EvidenceUse, Transition};
use crate::rollout::format::Format;
use crate::rollout::plan::Plan;
use crate::routing::{Split, Version};

impl State {
    /// Starts a rollout by `plan` on `split`, at the time `at` by the clock of the store. Nothing changes yet: the first
    /// tick does that. See [`State`] for an example.
    ///
    /// # Errors
    ///
    /// [`StartRefused`] names the reason.
    pub fn start(
        plan: &Plan,
        split: &Split,
        at: SystemTime,
        actor: &str,
    ) -> Result<Transition, StartRefused> {
        let canary = find_canary(plan, split)?;
        Ok(Transition {
            expected_turn: 0,
            expected_generation: split.generation(),
            state: Self::initial(plan, split, at, canary),
            changes: Vec::new(),
            forced: false,
            interfered: false,
            events: vec![started(plan, split, actor)],
            evidence: EvidenceUse::Keep,
        })
    }

    /// Creates the state of a rollout that has entered no stage.
    fn initial(plan: &Plan, split: &Split, at: SystemTime, canary: &Version) -> Self {
        Self {
            format: Format,
            turn: 1,
            phase: Phase::Waiting,
            number: 0,
            held: Duration::ZERO,
            left: plan.start_deadline(),
            ticked_at: at,
            canary: canary.id,
            peak: canary.weight,
            start: Start::from_split(split),
            known_split: KnownSplit::from_split(split, canary.id),
            opened: BTreeSet::new(),
            accepted: false,
            mirrors: false,
            unmeasured: false,
            recorded: RecordedEvents::default(),
        }
    }
}

/// Creates the first event. It belongs to no stage, so its number is 0.
fn started(plan: &Plan, split: &Split, actor: &str) -> Event {
    let text =
        format!("from generation {} to {}, in {} steps", split.generation(), plan.version(), plan.stages());
    Event { kind: EventKind::Started, number: 0, actor: Some(actor.to_owned()), text }
}

/// Returns the canary of `plan`.
///
/// # Errors
///
/// [`StartRefused::UnknownVersion`]; [`StartRefused::NoStable`] if no other version has a weight;
/// [`StartRefused::Ahead`] if the weight of the canary is above the one of the first stage.
fn find_canary<'a>(plan: &Plan, split: &'a Split) -> Result<&'a Version, StartRefused> {
    let name = plan.version();
    let canary = split.version(name.as_str()).ok_or_else(|| StartRefused::UnknownVersion(name.clone()))?;
    if !split.versions().iter().any(|version| version.id != canary.id && !version.weight.is_zero()) {
        return Err(StartRefused::NoStable);
    }
    if plan.stage(1).is_some_and(|stage| canary.weight > stage.weight) {
        return Err(StartRefused::Ahead { version: name.clone(), weight: canary.weight });
    }
    Ok(canary)
}

impl Start {
    /// Records everything that an abort restores.
    fn from_split(split: &Split) -> Self {
        let versions = split.versions().iter();
        let weights = versions
            .map(|version| (version.name.clone(), StartWeight { id: version.id, weight: version.weight }))
            .collect();
        Self { generation: split.generation(), weights, mirror: split.mirror().cloned() }
    }
}
