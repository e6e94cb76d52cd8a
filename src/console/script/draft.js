// A draft: weights that a person prepares. Nothing moves until they are applied.
const hundredths = value => Math.round(value * 100) / 100;

function draftWeight(name, given) {
  const last = state.draft;
  const active = versionsNow().filter(of => of.isActive);
  const free = last?.free || (last && last.version !== name && active.length > 2);
  const weight = Math.min(100, Math.max(0, hundredths(Number(given) || 0)));
  const weights = { ...(free && draftedWeights()), [name]: weight };
  if (active.every(of => (weights[of.version] ?? of.weight) === of.weight)) return discardDraft();
  const { generation } = state.split;
  state.draft = { reason: "", generation, ...last, free, version: name, weights, answer: null, problem: null };
  clearTimeout(state.draft.timer);
  state.draft.timer = setTimeout(preview, DELAY, state.draft);
}

function discardDraft() {
  state.draft = null;
}

const weightsOf = versions => Object.fromEntries(versions.map(of => [of.version, of.weight]));
const draftedWeights = () =>
  weightsOf(
    versionsNow()
      .filter(of => of.isActive)
      .map(of => ({ ...of, weight: drafted(of) })),
  );
const draftSum = draft => hundredths(Object.values(draft.weights).reduce((sum, of) => sum + of, 0));

function draftChange({ free, version, weights }) {
  return free ? changes.weights(state.service, weights) : changes.weight(state.service, version, weights[version]);
}

// Asks the API what the draft would do. The page has no copy of its rules.
async function preview(draft) {
  if (draft !== state.draft || (draft.free && draftSum(draft) !== 100)) return;
  try {
    draft.answer = await send(draftChange(draft), { dryRun: true, generation: draft.generation });
    if (!draft.free) draft.weights = weightsOf(draft.answer.versions);
  } catch (problem) {
    if (problem.type === "ambiguous-rebalance") Object.assign(draft, { free: true, weights: draftedWeights() });
    else if (problem.type !== "generation-conflict") draft.problem = problem;
    if (problem.status === 401) complain(problem);
  }
}

// Takes the present split as the ground of the draft.
function previewAgain() {
  state.draft = { ...state.draft, generation: state.split.generation, answer: null, problem: null };
  preview(state.draft);
}

async function applyDraft(force) {
  const { draft } = state;
  if (!draft?.answer || draft.busy || barred()) return;
  draft.busy = true;
  try {
    await make(draftChange(draft), { generation: draft.generation, reason: draft.reason, force });
    if (state.draft === draft) discardDraft();
  } catch (problem) {
    Object.assign(draft, { busy: false, problem });
    readAfter(problem);
  }
}
