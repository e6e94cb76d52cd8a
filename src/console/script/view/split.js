// Configured beside observed, on one scale.
const WINDOWS = { "10s": ["10 s", 10], "60s": ["60 s", 60], "5m": ["5 min", 300] };

function split() {
  const seen = of => windowOf(doing(of.version), state.window);
  const shown = inOrder(versionsNow().filter(of => of.weight || drafted(of)));
  // A version without traffic now had some within the window.
  const had = inOrder(versionsNow().filter(of => shown.includes(of) || seen(of)?.share?.observed));
  const choice = Object.entries(WINDOWS).map(([name, [text]]) =>
    h(
      "label",
      h("input", {
        type: "radio",
        name: "window",
        checked: state.window === name,
        onchange: () => {
          state.window = name;
          paint();
        },
      }),
      text,
    ),
  );
  const words = shown.map(of => `${of.version} ${percent(drafted(of))}`).join(", ");
  return panel(
    "split",
    "Split",
    [standing(), h("div.choice", { role: "radiogroup", "aria-label": "Observed over" }, choice)],
    h(
      "dl.split",
      h("dt", state.draft ? "Would be" : "Configured"),
      h("dd", strip(28, shown, drafted, true), h("span.hide", words)),
      h("dt", "Observed"),
      h("dd", observed(had, seen)),
      h("dt", { "aria-hidden": "true" }),
      h("dd", { "aria-hidden": "true" }, scale()),
    ),
  );
}

// The new version stands at the right, where it grows.
function inOrder(versions) {
  const fresh = newest(ground())?.version;
  return ordered(versions).sort((a, b) => (a.version === fresh) - (b.version === fresh));
}

const label = (of, width) => `${of.version}  ${percent(width)}`;

// One bar. A label that does not fit is left out: on a desk, or on narrow pages alone.
function strip(height, versions, part, labelled, ...over) {
  return svg(
    { height },
    parts(versions, part).map(({ of, at, width, hue }, i) =>
      h("rect", { key: of.version, class: `hue ${hue}`, x: `${at}%`, y: 0, width: `${width}%`, height }),
    ),
    parts(versions, part).map(
      ({ of, at, width, hue }, i) =>
        labelled && [
          i > 0 && h("rect.edge", { x: `${at}%`, y: 0, width: 2, height }),
          width > 1.5 + 0.85 * label(of, width).length &&
            h(
              "text",
              {
                class: `${hue} ${width < 3 + 2.2 * label(of, width).length ? "tight" : ""}`,
                x: `${at}%`,
                dx: 10,
                y: height / 2,
                "dominant-baseline": "central",
              },
              label(of, width),
            ),
        ],
    ),
    over,
  );
}

function observed(versions, seen) {
  const share = of => seen(of)?.share?.observed ?? 0;
  const some = versions.some(of => share(of) > 0);
  const whiskers = some ? edges(versions.map(seen).filter(Boolean)) : [];
  const text = versions.map(of => `${of.version} ${percent(seen(of)?.share?.observed, 1)}`).join(", ");
  return [
    strip(
      12,
      some ? versions : [],
      share,
      false,
      whiskers.map(({ low, high }) => [
        h("rect.whisk", { x: `${low}%`, width: `${high - low}%`, y: 0, height: 12 }),
        [low, high].map(at => h("line.whisk", { x1: `${at}%`, x2: `${at}%`, y1: -2, y2: 14 })),
      ]),
    ),
    h("span.hide", some ? text : "no request"),
  ];
}

const scale = () =>
  svg(
    { class: "scale", height: 16 },
    [0, 25, 50, 75, 100].map(at => [
      h("line", { x1: `${at}%`, x2: `${at}%`, y1: 0, y2: 4 }),
      h("text", { x: `${at}%`, y: 14, "text-anchor": at === 0 ? "start" : at === 100 ? "end" : "middle" }, at),
    ]),
  );

function standing() {
  const [name, length] = WINDOWS[state.window];
  const changed = state.split?.lastChange && (now() - Date.parse(state.split.lastChange.at)) / 1000;
  const is = verdict(versionsNow(), state.traffic, state.window, !(changed < length));
  if (isOld())
    return h(
      "p",
      h("span.warn", "▲ Stale: "),
      `these figures are ${span((performance.now() - state.heard) / 1000)} old`,
    );
  if (is.kind === "quiet") return h("p", state.traffic ? `no request in the last ${name}` : "");
  const [kind, head] = {
    ok: ["ok", "✓ As configured: "],
    off: ["warn", "▲ Not as configured: "],
    settling: ["", "Settling: "],
  }[is.kind];
  const { observed, low, high, of } = is.share;
  return h(
    "p",
    h("span", { class: kind }, head),
    `${is.version} got `,
    h("b", percent(observed, 1)),
    ` of ${plural(of, "request")}, 95 % interval ${low.toFixed(1)} to ${percent(high, 1)}`,
    is.cause && `; ${is.cause}`,
  );
}
