// What follows from the answers of the API. Nothing here knows the page.
const LADDER = [0, 1, 5, 10, 25, 50, 75, 100];

// Versions are listed in the order of their registration, the oldest first.
const named = (versions, name) => versions?.find(of => of.version === name);

// In service first, then the heaviest, then the latest.
const ordered = versions => [...versions].reverse().sort((a, b) => b.isActive - a.isActive || b.weight - a.weight);
const heaviest = versions => versions.reduce((most, of) => (of.weight > (most?.weight ?? 0) ? of : most), null);
const serving = versions => versions.filter(of => of.weight > 0);

// The version that comes: in service, with a part of the traffic, and registered last.
const newest = versions => versions.findLast(of => of.isActive && of.weight > 0 && of.weight < 100);
const leading = versions => newest(versions) ?? heaviest(versions);

// The version of the way back: the heaviest before, other than the one that leads now, and older.
function back(versions, history) {
  const lead = versions.indexOf(leading(versions));
  for (const { before } of history) {
    const most = heaviest(Object.entries(before).map(([version, of]) => ({ version, weight: of.weight })));
    const is = named(versions.slice(0, Math.max(0, lead)), most?.version);
    if (is) return is;
  }
  return null;
}

// The hue of each version: the new one has its own, and the others keep theirs when their weights cross.
function hues(versions) {
  const fresh = newest(versions);
  const others = ordered(versions).filter(of => of !== fresh);
  const own = others.map((of, i) => [of.version, !of.isActive ? "h9" : ["h0", "h2", "h3"][i % 3]]);
  return new Map(fresh ? [...own, [fresh.version, "h1"]] : own);
}

function phase(versions) {
  const fresh = newest(versions);
  const some = serving(versions);
  if (!some.length) return { word: "no active version" };
  if (!fresh) return { word: "steady", more: `${some[0].version} has all traffic` };
  if (fresh.weight > 50 && some.length > 2) return { word: `split between ${some.length} versions` };
  return { word: `rolling out ${fresh.version}`, more: `at ${percent(fresh.weight)}`, fresh };
}

// The step of the ladder below or above a weight.
const less = weight => LADDER.findLast(step => step < weight) ?? 0;
const more = weight => LADDER.find(step => step > weight) ?? 100;

const failed = rates => (rates ? rates["5xx"] + rates.error : null);
const windowOf = (of, name) => of?.windows.find(window => window.window === name);

// The interval in which the share lies with 95 %: Wilson's, as the API computes it.
function wilson(hits, of) {
  const z = 1.96;
  const p = hits / of;
  const d = 1 + (z * z) / of;
  const middle = (p + (z * z) / (2 * of)) / d;
  const wide = (z / d) * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of));
  return { low: 100 * Math.max(0, middle - wide), high: 100 * Math.min(1, middle + wide) };
}

// The inner edges of the observed bar, each with its interval. With two versions it is the API's own.
function edges(windows) {
  const shares = windows.map(window => window.share);
  if (!shares.every(Boolean)) return [];
  if (shares.length === 2) return [{ at: shares[0].observed, low: shares[0].low, high: shares[0].high }];
  let sum = 0;
  return windows.slice(0, -1).map(({ requests, share }) => {
    sum += requests;
    return { at: (100 * sum) / share.of, ...wilson(sum, share.of) };
  });
}

// Whether requests follow the weights. `settled` says whether the last change is older than the window.
function verdict(versions, traffic, name, settled) {
  const shareOf = of => windowOf(named(traffic?.versions, of?.version), name)?.share;
  const lead = leading(versions);
  const is = { version: lead?.version, share: shareOf(lead) };
  if (!is.share) return { kind: "quiet" };
  if (!settled) return { kind: "settling", ...is };
  const shares = versions.map(of => ({ weight: of.weight, ...shareOf(of) }));
  const off = shares.some(({ weight, low, high }) => weight < low - 0.005 || weight > high + 0.005);
  return off ? { kind: "off", ...is, cause: cause(traffic, name) } : { kind: "ok", ...is };
}

const CAUSES = {
  pin: "were held by a pin and stay where they are",
  override: "asked for their version by name",
  failover: "were sent on after a failure",
};

// The rule that kept most requests from the draw.
function cause(traffic, name) {
  const windows = traffic.versions.map(of => windowOf(of, name)).filter(Boolean);
  const sum = of => windows.reduce((all, window) => all + (of(window) ?? 0), 0);
  const kept = rule => sum(window => window.picks?.[rule]);
  const [rule] = Object.keys(CAUSES).sort((a, b) => kept(b) - kept(a));
  const share = (100 * kept(rule)) / sum(window => window.requests);
  return kept(rule) ? `${part(share, 30, 0)} ${CAUSES[rule]}` : "look at the replicas";
}

