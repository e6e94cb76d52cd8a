// The way of the new version by hand: where it has been, from the history, and where it may go.
function rail() {
  const fresh = newest(versionsNow());
  if (!fresh) return null;
  const weights = [...new Set([5, 10, 25, 50, 100, fresh.weight])].sort((a, b) => a - b);
  return panel(
    "way",
    `Rollout of ${fresh.version}`,
    [beside(fresh), h("small", "a click prepares, nothing moves yet")],
    h(
      "ol.rail.h1",
      weights.map(weight => stop(fresh, weight)),
    ),
  );
}

function stop({ version, weight: present }, weight) {
  const reached = of => of.after[version]?.weight === weight && of.before[version]?.weight !== weight;
  const entry = state.history?.history.find(reached);
  const kind = weight < present ? "done" : weight > present ? "next" : "now";
  const who = entry && [`${clock(entry.at)} `, by(entry.actor), kind === "now" && `, for ${since(entry.at, now())}`];
  return bead(
    weight,
    kind,
    kind === "next" ? button(percent(weight), () => draftWeight(version, weight), barred()) : h("b", percent(weight)),
    who ?? (weight === 100 ? "all traffic" : kind === "next" ? "next" : DASH),
  );
}

// One step of a rail. `kind` is `done`, `now` or `next`.
const bead = (key, kind, name, text, more) =>
  h(
    "li",
    { key, class: kind, "aria-current": kind === "now" && "step" },
    [more, h("span.bead"), name],
    h("small", { title: typeof text === "string" && text }, text),
  );

// The figures of the new version beside those of the version that has most.
function beside(fresh) {
  const other = heaviest(versionsNow().filter(of => of !== fresh));
  const one = seen(fresh);
  const two = seen(other);
  if (!one?.rates || !two?.rates) return h("p", "no request ended yet");
  const failures = ({ rates }) => part(failed(rates), rates.n, 2);
  const slow = ({ latency }) => `${millis(latency.p99Ms)} ms`;
  return h(
    "p",
    ["failed ", h("b", failures(one)), ` beside ${failures(two)} of ${other.version}, `],
    ["p99 ", h("b", slow(one)), ` beside ${slow(two)}, in `, h("b", plural(one.rates.n, "request"))],
  );
}
