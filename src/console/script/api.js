// Calls of the admin API. Nothing here knows the page.
const meta = name => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

// The address of the API. The page may be mounted with a slash at its end or without.
const api = String(new URL(`${meta("canary-api")}/`, location.origin + location.pathname.replace(/\/?$/, "/")));

// The token lives in this variable, and in the storage of the tab only if its user wants that.
let token = sessionStorage.getItem("canary-token");

function keep(secret, stored) {
  token = secret;
  if (stored) sessionStorage.setItem("canary-token", secret);
  else sessionStorage.removeItem("canary-token");
}

class Problem extends Error {
  constructor(status, fields) {
    super(fields.title);
    Object.assign(this, fields, { status });
  }
}

const nowhere = status => new Problem(status, { title: "No admin API", detail: `No admin API answers at ${api}.` });

async function request(method, path, { body, generation, query, etag, accept, signal } = {}) {
  const url = new URL(path, api);
  for (const [name, value] of Object.entries(query ?? {})) if (value) url.searchParams.set(name, value);
  const headers = { accept: accept ?? "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  if (generation != null) headers["if-match"] = `"${generation}"`;
  if (etag) headers["if-none-match"] = etag;
  try {
    return await fetch(url, {
      method,
      headers,
      body: body && JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      signal: signal ?? AbortSignal.timeout(20000),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {
      title: "The gateway cannot be reached",
      detail: "Nothing is known of this call. The page tries again.",
    });
  }
}

// The answer as JSON, `null` for one that the page has already. Everything else is a problem.
async function call(method, path, options = {}) {
  const answer = await request(method, path, options);
  if (answer.status === 304) return null;
  const json = await answer.json().catch(() => null);
  if (!json) throw nowhere(answer.status);
  if (!answer.ok) throw new Problem(answer.status, { title: `Status ${answer.status}`, detail: "", ...json });
  return options.withTag ? { json, etag: answer.headers.get("etag") } : json;
}

// Gives each event of a stream to `take`, until the stream ends. `silence`: no event came for that time, in milliseconds.
async function follow(path, { take, silence, signal }) {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  let timer = setTimeout(() => stop.abort(), silence);
  const answer = await request("GET", path, { accept: "text/event-stream", signal: all });
  if (!answer.ok) throw new Problem(answer.status, (await answer.json().catch(() => null)) ?? nowhere(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const read = eventsOf(rest + value);
      rest = read.rest;
      if (!read.events.length) continue;
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), silence);
      for (const event of read.events) take(JSON.parse(event.data));
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
