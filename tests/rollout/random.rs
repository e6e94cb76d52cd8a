//! The machine under random inputs: more than 100,000 of them in the long form.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tower_canary::VersionName;
use tower_canary::rollout::{
    EventKind, GateAnswer, Input, Lack, Order, Outcome, Phase, Refused, State, Tick, Transition, Verb,
    Verdict,
};
use tower_canary::routing::{Change, Split, Weight};

use crate::support::*;
use crate::verdicts::convicted;

const PLANS: [&str; 7] = [
    r#"{"version": "v1.1", "steps": [10, 25, 60], "hold": "20s", "back": {"steps": [40, 15], "hold": "20s"}}"#,
    r#"{"version": "v1.1", "form": "blue-green", "bake": {"hold": "20s"}, "startGates": ["approval"]}"#,
    r#"{"version": "v1.1", "steps": [{"weight": 5, "gates": ["approval", "smoke"]}, 50], "hold": "10s", "then": "return"}"#,
    r#"{"version": "v1.1", "steps": [{"weight": 0, "mirror": 50}, 30], "hold": "10s", "then": "stay",
        "guard": {"whenFailed": "tell", "whenInconclusive": "advance"}}"#,
    r#"{"version": "v1.1", "steps": [20, 40], "hold": "10s", "deadline": "15m", "windows": ["mon,wed 06:00-18:00 Z"],
        "guard": {"whenFailed": "pause", "whenInconclusive": "return"}}"#,
    r#"{"version": "v1.1", "steps": [1, 99], "hold": "0s", "bake": {"hold": "0s", "keep": 1}}"#,
    r#"{"version": "v1.1", "steps": [10, 50], "hold": "10s", "back": {"steps": [25, 5], "hold": "10s"}}"#,
];

/// One input, or a change of somebody else.
#[derive(Clone, Debug)]
enum Move {
    Tick(i64, Tick),
    Order(i64, Verb),
    Change(Change),
}

fn any_tick() -> impl Strategy<Value = Tick> {
    let verdict = prop_oneof![
        6 => Just(Verdict::Pass { unguarded: false }),
        2 => Just(Verdict::Open(Lack::NoCanaryTraffic)),
        1 => Just(convicted()),
    ];
    let answer = prop_oneof![
        8 => Just(None),
        2 => Just(Some(GateAnswer::Open)),
        1 => Just(Some(GateAnswer::NotYet)),
        1 => Just(Some(GateAnswer::Fail("no".into()))),
    ];
    let flags = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.9),
        prop::option::of(any::<bool>()),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
    );
    (verdict, answer, flags).prop_map(|(verdict, answer, flags)| {
        let (converged, calm, target_usable, unusable, unmeasured) = flags;
        let mut tick = Tick::passing();
        tick.verdict = verdict;
        tick.converged = converged;
        tick.calm = calm;
        tick.target_usable = target_usable;
        tick.canary_unusable = unusable.then(|| "503".to_owned());
        tick.unmeasured.extend(unmeasured.then(|| "gateway-1".to_owned()));
        tick.answers.extend(answer.map(|answer| ("smoke".parse().unwrap(), answer)));
        tick
    })
}

fn any_verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        3 => (0usize..5).prop_map(|number| Verb::Approve { number }),
        3 => (0usize..5).prop_map(|number| Verb::Advance { number }),
        2 => Just(Verb::Pause),
        4 => Just(Verb::Resume),
        1 => Just(Verb::Promote),
        1 => any::<bool>().prop_map(|force| Verb::Abort { force }),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let version = prop::sample::select(vec!["v0.9", "v1.0", "v1.1", "v2.0"]).prop_map(name);
    let weight = (0u16..=10_000).prop_map(|hundredths| Weight::from_hundredths(hundredths).unwrap());
    prop_oneof![
        3 => (version.clone(), weight).prop_map(|(version, weight)| Change::set_weight(version, weight)),
        1 => version.clone().prop_map(Change::switch),
        1 => version.clone().prop_map(Change::activate),
        1 => version.clone().prop_map(Change::deactivate),
        1 => version.clone().prop_map(Change::remove),
        1 => (version.clone(), 1u16..4).prop_map(|(version, host)| {
            Change::set_url(version, format!("http://10.0.0.{host}").parse().unwrap())
        }),
        1 => version.prop_map(|version| Change::register(version, "http://10.0.0.7".parse().unwrap())),
        1 => Just(Change::Redraw),
    ]
}