// Whether no gateway uses a version. One that reports to no store knows of no other. `null` is "not known", and not "yes".
const isDrained = ({ drained, drainedEverywhere = drained }) => drainedEverywhere === true;

// The state of a version in words.
function badge(of, does, versions) {
  if (!does) return null;
  if (of.weight > 0) return of === newest(versions) ? { text: "new", kind: "new h1" } : { text: "serving" };
  const later = serving(versions).every(other => versions.indexOf(other) < versions.indexOf(of));
  if (of.isActive && does.total.requests === 0 && later) return { text: "ready" };
  const elsewhere = (does.elsewhere ?? []).map(other => `also ${other.replica}`);
  if (does.state === "draining") {
    const pinned = of.isActive && "pinned users may still come: take it out of service";
    const why = [does.inFlight ? `${does.inFlight} in flight` : pinned, ...elsewhere].filter(Boolean).join(", ");
    return { text: why ? `draining: ${why}` : "draining", kind: "warn" };
  }
  if (isDrained(does)) return { text: "may be stopped", kind: "ok" };
  if (does.drainedEverywhere === null) elsewhere.push("others not known");
  return { text: ["drained here", ...elsewhere].join(", "), kind: "warn" };
}

// A change that was made, or a rollout after an order, in words.
function resultOf({ generation, convergence: { serving, waiting = [] } = {}, probes, phase, version, outcome }) {
  if (phase) return `The rollout of ${version}: ${outcome ?? phase}.`;
  const parts = [`Generation ${generation}`];
  if (serving) parts.push(`served ${serving.length ? `by ${list(serving)}` : "here"}`);
  // null: the change is made, and then the store could not be read.
  if (!waiting) parts.push("others not known");
  else if (waiting.length) parts.push(`not yet by ${list(waiting)}`);
  return `${[...parts, ...(probes ?? []).map(probed)].join(", ")}.`;
}

const probed = ({ url, healthy, status, latencyMs, cause }) =>
  `${bare(url)} ${healthy ? `${status} in ${latencyMs} ms` : cause}`;

// The results of probes in words, or of a refused change why it was refused.
const probesOf = ({ probes, detail }) =>
  probes?.length ? probes.map(probed).join(", ") : (detail ?? "this gateway does not probe");

// What a change did, in words.
function story({ change, version, before, after, settingsAfter }) {
  const moved = Object.keys(after).filter(name => before[name] && before[name].weight !== after[name].weight);
  const moves = moved
    .sort((a, b) => (b === version) - (a === version))
    .map(name => `${name} ${short(before[name].weight)} → ${percent(after[name].weight)}`);
  const words = {
    register: `registered ${version}`,
    activate: `took ${version} into service`,
    deactivate: `took ${version} out of service`,
    remove: `removed ${version}`,
    redraw: "drew the pinned users again",
    "remove-service": "removed the service",
    "set-health-path": `health path ${settingsAfter?.healthPath ?? "removed"}`,
    restore: "restored an earlier generation",
  };
  if (words[change]) return [words[change], ...moves].join(", ");
  return moves[0] ?? `${change} ${version ?? ""}`.trim();
}

// Changes and refusals, the latest first. A refusal older than the page of changes waits for its page.
function events({ history, refused, nextBefore }) {
  const oldest = nextBefore == null ? "" : (history.at(-1)?.at ?? "");
  const kept = refused.filter(of => of.at >= oldest);
  return [...history, ...kept].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
}

function sentence(moves) {
  if (!moves?.length) return "No user with a key moves.";
  const name = version => version ?? "no version";
  const words = moves.map(of => `${percent(of.users)} of users move from ${name(of.from)} to ${name(of.to)}`);
  return `${list(words)}, nobody else.`;
}

// The second line of a service in the list.
function summary(versions) {
  const fresh = newest(versions);
  if (fresh) return `${fresh.version} ${percent(fresh.weight)}`;
  return heaviest(versions)?.version ?? "no version";
}

const left = (until, now) => (until ? ` for ${span((Date.parse(until) - now) / 1000)}` : "");

// Instances in words: how many, and those that are out.
function instances(of, now) {
  const out = of.instances?.filter(it => it.state === "down" || it.state === "ejected") ?? [];
  const words =
    out.length > 1 ? `${out.length} out of service` : out.map(it => `1 ${it.state}${left(it.until, now)}`)[0];
  return { all: plural(of.urls.length, "instance"), out: words ?? "" };
}

// The part of server-sent events that is complete, and the rest of the text.
function eventsOf(text) {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop();
  const events = blocks.map(block => {
    const lines = name => block.split("\n").filter(line => line.startsWith(`${name}:`));
    const field = name => lines(name).map(line => line.slice(name.length + 1).replace(/^ /, ""));
    return { event: field("event")[0] ?? "message", data: field("data").join("\n") };
  });
  return { events: events.filter(of => of.data), rest };
}
