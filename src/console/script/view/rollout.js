// The rollout that the gateways drive: its steps, its gates, its evidence, and the orders of a person.
const PAUSES = {
  "by-hand": "paused by hand",
  inconclusive: "paused: not enough is known",
  failed: "paused: the guard says fail",
  changed: "paused: the split was changed by hand",
  replaced: "paused: the instances were replaced",
};
const ENDS = { completed: "completed", "rolled-back": "rolled back", aborted: "aborted", returned: "returned" };
const LATE = 20; // seconds without a tick: no gateway drives the rollout

function rollout() {
  const it = state.rollout;
  return panel(
    "way",
    `Rollout of ${it.version}`,
    [h("p", standingOf(it)), h("div.verbs", verbs(it))],
    h(
      "ol.rail.h1",
      it.stages.map(stage => stageOf(it, stage)),
      last(it),
    ),
    news(it),
    eventsOfRollout(it),
  );
}

function standingOf(it) {
  if (it.phase === "over")
    return [h("b", ENDS[it.outcome] ?? it.outcome), " ", ago(it.overAt), it.why && [": ", user(it.why)]];
  const worst = [...it.measures]
    .filter(of => of.log10 != null)
    .sort((a, b) => b.log10 - b.neededLog10 - (a.log10 - a.neededLog10))[0];
  const counts = it.requests.step;
  return [
    it.phase === "waiting"
      ? "waits for its start"
      : it.phase === "returning"
        ? "goes back"
        : it.phase === "paused"
          ? h("span.warn", PAUSES[it.pause?.reason] ?? "paused")
          : ["watched ", h("b", exactly(it.watchedMs / 1000)), ` of ${exactly((it.holdMs ?? 0) / 1000)}`],
    it.step > 0 && [
      ", evidence ",
      h("b", { title: worst && `The guard says fail at ${worst.needed}.` }, worst ? worst.odds : "none yet"),
      worst && " against it",
      " in ",
      h("b", plural(counts.canary.requests, "request")),
      ` beside ${count(counts.stable.requests)}`,
    ],
    it.leader && ["; driven by ", user(it.leader.name ?? "a gateway that is gone")],
  ];
}

function stageOf(it, stage) {
  const over = it.phase === "over" && it.outcome !== "completed";
  const kind =
    stage.step < it.step || it.outcome === "completed" ? "done" : stage.step === it.step && !over ? "now" : "next";
  const begun = it.events.findLast(of => of.kind === "step" && of.step === stage.step);
  const gates = stage.gates.map(gate => (gate === "approval" ? "needs approval" : `gate ${gate}`));
  const text =
    kind === "next"
      ? [...gates, exactly(stage.holdMs / 1000)].join(", ")
      : begun &&
        `${clock(begun.at)}, ${kind === "now" ? `for ${since(begun.at, now())}` : exactly(stage.holdMs / 1000)}`;
  const share = Math.min(100, (100 * it.watchedMs) / Math.max(1, it.holdMs ?? stage.holdMs));
  return h(
    "li",
    { key: stage.step, class: kind, "aria-current": kind === "now" && "step" },
    kind === "now" && svg({ class: "far" }, h("rect", { width: `${share}%`, height: 2 })),
    h("span.bead"),
    h("b", { class: kind === "next" && "dim" }, stage.isBake ? `${percent(stage.weight)} bake` : percent(stage.weight)),
    h("small", { title: text || null }, text || DASH),
  );
}

const last = it =>
  it.plan.then === "promote" &&
  h(
    "li",
    { key: "end", class: it.outcome === "completed" ? "done" : "next" },
    h("span.bead"),
    h("b.dim", "100 %"),
    h("small", "all traffic"),
  );

