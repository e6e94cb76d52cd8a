// Dialogs. Enter in a field confirms nothing.
function dialogOf() {
  const { dialog } = state;
  if (!dialog) return null;
  const { title, label, fields, note, change, busy, calm, wrong } = dialog;
  const cancel = () => shut(dialog);
  return h(
    "dialog",
    { key: title, "aria-labelledby": "sure", onclose: cancel },
    h("h2", { id: "sure" }, title),
    fields?.map(of => field(dialog, of)),
    note && h("p", note),
    effect(dialog),
    h("label", "Reason", reasonOf(dialog, "for the history")),
    same(change, dialog),
    problemOf(dialog),
    h(
      "div.row",
      button("Cancel", cancel, null, { autofocus: !fields }),
      button(label, () => carryOut(dialog), busy ? "The call is under way." : wrong?.(dialog.values), {
        class: calm || fields ? "main" : "main back",
      }),
    ),
  );
}

// What the change would do: weights from and to, users who move, and the probe.
function effect({ answer, probed }) {
  const weights = (answer?.versions ?? []).map(of => ({ ...of, was: version(of.version)?.weight ?? 0 }));
  const rows = weights.filter(of => of.weight || of.was);
  const row = ({ version, was, weight }) =>
    h(
      "tr",
      { key: version },
      h("th", { scope: "row" }, version),
      h("td.num", percent(was)),
      h("td", "→"),
      h("td.num", h("b", percent(weight))),
    );
  return [
    answer?.stages && planOf(answer),
    answer?.moves && h("p", { role: "status" }, sentence(answer.moves)),
    rows.length > 0 && h("table", h("tbody", rows.map(row))),
    probed && h("p", "Probe: ", user(probed)),
  ];
}

function planOf({ stages, end, shortestMs, longestMs }) {
  const row = ({ step, isBake, weight, moves, holdMs, gates }) => [
    isBake ? "bake" : step,
    percent(weight),
    percent(moves.reduce((sum, of) => sum + of.users, 0)),
    holdMs == null ? DASH : [exactly(holdMs / 1000), ...gates].join(", "),
  ];
  const rows = [...stages, ...(end ? [{ ...end, step: "end" }] : [])].map(row);
  return [
    table(
      "plan",
      ["Step", "Weight", "Users who move", "For at least"],
      rows.map(cells =>
        h(
          "tr",
          cells.map(cell => h("td", cell)),
        ),
      ),
    ),
    h("p.muted", `${span(shortestMs / 1000)} at least, ${span(longestMs / 1000)} at most.`),
  ];
}

function problemOf(dialog) {
  const { problem, always, force = "without a probe" } = dialog;
  if (!problem) return null;
  if (problem.status === 412) {
    const who = state.split?.lastChange?.actor ?? "Somebody";
    const detail = `${who} changed it meanwhile: it is at generation ${dialog.generation} now. Confirm again.`;
    const anyway = () => carryOut(dialog, { generation: null });
    return trouble(
      { title: "The split has changed", detail },
      always && button(always, anyway, null, { class: "back" }),
    );
  }
  const canForce = ["backend-unhealthy", "last-active-version"].includes(problem.type);
  return trouble(problem, canForce && forced(dialog, force, () => carryOut(dialog, { force: true })));
}
