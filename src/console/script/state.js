// All that the page knows. Views read it, and only the functions of `act`, `read` and `live` change it.
const state = {
  door: null, // the reason to ask for a token, "" for the first time
  host: false, // the host has signed the person in
  me: null,
  status: null,
  replicas: null,
  seen: new Map(),
  lost: null,
  services: null,
  listed: null,
  next: null,
  filter: "",
  service: null,
  split: null,
  tag: null,
  traffic: null,
  heard: 0,
  rings: new Map(),
  totals: new Map(),
  history: null,
  way: null, // the name of the version to go back to
  rollout: null,
  waits: new Set(),
  drained: false,
  draft: null,
  dialog: null,
  said: null,
  window: "60s",
  curl: false,
  key: "",
  explained: null,
  skew: 0,
};

const now = () => Date.now() + state.skew;
const versionsNow = () => state.split?.versions ?? [];
const version = name => versionsNow().find(of => of.version === name);
const doing = name => state.traffic?.versions.find(of => of.version === name);
const drafted = of => state.draft?.weights[of.version] ?? of.weight;
const can = scope => state.me?.scopes.includes(`canary:${scope}`);
const isOld = () => state.heard > 0 && performance.now() - state.heard > 6000;
const isDown = () => Boolean(state.status?.stale || state.lost);
const live = () => state.rollout && state.rollout.phase !== "over";

// The versions as they are, or as the draft makes them if no version is new now: its colour is that of the new one.
function ground() {
  const versions = versionsNow();
  return newest(versions) ? versions : versions.map(of => ({ ...of, weight: drafted(of) }));
}

// Why nothing can be changed now. `null`: it can.
function barred() {
  if (!can("write")) return "This sign-in has no scope canary:write.";
  if (state.lost) return "The gateway cannot be reached.";
  if (state.status?.stale) return "The store cannot be reached.";
  return state.split ? null : "The service is not loaded yet.";
}

// The service in the address, which may be anything.
function named() {
  const [name] = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

let painted = false;
function paint() {
  if (painted) return;
  painted = true;
  requestAnimationFrame(() => {
    painted = false;
    show();
  });
}

function say(text) {
  state.said = { kind: "ok", text };
  paint();
}

// Tells a problem, and leads back to the sign-in if that is the problem.
function complain(problem) {
  if (problem.name === "AbortError") return;
  if (problem.status === 401) {
    if (token || state.me) out("This sign-in was not accepted or has expired.");
    else out(state.door ?? "");
    return;
  }
  state.said = {
    kind: "bad",
    title: problem.title ?? "This page has a defect",
    text: problem.detail ?? String(problem),
  };
  paint();
}

function out(reason) {
  keep(null);
  listening.abort();
  Object.assign(state, { door: reason, me: null, host: false });
  paint();
}
