//! The plan of a rollout.

use std::time::{Duration, SystemTime};

use super::end::{Form, Then};
use super::gate::GateName;
use super::guard_policy::GuardPolicy;
use super::step::{Back, Bake, Stage, Step};
use super::time_window::TimeWindow;
use crate::routing::{VersionName, Weight};

/// The hold of each step unless the plan names one.
pub(super) const HOLD: Duration = Duration::from_mins(5);
/// The hold of the bake unless the plan names one.
pub(super) const BAKE_HOLD: Duration = Duration::from_mins(10);
/// The weight that the other versions keep in the bake, unless the plan says otherwise or the last step leaves them
/// less.
pub(super) const KEEP: Weight = Weight::from_percent(5);
/// The hold of each step back unless the plan names one.
pub(super) const BACK_HOLD: Duration = Duration::from_secs(30);
/// The shortest default of a deadline.
const SHORTEST_DEADLINE: Duration = Duration::from_hours(1);

/// The plan of a rollout: which version gets how much traffic, for how long, and under which conditions.
///
/// Every field but `version` has a default, so `{"version": "v1.1"}` is a whole plan:
///
/// | field | meaning | default |
/// | --- | --- | --- |
/// | `version` | the canary | |
/// | `form` | `canary`, or `blue-green`: no steps, 100 percent at once | `canary` |
/// | `steps` | 1 to 20 rising weights, above 0 and below 100: a number, or an object, see below | `[5, 10, 25, 50]` |
/// | `hold` | the time that must be watched at each step | `5m` |
/// | `bake` | `{"hold", "keep", "gates"}`: the last watch, with the weight that the others keep | 10 minutes; 5 percent, or what the last step leaves them if that is less; `blue-green`: 0 |
/// | `then` | `promote`, `return` (an experiment) or `stay`; the last two have no bake | `promote` |
/// | `startGates` | the gates that must be open before the first step | none |
/// | `windows` | the [windows of time](TimeWindow) in which the next step may begin. Going back needs none | always |
/// | `back` | `{"steps", "hold"}`: falling weights of the canary on the way back, and the time between them | at once |
/// | `deadline` | the time by which a step, and the gates before the first one, must have passed; it stands still at times: see [`State`](crate::rollout::State#time) | ten times the hold, at least `1h` |
/// | `guard` | see below, and [`GuardPolicy`] | |
///
/// A step is a weight, or an object with `weight`, `hold`, `deadline`, `gates` and, in a first step at weight 0, `mirror`. A
/// duration is a whole number with its unit: `500ms`, `30s`, `5m`, `2h`, `1d`.
///
/// | field of `guard` | meaning | default |
/// | --- | --- | --- |
/// | `errors` | `{"worseBy", "timesWorse", "limit"}`, in percentage points and percent, or `null` | 0.1, 1, none |
/// | `latency` | `{"timesWorse", "atLeast", "limit"}`, or `null` | 1.3, `5ms`, none |
/// | `falseRollbacks` | the largest chance that a good canary is taken back | 0.001 |
/// | `leastRequests`, `leastWindows` | what a step needs to pass | 200, 12 |
/// | `calm` | the failures of the others in percent above which the next step waits | 5 |
/// | `whenFailed` | `return`, `pause` or `tell` | `return` |
/// | `whenInconclusive` | `pause`, `advance` or `return` | `pause` |
///
/// Unknown fields are refused. Reading refuses a plan that could not be followed, and names the place:
///
/// ```
/// use tower_canary::rollout::{Form, Plan, Then};
///
/// let plan: Plan = r#"{"version": "v1.1"}"#.parse()?;
/// assert_eq!(plan, Plan::new("v1.1".parse()?));
/// assert_eq!((plan.form(), plan.then(), plan.stages()), (Form::Canary, Then::Promote, 5));
///
/// let typo = r#"{"version": "v1.1", "guard": {"errors": {"worse": 1}}}"#.parse::<Plan>();
/// assert_eq!(typo.unwrap_err().pointer(), "/guard/errors/worse");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is serialized with all its fields, so a later release with other defaults reads the same plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) version: VersionName,
    pub(super) form: Form,
    pub(super) steps: Vec<Step>,
    pub(super) hold: Duration,
    pub(super) bake: Option<Bake>,
    pub(super) then: Then,
    pub(super) start_gates: Vec<GateName>,
    pub(super) windows: Vec<TimeWindow>,
    pub(super) back: Back,
    pub(super) deadline: Option<Duration>,
    pub(super) guard: GuardPolicy,
}

