// Calls of the admin API.
const meta = name => document.querySelector(`meta[name="canary-${name}"]`).content;

// The address of the API. The page may be mounted with a slash at its end or without.
const api = String(new URL(`${meta("api")}/`, location.origin + location.pathname.replace(/\/?$/, "/")));

// The token lives in this variable, and in the storage of the tab only if its user wants that.
let token = sessionStorage.getItem("canary-token");

function keep(secret, stored) {
  token = secret;
  if (stored) sessionStorage.setItem("canary-token", secret);
  else sessionStorage.removeItem("canary-token");
}

const nowhere = { title: "No admin API", detail: `No admin API answers at ${api}.` };
const unreachable = {
  status: 0,
  title: "The gateway cannot be reached",
  detail: "Nothing is known of this call. The page tries again.",
};

async function request(method, path, { body, generation, query, accept = "application/json", signal } = {}) {
  const url = new URL(path, api);
  for (const [name, value] of Object.entries(query ?? {})) if (value) url.searchParams.set(name, value);
  const headers = { accept };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  if (generation) headers["if-match"] = `"${generation}"`;
  signal ??= AbortSignal.timeout(20000);
  try {
    return await fetch(url, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable;
  }
}

// The answer as JSON. One that is no success is thrown, with its status: it is a problem document.
async function call(method, path, options) {
  try {
    return await jsonOf(await request(method, path, options));
  } finally {
    paint();
  }
}

async function jsonOf(answer) {
  const json = await answer.json().catch(() => nowhere);
  if (!answer.ok || json === nowhere)
    throw { title: `Status ${answer.status}`, detail: "", ...json, status: answer.status };
  return json;
}

// Gives each event of a stream to `take`, until the stream ends. `silence`: no event came for that time, in milliseconds.
async function follow(path, { take, silence, signal }) {
  const stop = new AbortController();
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), silence);
  };
  wait();
  try {
    const both = AbortSignal.any([signal, stop.signal]);
    const answer = await request("GET", path, { accept: "text/event-stream", signal: both });
    if (!answer.ok) await jsonOf(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const read = eventsOf(rest + value);
      rest = read.rest;
      if (read.events.length) wait();
      for (const event of read.events) take(JSON.parse(event.data));
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