/// Mostly ticks of about ten seconds, and clocks that jump.
fn any_move() -> impl Strategy<Value = Move> {
    let time = prop_oneof![8 => 0i64..12_000, 1 => -4_000_000i64..4_000_000, 1 => Just(86_400_000)];
    prop_oneof![
        40 => (time.clone(), any_tick()).prop_map(|(time, tick)| Move::Tick(time, tick)),
        5 => (time, any_verb()).prop_map(|(time, verb)| Move::Order(time, verb)),
        1 => any_change().prop_map(Move::Change),
    ]
}

/// A rollout whose inputs are checked against the promises of the machine.
struct Checked {
    rollout: Rollout,
    /// Weights at the start, by name.
    start: BTreeMap<VersionName, Weight>,
    /// The stages that have begun.
    begun: Vec<usize>,
    /// The weights of the canary so far, each with the epoch of the pins at that time.
    pinned: Vec<(Weight, u64)>,
}

impl Checked {
    /// Starts a rollout. The canary has traffic already if it `has_share`: 5 percent, or less if the first step gives
    /// it less.
    fn new(json: &str, pins: bool, has_share: bool) -> Self {
        let mut split = register(&two_versions(), "v0.9");
        if has_share {
            let share = plan(json).stage(1).unwrap().weight.min(Weight::from_percent(5));
            split = split.apply(&Change::set_weight(name("v1.1"), share), at(0)).unwrap();
        }
        let mut rollout = Rollout::start_on(json, split);
        rollout.pins = pins;
        Self { start: weights(&rollout.split), rollout, begun: Vec::new(), pinned: Vec::new() }
    }

    fn make(&mut self, step: Move) {
        match step {
            Move::Change(change) => {
                if let Ok(after) = self.rollout.split.apply(&change, self.rollout.now) {
                    self.rollout.split = after;
                }
            }
            Move::Tick(millis, tick) => {
                self.pass(millis);
                let input = Input::tick(self.rollout.now, tick).with_pins(self.rollout.pins);
                self.input(&input).unwrap();
            }
            Move::Order(millis, verb) => {
                self.pass(millis);
                let input =
                    Input::order(self.rollout.now, Order::new(verb, "bob")).with_pins(self.rollout.pins);
                let _ = self.input(&input);
            }
        }
    }

    fn pass(&mut self, millis: i64) {
        let time = Duration::from_millis(millis.unsigned_abs());
        let now = self.rollout.now;
        self.rollout.now = if millis < 0 { now.checked_sub(time).unwrap_or(now) } else { now + time };
    }

    fn input(&mut self, input: &Input) -> Result<(), Refused> {
        let Rollout { plan, state, split, .. } = &self.rollout;
        let transition = state.step(plan, split, input)?;
        self.check(&transition);
        let taken_over = self.rollout.state.turn();
        assert_eq!(transition.expected_turn, taken_over);
        let is_back = transition.events.iter().any(|event| event.text == "the weights of the start are back");
        self.record_pins();
        self.rollout.write(transition);
        self.record_pins();
        self.check_weight();
        if is_back && self.rollout.pins {
            self.check_pins();
        }
        Ok(())
    }

    /// The weight rises only to the weight of the stage that is present afterwards, or to 100 at the end.
    fn check(&mut self, transition: &Transition) {
        let mut after = self.rollout.split.clone();
        for change in &transition.changes {
            after = after.apply(change, self.rollout.now).unwrap();
        }
        let number = transition.state.number();
        assert!(number >= self.rollout.state.number(), "stages never go back");
        let entered =
            transition.events.iter().filter(|event| event.kind == EventKind::Step).map(|event| event.number);
        for number in entered {
            assert!(!self.begun.contains(&number), "stage {number} begins twice");
            self.begun.push(number);
        }
        let before = weight_of_canary(&self.rollout.split);
        let after = weight_of_canary(&after);
        if after > before {
            let by_plan = self.rollout.plan.stage(number).map(|stage| stage.weight);
            let is_end = transition.state.phase().outcome() == Some(Outcome::Completed);
            assert!(
                after == by_plan
                    || (is_end && after == Some(Weight::FULL))
                    || self.is_return_to_start(transition, after)
            );
        }
    }

    /// Going back can raise a weight only to the one of the start, after somebody else had lowered it.
    fn is_return_to_start(&self, transition: &Transition, after: Option<Weight>) -> bool {
        let is_back = matches!(
            transition.state.phase().outcome(),
            Some(Outcome::Aborted | Outcome::RolledBack | Outcome::Returned)
        );
        is_back && after == self.start.get(&name("v1.1")).copied()
    }

    fn record_pins(&mut self) {
        let weight = weight_of_canary(&self.rollout.split).unwrap_or_default();
        self.pinned.push((weight, self.rollout.split.pin_epoch()));
    }