// What keeps the rollout from its next step.
function news(it) {
  if (it.phase === "over") return null;
  const late = it.tickedAt && (now() - Date.parse(it.tickedAt)) / 1000 > LATE;
  const shut = it.gates
    .filter(of => !of.open)
    .map(of => (of.gate === "approval" ? "an approval" : `the gate ${of.gate}`));
  const lines = [
    late && [
      h("span.warn", "▲ No gateway drives it: "),
      `the last tick was ${since(it.tickedAt, now())} ago. The weights stay.`,
    ],
    it.verdict?.verdict === "fail" && [h("span.bad", "✕ The guard says fail: "), user(it.verdict.why)],
    it.verdict && it.verdict.verdict !== "fail" && user(it.verdict.why),
    it.why && it.verdict?.verdict !== "fail" && [h("span.warn", "▲ "), user(it.why)],
    shut.length > 0 &&
      (it.phase === "gated" || it.phase === "waiting"
        ? [h("span.warn", "▲ "), `waits for ${list(shut)}`]
        : `the next step needs ${list(shut)}`),
    it.phase === "gated" && !it.windowOpen && "waits for its window of time",
    it.phase === "gated" && !it.calm && "waits until the other versions work well enough",
    !it.converged &&
      `not all gateways serve the step yet: ${list(it.replicas.filter(of => !of.serves).map(of => of.name)) || "none is known"}`,
    it.gates.filter(of => of.by).map(of => [h("span.ok", "✓ "), "approved by ", user(of.by)])[0],
  ].filter(Boolean);
  return (
    lines.length > 0 &&
    h(
      "ul.news",
      lines.map((line, i) => h("li", { key: i }, line)),
    )
  );
}

function eventsOfRollout(it) {
  const rows = [...it.events].reverse().slice(0, 50);
  return h(
    "details.events",
    h("summary", plural(it.events.length, "event")),
    h(
      "ul",
      rows.map(of =>
        h(
          "li",
          { key: `${of.turn}.${of.position}` },
          ago(of.at),
          h(
            "span",
            of.actor && !of.actor.startsWith("rollout:") && [h("b", user(of.actor)), " "],
            `${of.kind} `,
            user(of.text ?? ""),
          ),
        ),
      ),
    ),
  );
}

// One word for each order, always in the same place.
function verbs(it) {
  if (it.phase === "over") return null;
  const order = (label, verb, why, step, danger) =>
    button(label, {
      // A click must not meet another order after the ones before it have changed.
      key: verb === "resume" ? "pause" : verb,
      why: barred() ?? why,
      onclick: () =>
        ask({
          title: `${label} the rollout of ${it.version}${step ? ` at step ${step}` : ""}?`,
          label,
          danger,
          change: changes.order(state.service, it.id, verb, step),
          note: NOTES[verb](it),
        }),
    });
  const paused = it.phase === "paused",
    going = it.phase === "returning";
  const approval = it.gates.find(of => of.gate === "approval");
  return [
    approval &&
      order("Approve", "approve", approval.open ? "This step is approved." : going ? "It goes back." : null, it.step),
    paused ? order("Resume", "resume") : order("Pause", "pause", going ? "It goes back." : null),
    order(
      "Advance",
      "advance",
      going || it.phase === "waiting" || it.step === 0 ? "There is no step to pass." : null,
      it.step,
    ),
    order(
      "Promote",
      "promote",
      it.plan.then !== "promote" ? "The plan does not end with all traffic." : going ? "It goes back." : null,
    ),
    order("Abort", "abort", null, null, true),
  ];
}

const NOTES = {
  approve: it => `Step ${it.step} may be followed by the next one.`,
  pause: () => "The weights stay where they are. The guard goes on watching.",
  resume: () => "It goes on where it was. A step without a clear verdict counts as passed.",
  advance: it => `Step ${it.step} counts as passed, and the next one begins.`,
  promote: () => "The steps between are left out: the version bakes with nearly all traffic, then it gets all of it.",
  abort: () => "The weights from before the rollout come back, and pinned users are drawn again.",
};
