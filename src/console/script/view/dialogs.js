// Dialogs. Enter in a field confirms nothing.
function dialogOf() {
  const { dialog } = state;
  if (!dialog) return null;
  return h(
    "dialog",
    { key: dialog.title, "aria-labelledby": "sure", onclose: shut(dialog) },
    h("h2", { id: "sure" }, dialog.title),
    dialog.form?.(dialog),
    dialog.note && h("p", dialog.note),
    effect(dialog),
    h("label", "Reason", reasonOf(dialog, { placeholder: "for the history" })),
    dialog.change && same(dialog.change, dialog),
    problemOf(dialog),
    h(
      "div.row",
      button("Cancel", { autofocus: !dialog.form, onclick: shut(dialog) }),
      button(dialog.label, {
        kind: dialog.danger ? "main back" : "main",
        why: dialog.busy ? "The call is under way." : dialog.wrong?.(dialog),
        onclick: () => carryOut(dialog),
      }),
    ),
  );
}

// What the change would do: weights from and to, users who move, and the probe.
function effect({ answer, probed }) {
  const rows = (answer?.versions ?? [])
    .map(of => [of, version(of.version)])
    .filter(([of, was]) => of.weight || was?.weight);
  return [
    answer?.stages && planOf(answer),
    answer?.moves && h("p", { role: "status" }, sentence(answer.moves)),
    rows.length > 0 &&
      h(
        "table",
        h(
          "tbody",
          rows.map(([of, was]) =>
            h(
              "tr",
              { key: of.version },
              h("th", { scope: "row" }, of.version),
              h("td.num", percent(was?.weight ?? 0)),
              h("td", "→"),
              h("td.num", h("b", percent(of.weight))),
            ),
          ),
        ),
      ),
    probed && h("p", "Probe: ", user(probed)),
  ];
}

const planOf = answer =>
  h(
    "table",
    heads("Step", "Weight", "Users who move", "For at least"),
    h(
      "tbody",
      [...answer.stages, ...(answer.end ? [{ ...answer.end, step: "end" }] : [])].map(of =>
        h(
          "tr",
          { key: of.step },
          h("td", of.isBake ? "bake" : of.step),
          h("td", percent(of.weight)),
          h("td", percent(of.moves.reduce((sum, it) => sum + it.users, 0))),
          h("td", of.holdMs == null ? DASH : [exactly(of.holdMs / 1000), of.gates.length > 0 && `, ${list(of.gates)}`]),
        ),
      ),
    ),
    h("caption.muted", `${span(answer.shortestMs / 1000)} at least, ${span(answer.longestMs / 1000)} at most.`),
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
  const canForce = problem.type === "backend-unhealthy" || problem.type === "last-active-version";
  const force = () => carryOut(dialog, { force: true });
  return trouble(problem, canForce && forced(dialog, dialog.force ?? "without a probe", force));
}