impl Plan {
    /// Creates the default plan for `version`.
    #[must_use]
    pub fn new(version: VersionName) -> Self {
        let weights = [5, 10, 25, 50].map(Weight::from_percent);
        Self {
            version,
            form: Form::Canary,
            steps: weights.map(Step::new).into(),
            hold: HOLD,
            bake: Some(Bake { hold: BAKE_HOLD, keep: KEEP, gates: Vec::new() }),
            then: Then::Promote,
            start_gates: Vec::new(),
            windows: Vec::new(),
            back: Back { steps: Vec::new(), hold: BACK_HOLD },
            deadline: None,
            guard: GuardPolicy::default(),
        }
    }

    /// Returns the name of the canary.
    #[must_use]
    pub const fn version(&self) -> &VersionName {
        &self.version
    }

    /// Returns the form.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Returns what follows the last stage.
    #[must_use]
    pub const fn then(&self) -> Then {
        self.then
    }

    /// Returns the steps as the plan names them. Empty for blue-green.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the bake, unless the plan ends without one.
    #[must_use]
    pub const fn bake(&self) -> Option<&Bake> {
        self.bake.as_ref()
    }

    /// Returns the way back.
    #[must_use]
    pub const fn back(&self) -> &Back {
        &self.back
    }

    /// Returns the gates that must be open before the first stage.
    #[must_use]
    pub fn start_gates(&self) -> &[GateName] {
        &self.start_gates
    }

    /// Returns the windows of time in which a stage may begin. Empty: always.
    #[must_use]
    pub fn windows(&self) -> &[TimeWindow] {
        &self.windows
    }

    /// Returns whether a stage may begin at `at`: a window of time is open then, or the plan has none.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use tower_canary::rollout::Plan;
    ///
    /// let plan: Plan = r#"{"version": "v1.1", "windows": ["thu 08:00-16:00 Z"]}"#.parse()?;
    /// assert!(!plan.is_window_open(UNIX_EPOCH)); // Thursday, 00:00
    /// assert!(plan.is_window_open(UNIX_EPOCH + Duration::from_hours(9)));
    /// # Ok::<(), tower_canary::rollout::InvalidPlan>(())
    /// ```
    #[must_use]
    pub fn is_window_open(&self, at: SystemTime) -> bool {
        self.windows.is_empty() || self.windows.iter().any(|window| window.contains(at))
    }

    /// Returns the policy of the guard.
    #[must_use]
    pub const fn guard(&self) -> &GuardPolicy {
        &self.guard
    }