    /// Going back ends the pins of users who came to the canary while it had more weight.
    fn check_pins(&self) {
        let (weight, epoch) = *self.pinned.last().unwrap();
        for (earlier, pinned_in) in &self.pinned {
            assert!(*earlier <= weight || *pinned_in < epoch, "users stay pinned since {earlier} %");
        }
    }

    /// While the machine decides alone, the weight is never above the one of the stage.
    fn check_weight(&self) {
        let Rollout { plan, state, split, .. } = &self.rollout;
        if !matches!(state.phase(), Phase::Holding | Phase::Gated) {
            return;
        }
        let by_plan = plan.stage(state.number()).unwrap().weight;
        assert!(weight_of_canary(split).is_some_and(|weight| weight <= by_plan));
    }

    /// Aborts from here, with probes that succeed.
    fn abort(mut self) {
        if self.rollout.state.is_over() {
            let again = Input::order(self.rollout.now, Order::new(Verb::Abort { force: true }, "bob"));
            let Rollout { plan, state, split, .. } = &self.rollout;
            assert_eq!(state.step(plan, split, &again), Err(Refused::Over));
            return;
        }
        self.make(Move::Order(0, Verb::Abort { force: false }));
        if !self.rollout.state.is_over() {
            let mut usable = Tick::passing();
            usable.target_usable = Some(true);
            self.make(Move::Tick(5_000, usable));
        }
        let after = weights(&self.rollout.split);
        match self.rollout.outcome() {
            // Somebody else took the traffic of the canary, or gave it all traffic, just before.
            Some(Outcome::Completed) => assert_eq!(after.get(&name("v1.1")), Some(&Weight::FULL)),
            Some(_) => {
                let start: Vec<_> = self.start.iter().filter(|(_, weight)| !weight.is_zero()).collect();
                let is_back = start.iter().all(|(version, weight)| after.get(*version) == Some(*weight));
                let canary = after.get(&name("v1.1")).copied().unwrap_or_default();
                assert!(is_back || canary.is_zero() || self.is_replaced(), "{after:?}");
            }
            // Nothing else can have traffic: several others at 0, or none at all.
            None => assert_eq!(self.rollout.count(EventKind::Stuck).min(1), 1),
        }
    }

    /// Returns whether a version of the canary's name is another one.
    fn is_replaced(&self) -> bool {
        self.rollout.split.version("v1.1").is_some_and(|version| version.id != self.rollout.state.canary())
    }
}

fn weights(split: &Split) -> BTreeMap<VersionName, Weight> {
    split.versions().iter().map(|version| (version.name.clone(), version.weight)).collect()
}

fn weight_of_canary(split: &Split) -> Option<Weight> {
    split.version("v1.1").map(|version| version.weight)
}

/// What random inputs have reached.
#[derive(Debug, Default)]
struct Reached {
    inputs: usize,
    phases: BTreeSet<&'static str>,
    outcomes: BTreeSet<&'static str>,
}

impl Reached {
    /// Makes `moves` until the rollout is over, and aborts it then if it is not.
    fn check(&mut self, json: &str, (pins, has_share): (bool, bool), moves: Vec<Move>) {
        let mut checked = Checked::new(json, pins, has_share);
        for step in moves {
            let stored = serde_json::to_string(&checked.rollout.state).unwrap();
            assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), checked.rollout.state);
            self.phases.insert(checked.rollout.phase());
            if let Some(outcome) = checked.rollout.outcome() {
                self.outcomes.insert(outcome.as_str());
                break;
            }
            self.inputs += 1;
            checked.make(step);
        }
        checked.abort();
    }
}

/// A plan, whether a layer pins users and the canary has traffic at the start, and what happens.
fn moves() -> impl Strategy<Value = (usize, (bool, bool), Vec<Move>)> {
    (0..PLANS.len(), any::<(bool, bool)>(), prop::collection::vec(any_move(), 1..120))
}

/// Checks `cases` rollouts, and returns what they have reached.
fn check(cases: u32) -> Reached {
    let reached = RefCell::new(Reached::default());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let outcome = TestRunner::new(config).run(&moves(), |(plan, flags, moves)| {
        reached.borrow_mut().check(PLANS[plan], flags, moves);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    reached.into_inner()
}

#[test]
fn machine_keeps_its_promises() {
    check(256);
}

#[test]
#[ignore = "a campaign"]
fn machine_keeps_its_promises_for_long() {
    let reached = check(12_000);
    println!("{reached:?}");
    assert!(reached.inputs >= 100_000);
    assert_eq!(reached.phases.len(), 6);
    assert_eq!(reached.outcomes.len(), 4);
}
