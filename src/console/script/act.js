// Dialogs, each about one change with its preview and one confirmation, and what a person asks for beside changes.
function ask(dialog) {
  state.dialog = { reason: "", generation: state.split?.generation, ...dialog };
  paint();
  return study(state.dialog);
}

// Reads what the change would do, and whether the version that gets traffic answers.
async function study(dialog) {
  const { change, probe } = dialog;
  const preview =
    change && (!change.plain || dialog.plan) && send(change, { dryRun: true, generation: dialog.generation });
  const check =
    probe &&
    call("POST", inDeployment(state.service, "versions", probe, "check")).then(
      answer => probesOf(answer),
      problem => probesOf(problem),
    );
  try {
    dialog.answer = (await preview) || null;
  } catch (problem) {
    Object.assign(dialog, { problem, answer: null });
  }
  dialog.probed = await check;
  paint();
}

async function carryOut(dialog, { force, always } = {}) {
  if (dialog.busy) return;
  Object.assign(dialog, { busy: true, problem: null });
  paint();
  try {
    await make(dialog.change, { generation: always ? null : dialog.generation, reason: dialog.reason, force });
    if (state.dialog === dialog) state.dialog = null;
    if (dialog.to) location.hash = `#/${dialog.to}`;
  } catch (problem) {
    Object.assign(dialog, { busy: false, problem });
    if (problem.status === 401) complain(problem);
    else if (state.service) readHistory().catch(complain);
    if (problem.status === 412) {
      await readSplit();
      dialog.generation = state.split.generation;
      await study(dialog);
    }
  }
  paint();
}

const shut = dialog => () => {
  if (state.dialog === dialog) state.dialog = null;
  paint();
};

function turnTo(of, word) {
  const isBack = word === "Roll back";
  const order = isBack && live() && changes.order(state.service, state.rollout.id, "abort");
  ask({
    title: word === "Bring back" ? `Bring back ${of.version}, with all traffic?` : `${word} to ${of.version}?`,
    label: word,
    danger: true,
    always: isBack && !order && `${word} whatever changed`,
    change: order || changes.turn(state.service, of.version),
    probe: of.weight === 0 ? of.version : null,
    note: order
      ? "The rollout goes back to the weights from before it, and its pinned users are drawn again."
      : keeps(of),
    reason: isBack ? `roll back to ${of.version}` : "",
  });
}

// The requests that a switch leaves where they are.
function keeps(of) {
  const busy = versionsNow().filter(it => it !== of && doing(it.version)?.inFlight);
  return busy.length
    ? `${list(busy.map(it => `${it.version} keeps its ${plural(doing(it.version).inFlight, "request")} in flight`))}.`
    : "";
}

async function probeNow(of) {
  say(`Probing ${of.version} …`);
  try {
    const answer = await call("POST", inDeployment(state.service, "versions", of.version, "check"));
    say(`${of.version}: ${probesOf(answer)}.`);
  } catch (problem) {
    complain(problem);
  }
}

// Waits in the background until the process of a version may be stopped.
async function waitDrained(of) {
  const id = `${state.service}/${of.version}`;
  state.waits.add(id);
  say(`Waiting until ${of.version} is drained, for 10 minutes at most.`);
  try {
    const query = { version: of.version, wait: "drained", timeout: "10m" };
    const answer = await call("GET", `${inDeployment(state.service, "traffic")}`, {
      query,
      signal: AbortSignal.timeout(620000),
    });
    const does = answer.versions[0];
    state.drained = does.drainedEverywhere ?? does.drained;
    say(state.drained ? `✓ ${of.version} is drained: it may be stopped.` : `${of.version} is not drained yet.`);
  } catch (problem) {
    complain(problem);
  }
  state.waits.delete(id);
}

async function explain() {
  const { draft, key } = state;
  const path = inDeployment(state.service, "explain");
  const weights =
    draft?.answer &&
    Object.entries(draft.weights)
      .map(of => of.join(":"))
      .join(",");
  try {
    const [is, would] = await Promise.all(
      [{}, weights && { weights }].map(more => more && call("GET", path, { query: { key, ...more } })),
    );
    state.explained = { is, would };
  } catch (problem) {
    state.explained = { problem };
    if (problem.status === 401) complain(problem);
  }
  paint();
}
