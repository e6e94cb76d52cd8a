//! Reads a plan from JSON.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::end::{Form, Then};
use super::gate::GateName;
use super::invalid::InvalidPlan;
use super::node::{Fields, Node};
use super::plan::{BACK_HOLD, BAKE_HOLD, HOLD, KEEP, Plan, rest};
use super::read_policy::read_policy;
use super::step::{Back, Bake, Step};
use crate::routing::Weight;

/// The fields of a plan. Another one is refused by name, with this list.
const FIELDS: [&str; 11] = [
    "version",
    "form",
    "steps",
    "hold",
    "bake",
    "then",
    "startGates",
    "windows",
    "back",
    "deadline",
    "guard",
];
/// The most steps of a plan, and of its way back.
const MAX_STEPS: usize = 20;
/// The most gates of one stage.
const MAX_GATES: usize = 10;
/// The most windows of time.
const MAX_WINDOWS: usize = 20;

impl FromStr for Plan {
    type Err = InvalidPlan;

    /// Reads JSON. A field that is given twice counts once, as its last value: a reader of requests refuses it before.
    fn from_str(json: &str) -> Result<Self, InvalidPlan> {
        let value: Value = serde_json::from_str(json).map_err(|error| InvalidPlan::new("", error))?;
        Self::try_from(&value)
    }
}

impl TryFrom<&Value> for Plan {
    type Error = InvalidPlan;

    fn try_from(value: &Value) -> Result<Self, InvalidPlan> {
        let fields = Node::root(value).fields(&FIELDS)?;
        let version = fields.get("version").ok_or_else(|| InvalidPlan::new("/version", "name the canary"))?;
        let mut plan = Self::new(version.parse()?);
        plan.form = fields.read("form", |node| node.word(Form::ALL, Form::as_str))?.unwrap_or_default();
        plan.then = fields.read("then", |node| node.word(Then::ALL, Then::as_str))?.unwrap_or_default();
        plan.hold = fields.read("hold", Node::duration)?.unwrap_or(HOLD);
        plan.deadline = fields.read("deadline", Node::duration)?;
        plan.read_steps(&fields)?;
        plan.read_bake(&fields)?;
        plan.start_gates = fields.read("startGates", read_gates)?.unwrap_or_default();
        plan.windows = fields.read("windows", |node| node.parse_list(MAX_WINDOWS))?.unwrap_or_default();
        plan.back = fields.read("back", read_back)?.unwrap_or(plan.back);
        plan.guard = fields.read("guard", read_policy)?.unwrap_or_default();
        Ok(plan)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::try_from(&value).map_err(serde::de::Error::custom)
    }
}

impl Plan {
    /// Reads the steps. A blue-green plan has no steps, and is refused with some. Each deadline is checked here, also
    /// the one of the plan for a step that names no deadline.
    fn read_steps(&mut self, fields: &Fields<'_>) -> Result<(), InvalidPlan> {
        if self.form == Form::BlueGreen {
            self.steps.clear();
            return fields.forbid("steps", "blue-green has no steps: leave them out");
        }
        if let Some(node) = fields.get("steps") {
            self.steps = read_list_of_steps(&node)?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            let place = format!("{}/{i}", fields.place("steps"));
            let hold = step.hold.unwrap_or(self.hold);
            check_deadline(&place, hold, step.deadline.or(self.deadline))?;
        }
        Ok(())
    }

    /// Reads the bake, which a promotion and every blue-green plan have. Any other plan is refused with one, and so
    /// is a bake in which the others would keep more than in the last step.
    fn read_bake(&mut self, fields: &Fields<'_>) -> Result<(), InvalidPlan> {
        let is_blue_green = self.form == Form::BlueGreen;
        if is_blue_green && self.then == Then::Stay {
            return Err(InvalidPlan::new(
                fields.place("then"),
                "blue-green ends at 100: use promote or return",
            ));
        }
        if !is_blue_green && self.then != Then::Promote {
            self.bake = None;
            return fields
                .forbid("bake", "only a promotion has a bake: leave it out, or lengthen the last hold");
        }
        let last = self.steps.last().map_or(Weight::ZERO, |step| step.weight);
        let keep = if is_blue_green { Weight::ZERO } else { KEEP.min(rest(last)) };
        let default = Bake { hold: BAKE_HOLD, keep, gates: Vec::new() };
        let bake = fields.read("bake", |node| read_bake(node, default.clone()))?.unwrap_or(default);
        let place = fields.place("bake");
        if is_blue_green && !bake.keep.is_zero() {
            return Err(InvalidPlan::new(format!("{place}/keep"), "blue-green keeps 0: leave it out"));
        }
        if rest(bake.keep) < last {
            let reason = format_args!("give at most {}, what the last step leaves the others", rest(last));
            return Err(InvalidPlan::new(format!("{place}/keep"), reason));
        }
        check_deadline(&place, bake.hold, self.deadline)?;
        self.bake = Some(bake);
        Ok(())
    }
}

