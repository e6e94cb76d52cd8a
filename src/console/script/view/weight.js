// What can be done with one version: its weight, and the menu.
function stepper(of) {
  const weight = drafted(of);
  const why = barred();
  const keys = event => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    draftWeight(of.version, weight + by * (event.shiftKey ? 10 : 1));
  };
  return h(
    "span",
    { class: `step h1${weight !== of.weight ? " changed" : ""}` },
    button("−", {
      why: why ?? (weight <= 0 ? "It has no traffic." : null),
      "aria-label": `Less for ${of.version}`,
      onclick: () => draftWeight(of.version, less(weight)),
    }),
    h("input", {
      type: "number",
      min: 0,
      max: 100,
      step: "any",
      value: weight,
      disabled: Boolean(why),
      title: why,
      "aria-label": `Weight of ${of.version} in percent`,
      onkeydown: keys,
      oninput: event => event.target.value !== "" && draftWeight(of.version, event.target.value),
    }),
    button("+", {
      why: why ?? (weight >= 100 ? "It has all traffic." : null),
      "aria-label": `More for ${of.version}`,
      onclick: () => draftWeight(of.version, more(weight)),
    }),
  );
}

function menu(of, does) {
  const waits = state.waits.has(`${state.service}/${of.version}`);
  const why = barred();
  const ready = of.isActive && of.weight === 0;
  const item = (label, act, reason) =>
    button(label, {
      why: reason,
      onclick: event => {
        event.target.closest("details").open = false;
        act();
      },
    });
  const set = (word, change, more) =>
    ask({ title: `${word} ${of.version}?`, label: word, danger: true, change, ...more });
  const serve = changes.active(state.service, of.version, !of.isActive);
  return h(
    "details.menu",
    h("summary", { "aria-label": `More for ${of.version}` }, "⋯"),
    h(
      "div",
      item("Probe now", () => probeNow(of), can("read") || can("write") ? null : why),
      state.status?.features.rollouts &&
        item(
          "Start a rollout…",
          () => startRollout(of),
          why ?? (live() ? "A rollout is under way." : ready ? null : "It needs a version in service without traffic."),
        ),
      item(
        of.isActive ? "Take out of service…" : "Take into service…",
        () => set(of.isActive ? "Take out of service" : "Take into service", serve, { force: "even the last" }),
        why,
      ),
      item("Change URLs…", () => changeUrls(of), why),
      item(
        "Draw users again…",
        () =>
          ask({
            title: "Draw the pinned users again?",
            label: "Draw again",
            danger: true,
            change: changes.redraw(state.service),
            note: "The next request of each pinned user is assigned by the present weights. Users with a key keep their version.",
          }),
        why,
      ),
      item(
        "Wait until drained",
        () => waitDrained(of),
        waits ? "The page waits already." : of.weight > 0 ? "It has traffic." : null,
      ),
      item(
        "Remove…",
        () =>
          set("Remove", changes.remove(state.service, of.version), {
            note: does?.inFlight
              ? `${plural(does.inFlight, "request")} are still in flight there: wait until it is drained first.`
              : "Its history stays.",
          }),
        why ?? (of.isActive ? "Take it out of service first." : null),
      ),
    ),
  );
}
