// Parts that several views share.
const button = (label, { why, onclick, kind, ...rest } = {}) =>
  h(
    "button",
    {
      type: "button",
      class: kind,
      "aria-disabled": why ? "true" : null,
      title: why,
      onclick: why ? null : onclick,
      ...rest,
    },
    label,
  );

// Who made a change. A rollout is known by the panel that shows it, and not by its number.
const by = actor => (actor.startsWith("rollout:") ? "a rollout" : user(actor));

const chip = (text, kind = "") => h("span", { class: `chip ${kind}` }, text);
const svg = (props, ...children) => h("svg", { "aria-hidden": "true", ...props }, children);
const panel = (id, title, head, ...body) =>
  h(
    "section",
    { key: id, class: "panel", "aria-labelledby": id },
    h("header", null, h("h2", { id }, title), head),
    body,
  );

const ago = at => h("time", { datetime: at, title: new Date(at).toString() }, `${since(at, now())} ago`);

// The same on the command line, or by curl.
function same(change, options) {
  const line = state.curl ? curl(change, api, options) : command(change, options);
  const copy = () =>
    navigator.clipboard.writeText(line).then(
      () => say("Copied."),
      () => say("This browser does not let the page copy."),
    );
  return h(
    "div",
    { class: "same" },
    h("code", { tabindex: 0, "aria-label": "The same on the command line" }, line),
    button("Copy", { onclick: copy }),
    button("curl", {
      "aria-pressed": String(state.curl),
      onclick: () => {
        state.curl = !state.curl;
        paint();
      },
    }),
  );
}

// A problem, with what can be done about it.
const trouble = (problem, ...ways) =>
  h(
    "div",
    { key: "trouble", class: "said bad", role: "alert" },
    h(
      "p",
      null,
      h("b", null, `✕ ${problem.title ?? "Problem"}. `),
      user(problem.detail ?? ""),
      problem.probes?.map(of => [h("br"), user(probed(of))]),
    ),
    ways,
  );

const logo = () =>
  svg(
    { width: 18, height: 18, viewBox: "0 0 18 18" },
    h("rect", { class: "h0", x: 0, y: 3, width: 18, height: 12, rx: 3 }),
    h("path", { class: "h1", d: "M12 3h3a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3h-3z" }),
  );

// One bar of weights. `part` is the width of a version in percent.
function parts(versions, part) {
  const colours = hues(ground());
  let x = 0;
  return versions.map(of => {
    const at = x;
    x += part(of);
    return { of, at, width: part(of), hue: colours.get(of.version) ?? "h9" };
  });
}
