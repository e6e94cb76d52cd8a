// Reads that the page makes by itself: the cheap ones every second, and a stream of figures.
const SILENCE = 6000; // without an event: a proxy holds the stream back, or the gateway is gone
const KEPT = 150; // points of a spark line, one for 2 s

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
  await Promise.all([readServices(), readRollout()]);
  state.listed = revision;
}

async function readServices() {
  const query = { limit: 1000, q: state.next && state.filter };
  const answer = await read("deployment/services", { query, withTag: true });
  state.services = answer.json.services;
  state.next ??= answer.json.nextAfter;
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
    if (problem.status !== 404 || name !== state.service) throw problem;
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
  if (name !== state.service) return;
  state.history = before
    ? { ...page, history: [...state.history.history, ...page.history], refused: state.history.refused }
    : page;
  paint();
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

// Takes the figures of one event.
function hear(event) {
  state.traffic = event;
  state.heard = performance.now();
  state.skew = Date.parse(event.at) - Date.now();
  for (const of of event.versions) {
    const last = state.totals.get(of.version);
    const seconds = last && (Date.parse(event.at) - last.at) / 1000;
    const points = of.series?.map(it => it.requests / it.seconds) ?? state.rings.get(of.version) ?? [];
    if (seconds > 0.5 && !of.series) points.push((of.total.requests - last.requests) / seconds);
    state.rings.set(of.version, points.slice(-KEPT));
    state.totals.set(of.version, { at: Date.parse(event.at), requests: of.total.requests });
  }
  if (event.generation > (state.split?.generation ?? Infinity)) readSplit().catch(complain);
  paint();
}

let listening = new AbortController();
const pause = (time, signal) =>
  new Promise(done => {
    setTimeout(done, time);
    signal.addEventListener("abort", done, { once: true });
  });

async function listen() {
  listening.abort();
  listening = new AbortController();
  const { signal } = listening;
  const path = inDeployment(state.service, "traffic");
  for (let failures = 0; !signal.aborted; ) {
    let heard = false;
    let problem = null;
    await follow(path, {
      signal,
      silence: SILENCE,
      take: event => {
        heard = true;
        hear(event);
      },
    }).catch(error => {
      problem = error;
    });
    if (signal.aborted || problem?.status === 404) return;
    if (problem?.status === 401) return complain(problem);
    if (heard && !problem) continue; // a stream ends after five minutes by design
    failures = heard ? 0 : failures + 1;
    // A proxy that collects the stream lets single answers pass.
    for (let i = 0; problem?.name === "AbortError" && !heard && i < 30 && !signal.aborted; i++) {
      await read(path).then(hear, () => {});
      await pause(2000, signal);
    }
    await pause(Math.min(15000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2), signal);
  }
}

// Shows the service of the address, or the first one.
function open() {
  const name = named() || state.services?.[0]?.service || null;
  if (!state.me || name === state.service) return;
  Object.assign(state, {
    service: name,
    split: null,
    tag: null,
    traffic: null,
    heard: 0,
    history: null,
    rollout: null,
    draft: null,
    dialog: null,
    explained: null,
    drained: false,
  });
  state.rings.clear();
  state.totals.clear();
  if (!name) return listening.abort();
  if (!named()) history.replaceState(null, "", `#/${encodeURIComponent(name)}`);
  listen();
  Promise.all([readSplit(), readRollout()]).catch(complain);
  paint();
}

async function enter() {
  try {
    state.me = await call("GET", "whoami");
    Object.assign(state, { host: !token, door: null, lost: null, listed: null });
  } catch (problem) {
    if (problem.status === 401) return complain(problem);
    state.lost = problem;
    setTimeout(enter, 2000);
    return paint();
  }
  if (!can("read")) return paint();
  if (state.service) listen();
  await Promise.allSettled([readStatus(), readReplicas()]);
  paint();
}

let beat = 0;
async function tick() {
  if (!document.hidden && state.me && can("read")) {
    beat += 1;
    const due = [readStatus(), state.service && readSplit()];
    if (beat % 2 === 0 && live()) due.push(readRollout());
    if (beat % 5 === 0) due.push(readReplicas());
    if (beat % 30 === 0 && state.service) due.push(readHistory());
    await Promise.allSettled(due);
    paint();
  }
  setTimeout(tick, 1000);
}
