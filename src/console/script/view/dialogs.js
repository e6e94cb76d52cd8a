// Dialogs. Enter in a field confirms nothing.
function dialogOf() {
  const { dialog } = state;
  if (!dialog) return null;
  return h(
    "dialog",
    { key: dialog.title, "aria-labelledby": "sure", onclose: shut(dialog) },
    h("h2", { id: "sure" }, dialog.title),
    dialog.form ? dialog.form(dialog) : null,
    dialog.note && h("p", null, dialog.note),
    effect(dialog),
    reasonOf(dialog),
    dialog.change && same(dialog.change, dialog),
    problemOf(dialog),
    h(
      "div",
      { class: "row" },
      button("Cancel", { autofocus: !dialog.form, onclick: shut(dialog) }),
      button(dialog.label, {
        kind: dialog.danger ? "main back" : "main",
        why: dialog.busy ? "The call is under way." : (dialog.wrong?.(dialog) ?? null),
        onclick: () => carryOut(dialog),
      }),
    ),
  );
}

const reasonOf = dialog =>
  h(
    "label",
    null,
    "Reason",
    h("input", {
      placeholder: "for the history",
      maxlength: 1000,
      value: dialog.reason,
      oninput: event => {
        dialog.reason = event.target.value;
        paint();
      },
    }),
  );

// What the change would do: weights from and to, users who move, and the probe.
function effect({ answer, probed, stages }) {
  const rows = (answer?.versions ?? [])
    .map(of => [of, version(of.version)])
    .filter(([of, was]) => of.weight || was?.weight);
  return [
    answer?.stages && planOf(answer),
    answer?.moves && h("p", { role: "status" }, sentence(answer.moves)),
    rows.length > 0 &&
      h(
        "table",
        null,
        h(
          "tbody",
          null,
          rows.map(([of, was]) =>
            h(
              "tr",
              { key: of.version },
              h("th", { scope: "row" }, of.version),
              h("td", { class: "num" }, percent(was?.weight ?? 0)),
              h("td", null, "→"),
              h("td", { class: "num" }, h("b", null, percent(of.weight))),
            ),
          ),
        ),
      ),
    probed && h("p", null, "Probe: ", user(probed)),
  ];
}

const planOf = answer =>
  h(
    "table",
    null,
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Step", "Weight", "Users who move", "For at least"].map(text => h("th", { scope: "col" }, text)),
      ),
    ),
    h(
      "tbody",
      null,
      [...answer.stages, ...(answer.end ? [{ ...answer.end, step: "end" }] : [])].map(of =>
        h(
          "tr",
          { key: of.step },
          h("td", null, of.isBake ? "bake" : of.step),
          h("td", null, percent(of.weight)),
          h("td", null, percent(of.moves.reduce((sum, it) => sum + it.users, 0))),
          h(
            "td",
            null,
            of.holdMs == null ? DASH : [exactly(of.holdMs / 1000), of.gates.length > 0 && `, ${list(of.gates)}`],
          ),
        ),
      ),
    ),
    h(
      "caption",
      { class: "muted" },
      `${span(answer.shortestMs / 1000)} at least, ${span(answer.longestMs / 1000)} at most.`,
    ),
  );

function problemOf(dialog) {
  const { problem } = dialog;
  if (!problem) return null;
  const last = state.split?.lastChange;
  if (problem.status === 412) {
    return trouble(
      {
        title: "The split has changed",
        detail: `${last?.actor ?? "Somebody"} changed it meanwhile: it is at generation ${dialog.generation} now. Confirm again.`,
      },
      dialog.always && button(dialog.always, { kind: "back", onclick: () => carryOut(dialog, { always: true }) }),
    );
  }
  const forced = dialog.force ?? "without a probe";
  const canForce = problem.type === "backend-unhealthy" || problem.type === "last-active-version";
  return trouble(
    problem,
    canForce &&
      (dialog.sure
        ? button(`Really, ${forced}`, { kind: "back", onclick: () => carryOut(dialog, { force: true }) })
        : button("Force…", {
            onclick: () => {
              dialog.sure = true;
              paint();
            },
          })),
  );
}
