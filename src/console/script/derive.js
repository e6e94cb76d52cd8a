// What follows from the answers of the API. Nothing here knows the page.
const LADDER = [0, 1, 5, 10, 25, 50, 75, 100];

// Versions are listed in the order of their registration, the oldest first.

// In service first, then the heaviest, then the latest.
const ordered = versions => [...versions].reverse().sort((a, b) => b.isActive - a.isActive || b.weight - a.weight);
const heaviest = versions => versions.reduce((most, of) => (of.weight > (most?.weight ?? 0) ? of : most), null);
const serving = versions => versions.filter(of => of.weight > 0);

// The version that comes: in service, with a part of the traffic, and registered last.
function newest(versions) {
  const some = versions.filter(of => of.isActive && of.weight > 0 && of.weight < 100);
  return some.at(-1) ?? null;
}

// The version of the way back: the heaviest before, other than the one that leads now, and older.
function back(versions, history) {
  const lead = newest(versions) ?? heaviest(versions);
  for (const { before } of lead ? history : []) {
    const most = heaviest(Object.entries(before).map(([version, of]) => ({ version, weight: of.weight })));
    const is = most && versions.find(of => of.version === most.version);
    if (is && versions.indexOf(is) < versions.indexOf(lead)) return is;
  }
  return null;
}

// The hue of each version: the new one has its own, and the others keep theirs when their weights cross.
function hues(versions) {
  const fresh = newest(versions);
  const others = ordered(versions).filter(of => of !== fresh);
  const own = new Map(others.map((of, i) => [of.version, !of.isActive ? "h9" : ["h0", "h2", "h3"][i % 3]]));
  return fresh ? own.set(fresh.version, "h1") : own;
}

function phase(versions) {
  const fresh = newest(versions);
  const some = serving(versions);
  if (!some.length) return { word: "no active version" };
  if (some.length === 1) return { word: "steady", more: `${some[0].version} has all traffic` };
  const split = { word: `split between ${some.length} versions` };
  return fresh.weight <= 50 || some.length === 2
    ? { word: `rolling out ${fresh.version}`, more: `at ${percent(fresh.weight)}`, fresh }
    : split;
}

// The step of the ladder below or above a weight.
const less = weight => LADDER.findLast(step => step < weight) ?? 0;
const more = weight => LADDER.find(step => step > weight) ?? 100;

const failed = rates => (rates ? rates["5xx"] + rates.error : null);
const windowOf = (of, name) => of?.windows.find(window => window.window === name);

// The interval in which the share lies with 95 %: Wilson's, as the API computes it.
function wilson(hits, of) {
  const z = 1.96,
    p = hits / of,
    d = 1 + (z * z) / of;
  const middle = (p + (z * z) / (2 * of)) / d;
  const wide = (z / d) * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of));
  return { low: 100 * Math.max(0, middle - wide), high: 100 * Math.min(1, middle + wide) };
}

// The inner edges of the observed bar, each with its interval. With two versions it is the API's own.
function edges(windows) {
  const shares = windows.map(window => window.share);
  if (shares.some(share => !share)) return [];
  if (shares.length === 2) return [{ at: shares[0].observed, low: shares[0].low, high: shares[0].high }];
  let sum = 0;
  return windows.slice(0, -1).map(window => {
    sum += window.requests;
    return { at: (100 * sum) / window.share.of, ...wilson(sum, window.share.of) };
  });
}

// Whether requests follow the weights. `settled` says whether the last change is older than the window.
function verdict(versions, traffic, name, settled) {
  const lead = newest(versions) ?? heaviest(versions);
  const window = windowOf(
    traffic?.versions.find(of => of.version === lead?.version),
    name,
  );
  if (!window?.share) return { kind: "quiet" };
  const seen = { version: lead.version, share: window.share };
  if (!settled) return { kind: "settling", ...seen };
  const windows = versions.map(of => [
    of,
    windowOf(
      traffic.versions.find(it => it.version === of.version),
      name,
    )?.share,
  ]);
  const off = windows.some(([of, share]) => share && (of.weight < share.low - 0.005 || of.weight > share.high + 0.005));
  return off ? { kind: "off", ...seen, cause: cause(traffic, name) } : { kind: "ok", ...seen };
}

