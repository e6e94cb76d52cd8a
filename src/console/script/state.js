// All that the page knows. Views read it, and only the functions of `act`, `read` and `live` change it.
const state = {
  door: null, // the reason to ask for a token, "" for the first time
  host: false, // the host has signed the person in
  me: null,
  status: null,
  lost: null, // the problem of the last call, if the gateway could not be reached
  replicas: null,
  seen: new Map(), // when each gateway was there last
  services: null,
  listed: null, // the revision of the list
  next: null, // set if the list has more services than the page
  filter: "",
  waits: new Set(),
  said: null,
  window: "60s",
  curl: false,
  key: "",
  skew: 0, // the clock of the gateway beside that of the browser
  ...nothingOf(null),
};

// What is known of a service before anything was read.
function nothingOf(service) {
  return {
    service,
    split: null,
    traffic: null,
    heard: 0,
    rates: new Map(), // the points of the spark lines
    history: null,
    way: null, // the name of the version to go back to
    rollout: null,
    drained: false,
    draft: null,
    dialog: null,
    explained: null,
  };
}

const now = () => Date.now() + state.skew;
const versionsNow = () => state.split?.versions ?? [];
const version = name => named(versionsNow(), name);
const doing = name => named(state.traffic?.versions, name);
const drafted = of => state.draft?.weights[of.version] ?? of.weight;
const can = scope => state.me?.scopes.includes(`canary:${scope}`);
const isOld = () => state.heard > 0 && performance.now() - state.heard > 6000;
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
  return state.status?.stale ? "The store cannot be reached." : null;
}

// The service in the address, which may be anything.
function inAddress() {
  const [name] = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

const linkTo = service => `#/${encodeURIComponent(service)}`;

let painted = false;
// Draws the page with the next frame. Each answer of the API and each event of the page does that.
function paint() {
  if (painted) return;
  painted = true;
  requestAnimationFrame(() => {
    painted = false;
    show();
  });
}

function say(text) {
  state.said = { text };
  paint();
}

// Tells a problem, and leads back to the sign-in if that is the problem.
function complain(problem) {
  if (problem.status === 401)
    out(token || state.me ? "This sign-in was not accepted or has expired." : (state.door ?? ""));
  else if (problem.name !== "AbortError")
    state.said = { title: "This page has a defect", detail: String(problem), ...problem };
  paint();
}

function out(reason) {
  keep(null);
  listening.abort();
  Object.assign(state, { door: reason, me: null, host: false });
}
