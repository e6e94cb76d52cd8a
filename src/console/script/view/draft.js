// The bar of a draft: what it would do, and how it is applied.
function draftBar() {
  const { draft } = state;
  if (!draft) return null;
  const { answer, problem } = draft;
  const stale = draft.generation !== state.split?.generation;
  const sum = draftSum(draft);
  const changed = versionsNow()
    .filter(of => drafted(of) !== of.weight)
    .map(of => `${of.version} ${percent(of.weight)} → ${percent(drafted(of))}`);
  const missing = Object.keys(draft.weights).find(name => !version(name));
  const why =
    barred() ??
    (stale
      ? "The split has changed: preview again."
      : draft.free && sum !== 100
        ? "The weights must total 100 %."
        : !answer
          ? "The preview is not here yet."
          : null);
  const label = draft.free ? "Apply" : `Apply ${percent(draft.weights[draft.version])}`;
  return h(
    "div.draft.h1",
    { role: "group", "aria-label": "Change prepared" },
    h(
      "p",
      { role: "status" },
      h("b", changed.join(", ")),
      ". ",
      stale
        ? [
            h("span.warn", "▲ Changed meanwhile by "),
            user(state.split?.lastChange?.actor ?? "somebody"),
            missing ? `: ${missing} is gone. ` : `: generation ${state.split?.generation}, not ${draft.generation}. `,
          ]
        : draft.free && sum !== 100
          ? `Set all weights: they total ${percent(sum)}. `
          : answer
            ? sentence(answer.moves)
            : problem
              ? ""
              : "…",
      answer?.rollout?.now === "paused" && live() && h("b.warn", " This pauses the rollout."),
    ),
    h(
      "div.row",
      reasonOf(draft, { placeholder: "Reason (for the history)" }),
      button("Discard", { onclick: discardDraft }),
      stale && !missing
        ? button("Preview again", { kind: "main", onclick: previewAgain })
        : button(label, { kind: "main", why, onclick: () => applyDraft() }),
    ),
    problem &&
      trouble(
        problem,
        problem.type === "backend-unhealthy" && forced(draft, "without a probe", () => applyDraft(true)),
      ),
    same(draftChange(draft), draft),
  );
}
