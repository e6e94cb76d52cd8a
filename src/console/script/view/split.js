// Configured beside observed, on one scale.
const WINDOWS = { "10s": ["10 s", 10], "60s": ["60 s", 60], "5m": ["5 min", 300] };

const seen = of => windowOf(doing(of?.version), state.window);
const observed = of => seen(of)?.share?.observed;
const shown = keep => inOrder(versionsNow().filter(keep), newest(ground()));

function split() {
  const configured = shown(of => of.weight || drafted(of));
  // A version without traffic now had some within the window.
  const had = shown(of => configured.includes(of) || observed(of));
  const some = had.some(observed);
  const words = (versions, part) => h("span.hide", versions.map(of => `${of.version} ${part(of)}`).join(", "));
  return panel(
    "split",
    "Split",
    [standing(), h("div.choice", { role: "radiogroup", "aria-label": "Observed over" }, choices())],
    h(
      "dl.split",
      h("dt", state.draft ? "Would be" : "Configured"),
      h(
        "dd",
        svg({ height: 28 }, weightBar(configured, hues(ground()), 28, drafted, label)),
        words(configured, of => percent(drafted(of))),
      ),
      h("dt", "Observed"),
      h(
        "dd",
        svg({ height: 12 }, some && weightBar(had, hues(ground()), 12, of => observed(of) ?? 0), some && whiskers(had)),
        some ? words(had, of => percent(observed(of), 1)) : h("span.hide", "no request"),
      ),
      h("dt", { "aria-hidden": "true" }),
      h("dd", scale()),
    ),
  );
}

const choices = () =>
  Object.entries(WINDOWS).map(([value, [text]]) => {
    const props = { type: "radio", name: "window", value, checked: state.window === value };
    return h("label", h("input", { ...props, onchange: into(state, "window") }), text);
  });

// A label that does not fit is left out: on a desk, or on narrow pages alone.
function label(of, x, hue) {
  const width = drafted(of);
  const text = `${of.version}  ${percent(width)}`;
  const place = { class: hue, x, dx: 10, y: 14, "dominant-baseline": "central" };
  const tag = width < 3 + 2.2 * text.length ? "text.tight" : "text";
  return [
    x !== "0%" && h("rect.edge", { x, width: 2, height: 28 }),
    width > 1.5 + 0.85 * text.length && h(tag, place, text),
  ];
}

// The intervals of the inner edges of a bar.
const whiskers = versions =>
  edges(versions.map(seen).filter(Boolean)).map(({ low, high }) => [
    h("rect.whisk", { x: `${low}%`, width: `${high - low}%`, height: 12 }),
    [low, high].map(at => h("line.whisk", { x1: `${at}%`, x2: `${at}%`, y1: -2, y2: 14 })),
  ]);

const scale = () =>
  svg(
    { class: "scale", height: 16 },
    [0, 25, 50, 75, 100].map(at => [
      h("line", { x1: `${at}%`, x2: `${at}%`, y2: 4 }),
      h("text", { x: `${at}%`, y: 14, "text-anchor": at === 0 ? "start" : at === 100 ? "end" : "middle" }, at),
    ]),
  );

// Whether requests follow the weights, in words.
function standing() {
  const [name, length] = WINDOWS[state.window];
  const age = (performance.now() - state.heard) / 1000;
  if (isOld()) return h("p", h("span.warn", "▲ Stale: "), `these figures are ${span(age)} old`);
  const last = state.split?.lastChange;
  const settled = !last || now() - Date.parse(last.at) >= 1000 * length;
  const is = verdict(versionsNow(), state.traffic, state.window, settled);
  if (is.kind === "quiet") return h("p", state.traffic && `no request in the last ${name}`);
  const heads = {
    ok: h("span.ok", "✓ As configured: "),
    off: h("span.warn", "▲ Not as configured: "),
    settling: "Settling: ",
  };
  const { share } = is;
  return h(
    "p",
    [heads[is.kind], `${is.version} got `, h("b", percent(share.observed, 1)), ` of ${plural(share.of, "request")}, `],
    `95 % interval ${share.low.toFixed(1)} to ${percent(share.high, 1)}`,
    is.cause && `; ${is.cause}`,
  );
}
