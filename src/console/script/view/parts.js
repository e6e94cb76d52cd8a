// Parts that several views share.

// `why` says why the button does nothing.
const button = (label, onclick, why, props) =>
  h(
    "button",
    { type: "button", title: why, "aria-disabled": why && "true", onclick: why ? null : onclick, ...props },
    label,
  );

// What someone types goes into a field of `object`.
const into = (object, name) => event => {
  object[name] = event.target.value;
};

const reasonOf = (object, placeholder) =>
  h("input", {
    "aria-label": "Reason",
    placeholder,
    maxlength: 1000,
    value: object.reason,
    oninput: into(object, "reason"),
  });

const table = (kind, names, ...rows) => {
  const heads = names.map(name => h("th", { scope: "col" }, name));
  return h(`table.${kind}`, h("thead", h("tr", heads)), h("tbody", rows));
};

// Who made a change. A rollout is known by the panel that shows it, and not by its number.
const by = actor => (actor.startsWith("rollout:") ? "a rollout" : user(actor));

const chip = ({ text, kind }) => h("span.chip", { class: kind }, text);
const svg = (props, ...children) => h("svg", { "aria-hidden": "true", ...props }, children);

// `head` stands beside the title.
const panel = (id, title, head, ...body) =>
  h("section.panel", { key: id, "aria-labelledby": id }, h("header", h("h2", { id }, title), head), body);

const ago = at => h("time", { datetime: at, title: new Date(at).toString() }, `${since(at, now())} ago`);

// The same on the command line, or by curl.
function same(change, options) {
  const line = state.curl ? curl(change, api, options) : command(change, options);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
      say("Copied.");
    } catch {
      say("This browser does not let the page copy.");
    }
  };
  const flip = () => {
    state.curl = !state.curl;
  };
  return h(
    "div.same",
    h("code", { tabindex: 0, "aria-label": "The same on the command line" }, line),
    button("Copy", copy),
    button("curl", flip, null, { "aria-pressed": String(state.curl) }),
  );
}

// A change without what keeps it from being made, behind two clicks.
function forced(asked, words, make) {
  if (asked.sure) return button(`Really, ${words}`, make, null, { class: "back" });
  return button("Force…", () => {
    asked.sure = true;
  });
}

// A problem, with what can be done about it.
const trouble = ({ title = "Problem", detail, probes }, ...ways) =>
  h(
    "div.said.bad",
    { key: "trouble", role: "alert" },
    h(
      "p",
      h("b", `✕ ${title}. `),
      user(detail),
      probes?.map(of => [h("br"), user(probed(of))]),
    ),
    ways,
  );

const logo = () =>
  svg(
    { width: 18, height: 18 },
    h("rect.h0", { y: 3, width: 18, height: 12, rx: 3 }),
    h("path.h1", { d: "M12 3h3a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3h-3z" }),
  );

// The new version stands at the right, where it grows.
const inOrder = (versions, fresh) =>
  ordered(versions).sort((a, b) => (a.version === fresh?.version) - (b.version === fresh?.version));

// One bar of weights. `part` is the width of a version in percent, `over` describes what is drawn over it.
function weightBar(versions, colours, height, part, over) {
  let sum = 0;
  return versions.map(of => {
    const x = `${sum}%`;
    const hue = colours.get(of.version) ?? "h9";
    sum += part(of);
    return [h("rect.hue", { key: of.version, class: hue, x, width: `${part(of)}%`, height }), over?.(of, x, hue)];
  });
}
