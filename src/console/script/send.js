// Changes on their way to the API, and their results in words.
const DELAY = 150; // from the last key to the preview, in milliseconds

function send(change, { generation, reason, ...query }) {
  return call(change.method, change.path, {
    body: bodyOf(change, reason),
    generation: guard(change, generation),
    query,
  });
}

// Makes a change, waits until the gateways serve it, and says so.
async function make(change, options) {
  const waits = !change.plain && state.traffic?.replica != null;
  const answer = await send(change, { ...options, ...(waits && { wait: "converged", timeout: "5s" }) });
  say(outcome(answer));
  await Promise.all([readSplit(), change.plain && readRollout()]);
}

// After a refusal the history has another entry, and the split may be another.
async function readAfter(problem) {
  if (problem.status === 401) return complain(problem);
  await Promise.all([readHistory(), problem.status === 412 && readSplit()]).catch(complain);
}

function outcome({ generation, convergence, probes, phase, version, outcome }) {
  if (phase) return `The rollout of ${version}: ${outcome ?? phase}.`;
  const parts = [`Generation ${generation}`];
  if (convergence) parts.push(`served ${convergence.serving.length ? `by ${list(convergence.serving)}` : "here"}`);
  if (convergence?.waiting.length) parts.push(`not yet by ${list(convergence.waiting)}`);
  return `${[...parts, ...(probes ?? []).map(probed)].join(", ")}.`;
}

const probed = ({ url, healthy, status, latencyMs, cause }) =>
  `${bare(url)} ${healthy ? `${status} in ${latencyMs} ms` : cause}`;

// The result of a probe, or what was refused, in words.
const probesOf = ({ probes, detail }) =>
  probes?.length ? probes.map(probed).join(", ") : (detail ?? "this gateway does not probe");

const check = version => call("POST", inDeployment(state.service, "versions", version, "check"));
