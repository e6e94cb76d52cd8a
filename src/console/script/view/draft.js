// The bar of a draft: what it would do, and how it is applied.
function draftBar() {
  const { draft, split } = state;
  if (!draft) return null;
  const { problem } = draft;
  const canForce = problem?.type === "backend-unhealthy";
  const stale = draft.generation !== split?.generation;
  const missing = Object.keys(draft.weights).find(name => !version(name));
  const label = draft.free ? "Apply" : `Apply ${percent(draft.weights[draft.version])}`;
  const main = { class: "main" };
  return h(
    "div.draft.h1",
    { role: "group", "aria-label": "Change prepared" },
    h(
      "p",
      { role: "status" },
      [h("b", moved()), ". ", stale ? changedMeanwhile(draft, missing) : (unbalanced(draft) ?? expected(draft))],
      draft.answer?.rollout?.now === "paused" && live() && h("b.warn", " This pauses the rollout."),
    ),
    h(
      "div.row",
      reasonOf(draft, "Reason (for the history)"),
      button("Discard", discardDraft),
      stale && !missing
        ? button("Preview again", previewAgain, null, main)
        : button(label, () => applyDraft(), barred() ?? undecided(draft, stale), main),
    ),
    problem && trouble(problem, canForce && forced(draft, "without a probe", () => applyDraft(true))),
    same(draftChange(draft), draft),
  );
}

function moved() {
  const versions = versionsNow().filter(of => drafted(of) !== of.weight);
  return versions.map(of => `${of.version} ${percent(of.weight)} → ${percent(drafted(of))}`).join(", ");
}

const changedMeanwhile = ({ generation }, missing) => [
  h("span.warn", "▲ Changed meanwhile by "),
  user(state.split?.lastChange?.actor ?? "somebody"),
  missing ? `: ${missing} is gone. ` : `: generation ${state.split?.generation}, not ${generation}. `,
];

const unbalanced = draft =>
  draft.free && draftSum(draft) !== 100 ? `Set all weights: they total ${percent(draftSum(draft))}. ` : null;
const expected = ({ answer, problem }) => (answer ? sentence(answer.moves) : !problem && "…");

// Why the draft cannot be applied yet.
function undecided(draft, stale) {
  if (stale) return "The split has changed: preview again.";
  return unbalanced(draft) ?? (draft.answer ? null : "The preview is not here yet.");
}
