// Reads of the API, each into the state.
const read = (path, options) => call("GET", path, { signal: AbortSignal.timeout(5000), ...options });

async function readStatus() {
  try {
    state.status = await read("deployment/status");
    state.lost = null;
  } catch (problem) {
    if (problem.status === 401) complain(problem);
    else state.lost = problem;
    return;
  }
  const { revision } = state.status;
  if (revision === state.listed) return;
  state.listed = revision;
  try {
    await Promise.all([readServices(), readRollout()]);
  } catch (problem) {
    state.listed = null;
    throw problem;
  }
}

async function readServices() {
  const query = { limit: 1000, q: state.next && state.filter };
  const { services, nextAfter } = await read("deployment/services", { query });
  state.services = services;
  state.next ??= nextAfter;
  open();
}

async function readReplicas() {
  state.replicas = await read("deployment/replicas").catch(() => null);
  for (const of of state.replicas?.replicas ?? []) state.seen.set(of.name, Date.now());
}

async function readSplit() {
  const name = state.service;
  if (!name) return;
  try {
    const answer = await read(inDeployment(name, "versions"), { etag: state.tag, withTag: true });
    if (!answer || name !== state.service) return;
    const changed = answer.json.generation !== state.split?.generation;
    Object.assign(state, { split: answer.json, tag: answer.etag });
    if (changed) await readHistory();
  } catch (problem) {
    // The name in the address may be none that a service can have.
    if (![404, 422].includes(problem.status) || name !== state.service) throw problem;
    Object.assign(state, {
      service: null,
      split: null,
      dialog: null,
      draft: null,
      services: state.services?.filter(of => of.service !== name),
    });
    state.said = {
      kind: "bad",
      title: `There is no service ${name}`,
      text: "It was removed, or the address has another name.",
    };
    history.replaceState(null, "", "#/");
    open();
  }
  paint();
}

async function readHistory(before) {
  const name = state.service;
  const known = state.history?.history.length ?? 0;
  const page = await read(inDeployment(name, "history"), {
    query: before ? { limit: 20, before } : { limit: Math.min(200, Math.max(20, known)) },
  });
  const way = before ? state.way : await readWay(name, page);
  if (name !== state.service) return;
  state.history = before
    ? { ...page, history: [...state.history.history, ...page.history], refused: state.history.refused }
    : page;
  state.way = way;
  paint();
}

// The name of the version to go back to. The history may have it further back than the page shows.
async function readWay(name, page) {
  let way = back(versionsNow(), page.history);
  if (!way && page.nextBefore != null) {
    const { history } = await read(inDeployment(name, "history"), { query: { limit: 200 } });
    way = back(versionsNow(), history);
  }
  return way?.version;
}

// The latest rollout of the service. One that is over is shown for an hour.
async function readRollout() {
  const name = state.service;
  if (!name || !state.status?.features.rollouts) return;
  const known = live()
    ? state.rollout
    : (await read(inDeployment(name, "rollouts"), { query: { limit: 1 } })).rollouts[0];
  const recent = known && (known.phase !== "over" || now() - Date.parse(known.overAt) < 3600000);
  const details = recent ? await read(inDeployment(name, "rollouts", known.id)) : null;
  if (name === state.service) state.rollout = details;
  paint();
}
