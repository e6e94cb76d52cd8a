// Dialogs, each about one change with its preview and one confirmation, and what a person asks for beside changes.
function ask(dialog) {
  state.dialog = { reason: "", generation: state.split?.generation, ...dialog };
  if (dialog.make) remake(state.dialog);
  else study(state.dialog);
}

// Makes the change of what the fields of a dialog hold. A plan of a rollout is studied when the keys have come to rest.
function remake(dialog) {
  dialog.change = dialog.make(dialog.values);
  if (!dialog.plan) return;
  dialog.problem = null;
  clearTimeout(dialog.timer);
  dialog.timer = setTimeout(study, DELAY, dialog);
}

// Reads what the change would do, and whether the version that gets traffic answers.
async function study(dialog) {
  const { change, plan, probe, generation } = dialog;
  const probing = probe && check(probe).then(probesOf, probesOf);
  try {
    dialog.answer = !change.plain || plan ? await send(change, { dryRun: true, generation }) : null;
  } catch (problem) {
    Object.assign(dialog, { problem, answer: null });
  }
  dialog.probed = await probing;
}

async function carryOut(dialog, { generation = dialog.generation, force } = {}) {
  if (dialog.busy) return;
  Object.assign(dialog, { busy: true, problem: null });
  try {
    await make(dialog.change, { generation, reason: dialog.reason, force });
    shut(dialog);
    if (dialog.values?.service) location.hash = linkTo(dialog.values.service);
  } catch (problem) {
    Object.assign(dialog, { busy: false, problem });
    await readAfter(problem);
    // Without its service, which may have been removed, the dialog is gone.
    if (problem.status !== 412 || state.dialog !== dialog) return;
    dialog.generation = state.split.generation;
    study(dialog);
  }
}

function shut(dialog) {
  if (state.dialog === dialog) state.dialog = null;
}

function turnTo(of, label, title, more) {
  const busy = versionsNow().filter(it => it !== of && doing(it.version)?.inFlight);
  const keep = busy.map(it => `${it.version} keeps its ${plural(doing(it.version).inFlight, "request")} in flight`);
  const change = changes.turn(state.service, of.version);
  ask({ title: `${title}?`, label, change, probe: of.weight === 0 && of.version, note: list(keep), ...more });
}

function rollBack(of) {
  const reason = `roll back to ${of.version}`;
  const abort = live() && {
    change: changes.order(state.service, state.rollout.id, "abort"),
    note: "The rollout goes back to the weights from before it, and its pinned users are drawn again.",
  };
  turnTo(of, "Roll back", `Roll back to ${of.version}`, { reason, always: "Roll back whatever changed", ...abort });
}

async function probeNow(name) {
  say(`Probing ${name} …`);
  await check(name).then(answer => say(`${name}: ${probesOf(answer)}.`), complain);
}

// Waits in the background until the process of a version may be stopped.
async function waitDrained(version) {
  const id = `${state.service}/${version}`;
  state.waits.add(id);
  say(`Waiting until ${version} is drained, for 10 minutes at most.`);
  const query = { version, wait: "drained", timeout: "10m" };
  const signal = AbortSignal.timeout(620000);
  try {
    const { versions } = await call("GET", inDeployment(state.service, "traffic"), { query, signal });
    state.drained = isDrained(versions[0]);
    say(state.drained ? `✓ ${version} is drained: it may be stopped.` : `${version} may not be stopped yet.`);
  } catch (problem) {
    complain(problem);
  }
  state.waits.delete(id);
}

async function explain() {
  const { draft, key } = state;
  const pairs = draft?.answer && Object.entries(draft.weights).map(of => of.join(":"));
  const get = query => call("GET", inDeployment(state.service, "explain"), { query: { key, ...query } });
  try {
    const [is, would] = await Promise.all([get(), pairs && get({ weights: pairs.join(",") })]);
    state.explained = { is, would };
  } catch (problem) {
    state.explained = { problem };
  }
}
