// The way of the new version by hand: where it has been, from the history, and where it may go.
function rail() {
  const fresh = newest(versionsNow());
  if (!fresh) return null;
  const been = weight =>
    state.history?.history.find(
      of => of.after[fresh.version]?.weight === weight && of.before[fresh.version]?.weight !== weight,
    );
  const weights = [...new Set([5, 10, 25, 50, 100, fresh.weight])].sort((a, b) => a - b);
  return panel(
    "way",
    `Rollout of ${fresh.version}`,
    [beside(fresh), h("small", "a click prepares, nothing moves yet")],
    h(
      "ol.rail.h1",
      weights.map(weight => {
        const kind = weight < fresh.weight ? "done" : weight === fresh.weight ? "now" : "next";
        const entry = been(weight);
        const who = entry && [`${clock(entry.at)} `, by(entry.actor)];
        return h(
          "li",
          { key: weight, class: kind, "aria-current": kind === "now" && "step" },
          h("span.bead"),
          kind === "next"
            ? button(percent(weight), { why: barred(), onclick: () => draftWeight(fresh.version, weight) })
            : h("b", percent(weight)),
          h(
            "small",
            kind === "now" && entry
              ? [who, `, for ${since(entry.at, now())}`]
              : (who ?? (weight === 100 ? "all traffic" : kind === "next" ? "next" : DASH)),
          ),
        );
      }),
    ),
  );
}

// The figures of the new version beside those of the version that has most.
function beside(fresh) {
  const [one, other] = [fresh, heaviest(versionsNow().filter(of => of !== fresh))].map(of =>
    windowOf(doing(of?.version), state.window),
  );
  if (!one?.rates || !other?.rates) return h("p", "no request ended yet");
  const name = heaviest(versionsNow().filter(of => of !== fresh)).version;
  return h(
    "p",
    "failed ",
    h("b", part(failed(one.rates), one.rates.n, 2)),
    ` beside ${part(failed(other.rates), other.rates.n, 2)} of ${name}, p99 `,
    h("b", `${millis(one.latency.p99Ms)} ms`),
    ` beside ${millis(other.latency.p99Ms)} ms, in `,
    h("b", plural(one.rates.n, "request")),
  );
}
