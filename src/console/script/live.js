// What goes on by itself: a stream of figures, and the reads of each second.
const SILENCE = 6000; // without an event: a proxy holds the stream back, or the gateway is gone
const KEPT = 150; // points of a spark line, one for 2 s

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
    way: null,
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
  readSplit().then(readRollout).catch(complain);
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
