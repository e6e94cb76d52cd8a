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

// What someone types goes into a field of `object`.
const into = (object, name) => event => {
  object[name] = event.target.value;
  paint();
};

const reasonOf = (object, props) =>
  h("input", {
    "aria-label": "Reason",
    maxlength: 1000,
    value: object.reason,
    oninput: into(object, "reason"),
    ...props,
  });

const heads = (...names) =>
  h(
    "thead",
    h(
      "tr",
      names.map(name => h("th", { scope: "col" }, name)),
    ),
  );

// Who made a change. A rollout is known by the panel that shows it, and not by its number.
const by = actor => (actor.startsWith("rollout:") ? "a rollout" : user(actor));

const chip = (text, kind = "") => h("span", { class: `chip ${kind}` }, text);
const svg = (props, ...children) => h("svg", { "aria-hidden": "true", ...props }, children);
// `head` stands beside the title.
const panel = (id, title, head, ...body) =>
  h("section.panel", { key: id, "aria-labelledby": id }, h("header", h("h2", { id }, title), head), body);

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
    "div.same",
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

// A change without what keeps it from being made, behind two clicks.
function forced(asked, words, make) {
  if (asked.sure) return button(`Really, ${words}`, { kind: "back", onclick: make });
  const ask = () => {
    asked.sure = true;
    paint();
  };
  return button("Force…", { onclick: ask });
}

// A problem, with what can be done about it.
const trouble = (problem, ...ways) =>
  h(
    "div.said.bad",
    { key: "trouble", role: "alert" },
    h(
      "p",
      h("b", `✕ ${problem.title ?? "Problem"}. `),
      user(problem.detail ?? ""),
      problem.probes?.map(of => [h("br"), user(probed(of))]),
    ),
    ways,
  );

const logo = () =>
  svg(
    { width: 18, height: 18, viewBox: "0 0 18 18" },
    h("rect.h0", { x: 0, y: 3, width: 18, height: 12, rx: 3 }),
    h("path.h1", { d: "M12 3h3a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3h-3z" }),
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