    /// Returns the number of stages: the steps and the bake.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.steps.len() + usize::from(self.bake.is_some())
    }

    /// Returns the stage with this number, 1 to [`stages`](Self::stages). See [`Stage`] for an example.
    #[must_use]
    pub fn stage(&self, number: usize) -> Option<Stage<'_>> {
        let step = self.steps.get(number.checked_sub(1)?);
        step.map(|step| self.step_stage(step))
            .or_else(|| self.bake_stage().filter(|_| number == self.stages()))
    }

    /// Returns all gates of the plan, each with its place as a JSON pointer. An application refuses a plan whose gates it does
    /// not have.
    ///
    /// ```
    /// use tower_canary::rollout::Plan;
    ///
    /// let plan: Plan = r#"{"version": "v1.1", "steps": [{"weight": 5, "gates": ["approval", "smoke"]}]}"#.parse()?;
    /// let gates: Vec<_> = plan.gates().map(|(pointer, gate)| format!("{pointer} {gate}")).collect();
    /// assert_eq!(gates, ["/steps/0/gates/0 approval", "/steps/0/gates/1 smoke"]);
    /// # Ok::<(), tower_canary::rollout::InvalidPlan>(())
    /// ```
    pub fn gates(&self) -> impl Iterator<Item = (String, &GateName)> {
        let steps = self.steps.iter().enumerate().map(|(i, step)| (format!("/steps/{i}/gates"), &step.gates));
        let bake = self.bake.iter().map(|bake| ("/bake/gates".to_owned(), &bake.gates));
        let lists = std::iter::once(("/startGates".to_owned(), &self.start_gates)).chain(steps).chain(bake);
        lists.flat_map(|(list, gates)| {
            gates.iter().enumerate().map(move |(i, gate)| (format!("{list}/{i}"), gate))
        })
    }

    /// Returns the shortest and the longest time that the stages can take without a person, windows of time and gates
    /// aside: the sum of all holds, each at least the `leastWindows` of the guard, and the sum of all deadlines.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::rollout::Plan;
    ///
    /// let (shortest, longest) = Plan::new("v1.1".parse()?).durations();
    /// assert_eq!(shortest, Duration::from_secs(30 * 60));
    /// assert_eq!(longest, Duration::from_secs((4 * 60 + 100) * 60));
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub fn durations(&self) -> (Duration, Duration) {
        let windows = u32::try_from(self.guard.least_windows).unwrap_or(u32::MAX);
        let least = Duration::from_secs(10).saturating_mul(windows);
        let mut shortest = Duration::ZERO;
        let mut longest = Duration::ZERO;
        for stage in (1..=self.stages()).filter_map(|number| self.stage(number)) {
            shortest = shortest.saturating_add(stage.hold.max(least));
            longest = longest.saturating_add(stage.deadline);
        }
        (shortest, longest)
    }

    /// Returns the time by which the first stage must have begun: the deadline of the plan, or ten times the hold of
    /// this stage and at least an hour.
    pub(crate) fn start_deadline(&self) -> Duration {
        self.deadline_of(None, self.stage(1).map_or(self.hold, |stage| stage.hold))
    }

    /// Returns the stage of a step, with the defaults of the plan for what the step leaves out.
    fn step_stage<'a>(&self, step: &'a Step) -> Stage<'a> {
        let hold = step.hold.unwrap_or(self.hold);
        Stage {
            weight: step.weight,
            hold,
            deadline: self.deadline_of(step.deadline, hold),
            gates: &step.gates,
            mirror: step.mirror.unwrap_or_default(),
            is_bake: false,
        }
    }

    /// Returns the bake as a stage: the canary has all but the part that the stable versions keep.
    fn bake_stage(&self) -> Option<Stage<'_>> {
        let bake = self.bake.as_ref()?;
        Some(Stage {
            weight: rest(bake.keep),
            hold: bake.hold,
            deadline: self.deadline_of(None, bake.hold),
            gates: &bake.gates,
            mirror: Weight::ZERO,
            is_bake: true,
        })
    }

    /// Returns the deadline of a stage: its own, the plan's, or ten times its hold and at least
    /// [`SHORTEST_DEADLINE`].
    fn deadline_of(&self, own: Option<Duration>, hold: Duration) -> Duration {
        own.or(self.deadline).unwrap_or_else(|| SHORTEST_DEADLINE.max(hold.saturating_mul(10)))
    }
}

/// Returns the weight of the canary while the others keep `keep`.
pub(super) fn rest(keep: Weight) -> Weight {
    Weight::from_hundredths(Weight::FULL.hundredths().saturating_sub(keep.hundredths())).unwrap_or_default()
}
