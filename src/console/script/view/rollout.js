// The rollout that the gateways drive: its steps, its gates, its evidence, and the orders of a person.
const PAUSES = {
  "by-hand": "paused by hand",
  inconclusive: "paused: not enough is known",
  failed: "paused: the guard says fail",
  changed: "paused: the split was changed by hand",
  replaced: "paused: the instances were replaced",
};
const LATE = 20; // seconds without a tick: no gateway drives the rollout

function rollout() {
  const it = state.rollout;
  const over = it.phase === "over";
  const stages = it.stages.map(stage => stageOf(it, stage));
  const kind = it.outcome === "completed" ? "done" : "next";
  if (it.plan.then === "promote") stages.push(bead("end", kind, h("b.dim", "100 %"), "all traffic"));
  return panel(
    "way",
    `Rollout of ${it.version}`,
    [h("p", over ? endOf(it) : standingOf(it)), h("div.verbs", !over && verbs(it))],
    h("ol.rail.h1", stages),
    !over && h("ul.news", news(it)),
    eventsOfRollout(it),
  );
}

const endOf = it => [h("b", it.outcome.replace("-", " ")), " ", ago(it.overAt), it.why && [": ", user(it.why)]];

function standingOf(it) {
  const doubt = of => of.log10 - of.neededLog10;
  const [worst] = it.measures.filter(of => of.log10 != null).sort((a, b) => doubt(b) - doubt(a));
  const { canary, stable } = it.requests.step;
  const phases = {
    waiting: "waits for its start",
    returning: "goes back",
    paused: h("span.warn", PAUSES[it.pause?.reason] ?? "paused"),
  };
  return [
    phases[it.phase] ?? ["watched ", h("b", exactly(it.watchedMs / 1000)), ` of ${exactly((it.holdMs ?? 0) / 1000)}`],
    it.step > 0 && [
      ", evidence ",
      worst ? [h("b", { title: `The guard says fail at ${worst.needed}.` }, worst.odds), " against it"] : "none yet",
      " in ",
      h("b", plural(canary.requests, "request")),
      ` beside ${count(stable.requests)}`,
    ],
    it.leader && ["; driven by ", user(it.leader.name ?? "a gateway that is gone")],
  ];
}

const gateOf = gate => (gate === "approval" ? "an approval" : `the gate ${gate}`);

function stageOf(it, { step, weight, gates, holdMs, isBake }) {
  const done = step < it.step || it.outcome === "completed";
  const kind = done ? "done" : step === it.step && it.phase !== "over" ? "now" : "next";
  const begun = it.events.findLast(of => of.kind === "step" && of.step === step);
  const hold = exactly(holdMs / 1000);
  const text = begun && `${clock(begun.at)}, ${kind === "now" ? `for ${since(begun.at, now())}` : hold}`;
  const share = Math.min(100, (100 * it.watchedMs) / Math.max(1, it.holdMs ?? holdMs));
  return bead(
    step,
    kind,
    h("b", { class: kind === "next" && "dim" }, percent(weight), isBake && " bake"),
    kind === "next" ? [...gates.map(gateOf), hold].join(", ") : (text ?? DASH),
    kind === "now" && svg({ class: "far" }, h("rect.hue", { width: `${share}%`, height: 2 })),
  );
}

// What keeps the rollout from its next step.
function news(it) {
  const { verdict, gates, tickedAt } = it;
  const fails = verdict?.verdict === "fail";
  const late = tickedAt && now() - Date.parse(tickedAt) > 1000 * LATE;
  const needs = list(gates.filter(of => !of.open).map(of => gateOf(of.gate)));
  const held = it.phase === "gated" || it.phase === "waiting";
  const behind = it.replicas.filter(of => !of.serves).map(of => of.name);
  const approval = gates.find(of => of.by);
  const warning = text => h("span.warn", "▲ ", text);
  const lines = [
    late && [warning("No gateway drives it: "), `the last tick was ${since(tickedAt, now())} ago. The weights stay.`],
    verdict?.why && [fails && h("span.bad", "✕ The guard says fail: "), user(verdict.why)],
    it.why && !fails && [warning(), user(it.why)],
    needs && (held ? [warning(), `waits for ${needs}`] : `the next step needs ${needs}`),
    it.phase === "gated" && !it.windowOpen && "waits for its window of time",
    it.phase === "gated" && !it.calm && "waits until the other versions work well enough",
    !it.converged && `not all gateways serve the step yet: ${list(behind) || "none is known"}`,
    approval && [h("span.ok", "✓ "), "approved by ", user(approval.by)],
  ];
  return lines.map((line, key) => line && h("li", { key }, line));
}

function eventsOfRollout(it) {
  const rows = it.events.slice(-50).reverse();
  return h(
    "details.events",
    h("summary", plural(it.events.length, "event")),
    h(
      "ul",
      rows.map(({ turn, position, at, actor, kind, text }) =>
        h(
          "li",
          { key: `${turn}.${position}` },
          ago(at),
          h("span", actor && !actor.startsWith("rollout:") && [h("b", user(actor)), " "], `${kind} `, user(text)),
        ),
      ),
    ),
  );
}

const NOTES = {
  Approve: "The step may be followed by the next one.",
  Pause: "The weights stay where they are. The guard goes on watching.",
  Resume: "It goes on where it was. A step without a clear verdict counts as passed.",
  Advance: "The step counts as passed, and the next one begins.",
  Promote: "The steps between are left out: the version bakes with nearly all traffic, then it gets all of it.",
  Abort: "The weights from before the rollout come back, and pinned users are drawn again.",
};

// One word for each order, always in the same place.
function verbs(it) {
  const order = (label, why, step, key = label) => {
    const title = `${label} the rollout of ${it.version}${step ? ` at step ${step}` : ""}?`;
    const change = changes.order(state.service, it.id, label.toLowerCase(), step);
    const dialog = { title, label, change, note: NOTES[label], calm: label !== "Abort" };
    return button(label, () => ask(dialog), barred() ?? why, { key });
  };
  const returns = it.phase === "returning" && "It goes back.";
  const approval = it.gates.find(of => of.gate === "approval");
  const early = (it.phase === "waiting" || it.step === 0) && "There is no step to pass.";
  return [
    approval && order("Approve", approval.open ? "This step is approved." : returns, it.step),
    // A click must not meet another order after the ones before it have changed.
    order(it.phase === "paused" ? "Resume" : "Pause", returns, null, "Pause"),
    order("Advance", returns || early, it.step),
    order("Promote", it.plan.then === "promote" ? returns : "The plan does not end with all traffic."),
    order("Abort"),
  ];
}
