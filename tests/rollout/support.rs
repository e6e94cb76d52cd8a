//! A rollout as a driver would run it, without a store.

use std::time::{Duration, SystemTime};

use tower_canary::VersionName;
use tower_canary::rollout::{
    EventKind, Evidence, GateAnswer, Input, Order, Outcome, Phase, Plan, Refused, State, Tick, Transition,
    Verb,
};
use tower_canary::routing::{Change, Split};

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn name(version: &str) -> VersionName {
    version.parse().unwrap()
}

pub(crate) fn plan(json: &str) -> Plan {
    json.parse().unwrap()
}

/// Returns a split of `v1.0` at 100 and `v1.1` at 0.
pub(crate) fn two_versions() -> Split {
    let split = Split::new("auth".parse().unwrap(), 7);
    let split = register(&split, "v1.0");
    register(&split, "v1.1")
}

pub(crate) fn register(split: &Split, version: &str) -> Split {
    let backend = format!("http://{version}.internal:8080").parse().unwrap();
    split.apply(&Change::register(name(version), backend), at(0)).unwrap()
}

/// A rollout of `v1.1` with its split.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    pub(crate) plan: Plan,
    pub(crate) state: State,
    pub(crate) split: Split,
    pub(crate) evidence: Evidence,
    pub(crate) now: SystemTime,
    pub(crate) pins: bool,
    pub(crate) events: Vec<EventKind>,
}

impl Rollout {
    pub(crate) fn start(json: &str) -> Self {
        Self::start_on(json, two_versions())
    }

    pub(crate) fn start_on(json: &str, split: Split) -> Self {
        let plan = plan(json);
        let now = at(1_000_000);
        let state = State::start(&plan, &split, now, "alice").unwrap().state;
        Self { plan, state, split, evidence: Evidence::default(), now, pins: false, events: Vec::new() }
    }

    /// Starts a rollout and lets its first step begin.
    pub(crate) fn entered(json: &str) -> Self {
        let mut rollout = Self::start(json);
        rollout.tick(Tick::passing());
        assert_eq!((rollout.phase(), rollout.state.number()), ("holding", 1));
        rollout
    }

    /// Starts a rollout and brings it into `phase` of its second stage, or of the way back.
    pub(crate) fn in_phase(phase: &str) -> Self {
        let json = r#"{"version": "v1.1", "steps": [10, 20, 50], "hold": "10s", "startGates": ["approval"],
                       "back": {"steps": [5], "hold": "1m"}, "guard": {"whenFailed": "return"}}"#;
        let mut rollout = Self::start(json);
        if phase == "waiting" {
            return rollout;
        }
        rollout.order(Verb::Approve { number: 0 }).unwrap();
        rollout.tick(Tick::passing());
        rollout.order(Verb::Advance { number: 1 }).unwrap();
        match phase {
            "holding" => {}
            "gated" => rollout.tick(Tick::passing()),
            "paused" => rollout.order(Verb::Pause).unwrap(),
            "returning" => rollout.tick(failing()),
            "over" => rollout.order(Verb::Abort { force: false }).unwrap(),
            other => panic!("{other}"),
        }
        assert_eq!(rollout.phase(), phase);
        rollout
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.state.phase().as_str()
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.state.phase().outcome()
    }

    /// Returns the weight of `v1.1` in percent, or `None` if it is gone.
    pub(crate) fn weight(&self) -> Option<f64> {
        self.split.version("v1.1").map(|version| version.weight.percent())
    }

    /// Returns the word of the reason of the pause.
    pub(crate) fn pause_reason(&self) -> Option<&'static str> {
        match self.state.phase() {
            Phase::Paused { why, .. } => Some(why.as_str()),
            _ => None,
        }
    }

    /// Lets ten seconds pass.
    pub(crate) fn tick(&mut self, tick: Tick) {
        self.tick_after(Duration::from_secs(10), tick);
    }

    pub(crate) fn tick_after(&mut self, time: Duration, tick: Tick) {
        self.now += time;
        let input = Input::tick(self.now, tick).with_pins(self.pins);
        let transition = self.state.step(&self.plan, &self.split, &input).unwrap();
        self.write(transition);
    }

    /// Ticks until the phase is no longer the present one. Panics after 10,000 ticks.
    pub(crate) fn tick_out(&mut self, tick: &Tick) {
        let phase = self.phase();
        for _ in 0..10_000 {
            self.tick(tick.clone());
            if self.phase() != phase {
                return;
            }
        }
        panic!("it stays {phase}");
    }

    pub(crate) fn order(&mut self, verb: Verb) -> Result<(), Refused> {
        let input = Input::order(self.now, Order::new(verb, "bob")).with_pins(self.pins);
        let transition = self.state.step(&self.plan, &self.split, &input)?;
        self.write(transition);
        Ok(())
    }

    /// Writes a transition as a store does: all of it, if neither the state nor the split has changed.
    pub(crate) fn write(&mut self, transition: Transition) {
        assert_eq!(transition.expected_turn, self.state.turn());
        assert_eq!(transition.expected_generation, self.split.generation());
        for change in &transition.changes {
            let after = self.split.apply(change, self.now).unwrap();
            assert_ne!(after.generation(), self.split.generation(), "{change} changes nothing");
            self.split = after;
        }
        assert_eq!(transition.state.turn(), self.state.turn() + 1);
        assert_eq!(transition.state.generation(), self.split.generation());
        transition.evidence.apply(&mut self.evidence);
        self.events.extend(transition.events.iter().map(|event| event.kind));
        self.state = transition.state;
    }

    /// Lets somebody else change the split.
    pub(crate) fn changed_by_hand(&mut self, change: &Change) {
        self.split = self.split.apply(change, self.now).unwrap();
    }

    pub(crate) fn count(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|event| **event == kind).count()
    }
}

pub(crate) fn failing() -> Tick {
    let mut tick = Tick::passing();
    tick.verdict = crate::verdicts::convicted();
    tick
}

pub(crate) fn answering(gate: &str, answer: GateAnswer) -> Tick {
    let mut tick = Tick::passing();
    tick.answers.push((gate.parse().unwrap(), answer));
    tick
}
