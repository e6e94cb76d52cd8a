// What can be done with one version: its weight, and the menu.
function stepper(of) {
  const name = of.version;
  const weight = drafted(of);
  const why = barred();
  const step = (sign, label, limit, to) =>
    button(sign, () => draftWeight(name, to(weight)), why ?? limit, { "aria-label": `${label} for ${name}` });
  const keys = event => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    draftWeight(name, weight + by * (event.shiftKey ? 10 : 1));
  };
  return h(
    "span.step.h1",
    { class: weight !== of.weight && "changed" },
    step("−", "Less", weight <= 0 && "It has no traffic.", less),
    h("input", {
      type: "number",
      min: 0,
      max: 100,
      step: "any",
      value: weight,
      disabled: Boolean(why),
      title: why,
      "aria-label": `Weight of ${name} in percent`,
      onkeydown: keys,
      oninput: event => event.target.value && draftWeight(name, event.target.value),
    }),
    step("+", "More", weight >= 100 && "It has all traffic.", more),
  );
}

function menu(of, busy) {
  const { version, isActive, weight } = of;
  const why = barred();
  const item = (label, act, reason = why) => {
    const close = event => {
      event.target.closest("details").open = false;
      act();
    };
    return button(label, close, reason);
  };
  const waits = state.waits.has(`${state.service}/${version}`);
  return h(
    "details.menu",
    h("summary", { "aria-label": `More for ${version}` }, "⋯"),
    h(
      "div",
      item("Probe now", () => probeNow(version), null),
      state.status?.features.rollouts && item("Start a rollout…", () => startRollout(version), why ?? unready(of)),
      item(isActive ? "Take out of service…" : "Take into service…", () => turnService(of)),
      item("Change URLs…", () => changeUrls(of)),
      item("Draw users again…", redraw),
      item(
        "Wait until drained",
        () => waitDrained(version),
        weight > 0 ? "It has traffic." : waits && "The page waits already.",
      ),
      item("Remove…", () => remove(version, busy), why ?? (isActive && "Take it out of service first.")),
    ),
  );
}

// Why no rollout of this version can start.
function unready({ isActive, weight }) {
  if (live()) return "A rollout is under way.";
  return isActive && weight === 0 ? null : "It needs a version in service without traffic.";
}

function turnService({ version, isActive }) {
  const way = isActive ? "out of" : "into";
  const change = changes.active(state.service, version, !isActive);
  ask({ title: `Take ${version} ${way} service?`, label: `Take ${way} service`, change, force: "even the last" });
}

function remove(version, busy) {
  const wait = `${plural(busy ?? 0, "request")} are still in flight there: wait until it is drained first.`;
  const change = changes.remove(state.service, version);
  ask({ title: `Remove ${version}?`, label: "Remove", change, note: busy ? wait : "Its history stays." });
}

const redraw = () =>
  ask({
    title: "Draw the pinned users again?",
    label: "Draw again",
    change: changes.redraw(state.service),
    note: "The next request of each pinned user is assigned by the present weights. Users with a key keep their version.",
  });
