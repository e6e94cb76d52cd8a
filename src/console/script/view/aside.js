// The history with the refused changes, the gateways, and the version of a key.
function historyOf() {
  const known = state.history;
  return panel(
    "history",
    "History",
    h("small", null, "all, and what was refused"),
    h(
      "table",
      { class: "log" },
      h(
        "thead",
        { class: "hide" },
        h(
          "tr",
          null,
          ["When", "What", "Way back"].map(text => h("th", { scope: "col" }, text)),
        ),
      ),
      h("tbody", null, known && events({ refused: [], ...known }).map(entry)),
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
    h("td", null, ago(of.at)),
    h(
      "td",
      null,
      h("b", null, by(of.actor)),
      " ",
      kept ? story(of) : h("span", { class: "bad" }, "✕ refused: ", user(of.asked)),
      " ",
      h("small", null, user((kept ? of.reason : of.why) ?? "")),
    ),
    h(
      "td",
      null,
      !kept
        ? null
        : of.generation === state.split?.generation
          ? h("small", null, "now")
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
  const names = new Set(known?.replicas.map(of => of.name));
  const gone = [...state.seen].filter(([name]) => known && !names.has(name));
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
      null,
      known?.replicas.map(of =>
        h(
          "li",
          { key: of.id },
          h(
            "span",
            null,
            user(of.name),
            of.isThis && h("small", null, "  this one"),
            of.sharesName && h("small", { class: "warn" }, "  another has this name"),
          ),
          h(
            "span",
            { class: behind(of) ? "warn" : "muted" },
            behind(of) && "▲ ",
            `${of.revision}, ${(of.seenMs / 1000).toFixed(1)} s ago`,
          ),
        ),
      ),
      gone.map(([name, at]) =>
        h(
          "li",
          { key: `gone ${name}` },
          h("span", null, user(name)),
          h("span", { class: "warn" }, `▲ gone for ${span((Date.now() - at) / 1000)}`),
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
    h("b", null, explained.is.version ?? "no version"),
    ` by its key: slot ${count(explained.is.slot)} of 10,000.`,
    explained.would &&
      explained.would.version !== explained.is.version && [
        h("br"),
        h("small", null, `After the draft it would get ${explained.would.version}.`),
      ],
  ];
  return panel(
    "explain",
    "Which version does a key get?",
    null,
    h(
      "form",
      { class: "ask", onsubmit: run },
      h("input", {
        "aria-label": "Key",
        value: key,
        maxlength: 1000,
        oninput: event => {
          state.key = event.target.value;
          state.explained = null;
          paint();
        },
      }),
      h("button", null, "Explain"),
    ),
    h("output", null, explained?.problem ? h("span", { class: "bad" }, "✕ ", user(explained.problem.detail)) : answer),
  );
}