/// Refuses a deadline before the end of the hold, which no step could meet. `None`: the default, which is later.
fn check_deadline(place: &str, hold: Duration, deadline: Option<Duration>) -> Result<(), InvalidPlan> {
    match deadline {
        Some(deadline) if deadline < hold => {
            Err(InvalidPlan::new(place, "the deadline is before the end of the hold: give a later one"))
        }
        _ => Ok(()),
    }
}

/// Reads steps, each of which must have a greater weight than the one before.
fn read_list_of_steps(list: &Node<'_>) -> Result<Vec<Step>, InvalidPlan> {
    let mut steps: Vec<Step> = Vec::new();
    for node in list.list(MAX_STEPS)? {
        let step = read_step(&node)?;
        check_weight(&node, &step, steps.last())?;
        steps.push(step);
    }
    if steps.is_empty() {
        return Err(list.refuse("give at least one step, or the form blue-green"));
    }
    Ok(steps)
}

/// Reads a step: a number, which is its weight in percent, or an object.
fn read_step(node: &Node<'_>) -> Result<Step, InvalidPlan> {
    if node.is_number() {
        return node.weight().map(Step::new);
    }
    let fields = node.fields(&["weight", "hold", "deadline", "gates", "mirror"])?;
    let weight =
        fields.get("weight").ok_or_else(|| InvalidPlan::new(fields.place("weight"), "name a weight"))?;
    Ok(Step {
        weight: weight.weight()?,
        hold: fields.read("hold", Node::duration)?,
        deadline: fields.read("deadline", Node::duration)?,
        gates: fields.read("gates", read_gates)?.unwrap_or_default(),
        mirror: fields.read("mirror", read_mirror)?,
    })
}

/// Reads the share of requests that are copied in a step, in percent.
fn read_mirror(node: &Node<'_>) -> Result<Weight, InvalidPlan> {
    let share = node.weight()?;
    if share.is_zero() { Err(node.refuse("give a percentage above 0")) } else { Ok(share) }
}

/// Refuses a weight that does not rise, and copies of requests at another place than the first step at weight 0.
fn check_weight(node: &Node<'_>, step: &Step, before: Option<&Step>) -> Result<(), InvalidPlan> {
    if step.weight == Weight::FULL {
        return Err(node.refuse("give a weight below 100: 100 is the end of the plan and not a step"));
    }
    if let Some(before) = before.filter(|before| step.weight <= before.weight) {
        let reason = format_args!("give a weight above {}, the weight of the step before", before.weight);
        return Err(node.refuse(reason));
    }
    match (step.weight.is_zero(), step.mirror) {
        (true, None) => Err(node.refuse("give a weight above 0, or a mirror")),
        (false, Some(_)) => Err(node.refuse("only a first step at weight 0 has a mirror")),
        _ => Ok(()),
    }
}

/// Reads the fields of the bake. Those that are left out keep their defaults.
fn read_bake(node: &Node<'_>, default: Bake) -> Result<Bake, InvalidPlan> {
    let fields = node.fields(&["hold", "keep", "gates"])?;
    Ok(Bake {
        hold: fields.read("hold", Node::duration)?.unwrap_or(default.hold),
        keep: fields.read("keep", Node::weight)?.unwrap_or(default.keep),
        gates: fields.read("gates", read_gates)?.unwrap_or(default.gates),
    })
}

/// Reads the names of gates, each at most once.
fn read_gates(node: &Node<'_>) -> Result<Vec<GateName>, InvalidPlan> {
    let gates: Vec<GateName> = node.parse_list(MAX_GATES)?;
    match gates.iter().enumerate().find(|(i, gate)| gates[..*i].contains(gate)) {
        Some((_, gate)) => Err(node.refuse(format_args!("{gate} is named twice: name each gate once"))),
        None => Ok(gates),
    }
}

/// Reads the way back. Without steps the canary loses all traffic at once.
fn read_back(node: &Node<'_>) -> Result<Back, InvalidPlan> {
    let fields = node.fields(&["steps", "hold"])?;
    let steps = fields.read("steps", read_falling)?.unwrap_or_default();
    Ok(Back { steps, hold: fields.read("hold", Node::duration)?.unwrap_or(BACK_HOLD) })
}

/// Reads falling weights between 0 and 100.
fn read_falling(list: &Node<'_>) -> Result<Vec<Weight>, InvalidPlan> {
    let mut before = Weight::FULL;
    let mut weights = Vec::new();
    for node in list.list(MAX_STEPS)? {
        let weight = node.weight()?;
        if weight.is_zero() || weight >= before {
            return Err(node.refuse(format_args!("give a weight above 0 and below {before}")));
        }
        weights.push(weight);
        before = weight;
    }
    Ok(weights)
}
