// What goes on by itself: a stream of figures, and the reads of each second.
const SILENCE = 6000; // without an event: a proxy holds the stream back, or the gateway is gone
const KEPT = 150; // points of a spark line, one for 2 s

// Takes the figures of one event.
function hear(traffic) {
  const at = Date.parse(traffic.at);
  Object.assign(state, { traffic, heard: performance.now(), skew: at - Date.now() });
  for (const { version, series, total } of traffic.versions) {
    const last = state.rates.get(version);
    const seconds = (at - last?.at) / 1000;
    const points = series?.map(it => it.requests / it.seconds) ?? last?.points ?? [];
    if (seconds > 0.5 && !series) points.push((total.requests - last.requests) / seconds);
    state.rates.set(version, { at, requests: total.requests, points: points.slice(-KEPT) });
  }
  if (traffic.generation > state.split?.generation) readSplit().catch(complain);
  paint();
}

let listening = new AbortController();
const pause = time => new Promise(done => setTimeout(done, time));

async function listen() {
  listening.abort();
  listening = new AbortController();
  const { signal } = listening;
  const path = inDeployment(state.service, "traffic");
  for (let failures = 0; ; ) {
    const start = state.heard;
    const problem = await follow(path, { signal, silence: SILENCE, take: hear }).catch(error => error);
    if (signal.aborted || problem?.status === 404) return;
    if (problem?.status === 401) return complain(problem);
    const heard = state.heard > start;
    if (heard && !problem) continue; // a stream ends after five minutes by design
    failures = heard ? 0 : failures + 1;
    // A proxy that collects the stream lets single answers pass.
    for (let i = 0; problem?.name === "AbortError" && !heard && i < 30 && !signal.aborted; i++) {
      await read(path).then(hear, () => {});
      await pause(2000);
    }
    await pause(Math.min(15000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2));
    if (signal.aborted) return;
  }
}

// Shows the service of the address, or the first one.
function open() {
  const name = inAddress() || state.services?.[0]?.service || null;
  if (!state.me || name === state.service) return;
  Object.assign(state, nothingOf(name));
  paint();
  if (!name) return listening.abort();
  if (!inAddress()) history.replaceState(null, "", linkTo(name));
  listen();
  readSplit().then(readRollout).catch(complain);
}

// Asks who the sender is. It may be signed in without a token.
async function enter() {
  try {
    state.me = await call("GET", "whoami");
  } catch (problem) {
    if (problem.status === 401) return complain(problem);
    state.lost = problem;
    setTimeout(enter, 2000);
    return;
  }
  Object.assign(state, { host: !token, door: null, lost: null, listed: null });
  if (state.service) listen();
  await readDue(0);
}

// Reads what is due in this second.
async function readDue(second) {
  if (document.hidden || !can("read")) return;
  const due = [readStatus(), readSplit()];
  if (second % 2 === 0 && live()) due.push(readRollout());
  if (second % 5 === 0) due.push(readReplicas());
  if (second % 30 === 0) due.push(readHistory());
  await Promise.allSettled(due);
}

async function tick(second = 1) {
  await readDue(second);
  paint();
  setTimeout(tick, 1000, second + 1);
}
