// The history with the refused changes, the gateways, and the version of a key.
function historyOf() {
  const known = state.history;
  return panel(
    "history",
    "History",
    h("small", "all, and what was refused"),
    h(
      "table.log",
      heads("When", "What", "Way back"),
      h("tbody", known && events({ refused: [], ...known }).map(entry)),
    ),
    known?.nextBefore != null &&
      button("Earlier changes", { onclick: () => readHistory(known.nextBefore).catch(complain) }),
  );
}

function entry(of) {
  const kept = of.after != null;
  const split = kept && Object.values(of.after).some(it => it.isActive);
  return h(
    "tr",
    { key: kept ? `made ${of.generation}` : `refused ${of.id}` },
    h("td", ago(of.at)),
    h(
      "td",
      h("b", by(of.actor)),
      " ",
      kept ? story(of) : h("span.bad", "✕ refused: ", user(of.asked)),
      " ",
      h("small", user((kept ? of.reason : of.why) ?? "")),
    ),
    h(
      "td",
      !kept
        ? null
        : of.generation === state.split?.generation
          ? h("small", "now")
          : button(`Restore ${of.generation}`, {
              why: barred() ?? (split ? null : "No version was active then."),
              "aria-label": `Restore ${of.generation}: the split of that generation`,
              onclick: () =>
                ask({
                  title: `Restore generation ${of.generation}?`,
                  label: "Restore",
                  danger: true,
                  change: changes.restore(state.service, of.generation),
                  note: "Its weights, base URLs and health path come back.",
                }),
            }),
    ),
  );
}

function replicasOf() {
  const known = state.replicas;
  const [text, kind] = replicaWords(known);
  const behind = of => known.revision > of.revision;
  return panel(
    "replicas",
    "Replicas",
    h(
      "small",
      { class: kind.replace("dot ", "") },
      kind === "dot ok" ? `✓ all serve ${known.revision}` : kind ? `▲ ${text}` : text,
    ),
    h(
      "ul",
      known?.replicas.map(of =>
        h(
          "li",
          { key: of.id },
          h(
            "span",
            user(of.name),
            of.isThis && h("small", "  this one"),
            of.sharesName && h("small.warn", "  another has this name"),
          ),
          h(
            "span",
            { class: behind(of) ? "warn" : "muted" },
            behind(of) && "▲ ",
            `${of.revision}, ${(of.seenMs / 1000).toFixed(1)} s ago`,
          ),
        ),
      ),
      known &&
        gone(known).map(([name, at]) =>
          h(
            "li",
            { key: `gone ${name}` },
            h("span", user(name)),
            h("span.warn", `▲ gone for ${span((Date.now() - at) / 1000)}`),
          ),
        ),
    ),
  );
}

function explainPanel() {
  const { explained, key } = state;
  const run = event => {
    event.preventDefault();
    if (key) explain();
  };
  const answer = explained?.is && [
    h("b", explained.is.version ?? "no version"),
    ` by its key: slot ${count(explained.is.slot)} of 10,000.`,
    explained.would &&
      explained.would.version !== explained.is.version && [
        h("br"),
        h("small", `After the draft it would get ${explained.would.version}.`),
      ],
  ];
  return panel(
    "explain",
    "Which version does a key get?",
    [],
    h(
      "form.ask",
      { onsubmit: run },
      h("input", {
        "aria-label": "Key",
        placeholder: "the key of a user",
        value: key,
        maxlength: 1000,
        oninput: event => {
          state.key = event.target.value;
          state.explained = null;
          paint();
        },
      }),
      h("button", "Explain"),
    ),
    h("output", explained?.problem ? h("span.bad", "✕ ", user(explained.problem.detail)) : answer),
  );
}
