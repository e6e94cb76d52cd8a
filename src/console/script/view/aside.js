// The history with the refused changes, the gateways, and the version of a key.
function historyOf() {
  const known = state.history;
  const earlier = () => readHistory(true).catch(complain);
  return panel(
    "history",
    "History",
    h("small", "all, and what was refused"),
    table("log", ["When", "What", "Way back"], known && events({ refused: [], ...known }).map(entry)),
    known?.nextBefore != null && button("Earlier changes", earlier),
  );
}

function entry(of) {
  const { at, actor, after, generation, id, asked } = of;
  return h(
    "tr",
    { key: after ? `made ${generation}` : `refused ${id}` },
    h("td", ago(at)),
    h(
      "td",
      h("b", by(actor)),
      " ",
      after ? story(of) : h("span.bad", "✕ refused: ", user(asked)),
      " ",
      h("small", user(after ? of.reason : of.why)),
    ),
    h("td", after && (generation === state.split?.generation ? h("small", "now") : restore(of))),
  );
}

function restore({ generation, after }) {
  const dialog = () => ({
    title: `Restore generation ${generation}?`,
    label: "Restore",
    change: changes.restore(state.service, generation),
    note: "Its weights, base URLs and health path come back.",
  });
  const empty = !Object.values(after).some(of => of.isActive) && "No version was active then.";
  const label = `Restore ${generation}`;
  return button(label, () => ask(dialog()), barred() ?? empty, {
    "aria-label": `${label}: the split of that generation`,
  });
}

function replicasOf() {
  const known = state.replicas;
  const [text, kind] = replicaWords();
  const good = kind === "dot ok";
  const words = good ? `✓ all serve ${known.revision}` : `${kind ? "▲ " : ""}${text}`;
  const line = (key, name, text, bad) =>
    h("li", { key }, h("span", name), h("span", { class: bad ? "warn" : "muted" }, bad && "▲ ", text));
  const gateway = ({ id, name, isThis, sharesName, revision, seenMs }) =>
    line(
      id,
      [user(name), isThis && h("small", "  this one"), sharesName && h("small.warn", "  another has this name")],
      `${revision}, ${(seenMs / 1000).toFixed(1)} s ago`,
      known.revision > revision,
    );
  return panel(
    "replicas",
    "Replicas",
    h("small", { class: good ? "ok" : kind && "warn" }, words),
    h(
      "ul",
      known?.replicas.map(gateway),
      gone().map(([name, at]) => line(`gone ${name}`, user(name), `gone for ${span((Date.now() - at) / 1000)}`, true)),
    ),
  );
}

function explainPanel() {
  const { explained, key } = state;
  const run = event => {
    event.preventDefault();
    if (key) explain();
  };
  const type = event => {
    Object.assign(state, { key: event.target.value, explained: null });
  };
  const props = { "aria-label": "Key", placeholder: "the key of a user", maxlength: 1000, value: key, oninput: type };
  return panel(
    "explain",
    "Which version does a key get?",
    null,
    h("form.ask", { onsubmit: run }, h("input", props), h("button", "Explain")),
    h("output", explained && explanation(explained)),
  );
}

function explanation({ is, would, problem }) {
  if (problem) return h("span.bad", "✕ ", user(problem.detail));
  return [
    h("b", is.version ?? "no version"),
    ` by its key: slot ${count(is.slot)} of 10,000.`,
    would && would.version !== is.version && [h("br"), h("small", `After the draft it would get ${would.version}.`)],
  ];
}