// The rule that kept most requests from the draw.
function cause(traffic, name) {
  const windows = traffic.versions.map(of => windowOf(of, name)).filter(Boolean);
  const sum = rule => windows.reduce((all, window) => all + (window.picks?.[rule] ?? 0), 0);
  const total = windows.reduce((all, window) => all + window.requests, 0);
  const words = {
    pin: "were held by a pin and stay where they are",
    override: "asked for their version by name",
    failover: "were sent on after a failure",
  };
  const [rule] = Object.keys(words).sort((a, b) => sum(b) - sum(a));
  return sum(rule) ? `${part((100 * sum(rule)) / total, 30, 0)} ${words[rule]}` : "look at the replicas";
}

// The state of a version in words.
function badge(of, does, versions) {
  const elsewhere = (does?.elsewhere ?? []).map(other => `also ${other.replica}`);
  if (!does) return null;
  if (of.weight > 0) return of === newest(versions) ? { text: "new", kind: "new h1" } : { text: "serving", kind: "" };
  const later = serving(versions).every(other => versions.indexOf(other) < versions.indexOf(of));
  if (of.isActive && does.total.requests === 0 && later) return { text: "ready", kind: "" };
  if (does.state === "draining") {
    const text = does.inFlight
      ? `${does.inFlight} in flight`
      : of.isActive && "pinned users may still come: take it out of service";
    return { text: `draining${text ? ": " : ""}${[text, ...elsewhere].filter(Boolean).join(", ")}`, kind: "warn" };
  }
  if (does.drainedEverywhere === null) return { text: "drained here, others not known", kind: "warn" };
  if (does.drainedEverywhere ?? does.drained) return { text: "may be stopped", kind: "ok" };
  return { text: ["drained here", ...elsewhere].join(", "), kind: "warn" };
}

// What a change did, in words.
function story({ change, version, before, after, settingsAfter }) {
  const moved = Object.keys(after).filter(name => before[name] && before[name].weight !== after[name].weight);
  const moves = moved
    .sort((a, b) => (b === version) - (a === version))
    .map(name => `${name} ${short(before[name].weight, 2)} → ${percent(after[name].weight)}`);
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
  const text = words[change] ?? (moves.length ? "" : `${change} ${version ?? ""}`.trim());
  return [text, ...(text ? moves : moves.slice(0, 1))].filter(Boolean).join(", ");
}

// Changes and refusals, the latest first. A refusal older than the page of changes waits for its page.
function events({ history, refused, nextBefore }) {
  const oldest = nextBefore == null ? "" : (history.at(-1)?.at ?? "");
  const kept = refused.filter(of => of.at >= oldest);
  return [...history, ...kept].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
}

function sentence(moves) {
  if (!moves?.length) return "No user with a key moves.";
  const words = moves.map(
    of => `${percent(of.users)} of users move from ${of.from ?? "no version"} to ${of.to ?? "no version"}`,
  );
  return `${list(words)}, nobody else.`;
}

// The second line of a service in the list.
function summary(versions) {
  const fresh = newest(versions);
  if (fresh) return `${fresh.version} ${percent(fresh.weight)}`;
  return heaviest(versions)?.version ?? "no version";
}

// Instances in words: how many, and those that are out.
function instances(of, now) {
  const out = (of.instances ?? []).filter(it => it.state === "down" || it.state === "ejected");
  const words = out.map(it => `1 ${it.state}${it.until ? ` for ${span((Date.parse(it.until) - now) / 1000)}` : ""}`);
  const grouped = out.length > 1 ? [`${out.length} out of service`] : words;
  return { all: plural(of.urls.length, "instance"), out: grouped[0] ?? "" };
}

// The part of server-sent events that is complete, and the rest of the text.
function eventsOf(text) {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop();
  const field = (block, name) =>
    block
      .split("\n")
      .filter(line => line.startsWith(`${name}:`))
      .map(line => line.slice(name.length + 1).replace(/^ /, ""));
  const read = blocks.map(block => ({
    event: field(block, "event")[0] ?? "message",
    data: field(block, "data").join("\n"),
  }));
  return { events: read.filter(of => of.data), rest };
}
