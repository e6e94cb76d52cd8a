// A draft: weights that a person prepares. Nothing moves until they are applied.
function draftWeight(name, given) {
  const weight = Math.min(100, Math.max(0, Math.round((Number(given) || 0) * 100) / 100));
  const active = versionsNow().filter(of => of.isActive);
  const last = state.draft;
  const free = last?.free || (last && last.version !== name && active.length > 2);
  const kept = free ? Object.fromEntries(active.map(of => [of.version, drafted(of)])) : {};
  const weights = { ...kept, [name]: weight };
  if (active.every(of => (weights[of.version] ?? of.weight) === of.weight)) return discardDraft();
  state.draft = {
    reason: "",
    generation: state.split.generation,
    ...last,
    free,
    version: name,
    weights,
    answer: null,
    problem: null,
  };
  clearTimeout(state.draft.timer);
  state.draft.timer = setTimeout(preview, DELAY, state.draft);
  paint();
}

function discardDraft() {
  state.draft = null;
  paint();
}

const draftSum = draft => Math.round(Object.values(draft.weights).reduce((sum, of) => sum + of, 0) * 100) / 100;

function draftChange(draft) {
  return draft.free
    ? changes.weights(state.service, draft.weights)
    : changes.weight(state.service, draft.version, draft.weights[draft.version]);
}

// Asks the API what the draft would do. The page has no copy of its rules.
async function preview(draft) {
  if (draft !== state.draft || (draft.free && draftSum(draft) !== 100)) return paint();
  try {
    draft.answer = await send(draftChange(draft), { dryRun: true, generation: draft.generation });
    if (!draft.free) draft.weights = Object.fromEntries(draft.answer.versions.map(of => [of.version, of.weight]));
  } catch (problem) {
    if (problem.type === "ambiguous-rebalance") {
      draft.free = true;
      draft.weights = Object.fromEntries(
        versionsNow()
          .filter(of => of.isActive)
          .map(of => [of.version, drafted(of)]),
      );
    } else if (problem.type !== "generation-conflict") draft.problem = problem;
    if (problem.status === 401) complain(problem);
  }
  paint();
}

// Takes the present split as the ground of the draft.
function previewAgain() {
  const draft = state.draft;
  state.draft = { ...draft, generation: state.split.generation, answer: null, problem: null };
  preview(state.draft);
}

async function applyDraft(force) {
  const draft = state.draft;
  if (!draft?.answer || draft.busy || barred()) return;
  draft.busy = true;
  paint();
  try {
    await make(draftChange(draft), { generation: draft.generation, reason: draft.reason, force });
    if (state.draft === draft) state.draft = null;
  } catch (problem) {
    draft.busy = false;
    draft.problem = problem;
    if (problem.status === 401) complain(problem);
    else readHistory().catch(complain);
    if (problem.status === 412) readSplit().catch(complain);
  }
  paint();
}
