// Reads of the API, each into the state.
const read = (path, query) => call("GET", path, { query, signal: AbortSignal.timeout(5000) });

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
  await Promise.all([readServices(), readRollout()]).catch(problem => {
    state.listed = null;
    throw problem;
  });
}

async function readServices() {
  const { services, nextAfter } = await read("deployment/services", { limit: 1000, q: state.next && state.filter });
  state.services = services;
  state.next ??= nextAfter;
  open();
}

async function readReplicas() {
  state.replicas = await read("deployment/replicas").catch(() => null);
  for (const { name } of state.replicas?.replicas ?? []) state.seen.set(name, Date.now());
}

async function readSplit() {
  const { service } = state;
  if (!service) return;
  try {
    const split = await read(inDeployment(service, "versions"));
    if (service !== state.service) return;
    const changed = split.generation !== state.split?.generation;
    state.split = split;
    if (changed) await readHistory();
  } catch (problem) {
    // The name in the address may be none that a service can have.
    if (![404, 422].includes(problem.status) || service !== state.service) throw problem;
    leave(service);
  }
}

// Goes on to another service, because there is none of this name.
function leave(service) {
  const detail = "It was removed, or the address has another name.";
  Object.assign(state, nothingOf(null), {
    services: state.services?.filter(of => of.service !== service),
    said: { title: `There is no service ${service}`, detail },
  });
  history.replaceState(null, "", "#/");
  open();
}

let lastRead = Promise.resolve();

// Reads of the history follow each other, because each goes on from where the one before has ended.
function readHistory(earlier) {
  const next = lastRead.then(() => readPage(earlier));
  lastRead = next.catch(() => null);
  return next;
}

async function readPage(earlier) {
  const { service, history } = state;
  if (!service) return;
  const path = inDeployment(service, "history");
  const before = earlier && history?.nextBefore;
  const known = history?.history.length ?? 0;
  const page = await read(path, before ? { limit: 20, before } : { limit: Math.min(200, Math.max(20, known)) });
  if (!before) await readWay(service, page);
  if (service !== state.service) return;
  state.history = before ? { ...page, history: [...history.history, ...page.history], refused: history.refused } : page;
}

// The name of the version to go back to. The history may have it further back than the page shows.
async function readWay(service, page) {
  let way = back(versionsNow(), page.history);
  if (!way && page.nextBefore != null) {
    const { history } = await read(inDeployment(service, "history"), { limit: 200 });
    way = back(versionsNow(), history);
  }
  if (service === state.service) state.way = way?.version;
}

// The latest rollout of the service. One that is over is shown for an hour.
async function readRollout() {
  const { service } = state;
  if (!service || !state.status?.features.rollouts) return;
  const path = inDeployment(service, "rollouts");
  const known = live() ? state.rollout : (await read(path, { limit: 1 })).rollouts[0];
  const recent = known && (known.phase !== "over" || now() - Date.parse(known.overAt) < 3600000);
  const details = recent ? await read(`${path}/${encodeURIComponent(known.id)}`) : null;
  if (service === state.service) state.rollout = details;
}
