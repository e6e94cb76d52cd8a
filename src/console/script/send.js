// Changes on their way to the API, and their results in words.
const DELAY = 150; // from the last key to the preview, in milliseconds

function send(change, { generation, reason, dryRun, force, settle } = {}) {
  const wait = settle && !change.plain && state.traffic?.replica != null;
  const query = { dryRun, force, wait: wait && "converged", timeout: wait && "5s" };
  return call(change.method, change.path, {
    body: bodyOf(change, reason),
    generation: change.plain ? null : generation,
    query,
  });
}

// The gateways that serve a change, in words.
function outcome(answer) {
  const { generation, convergence, probes } = answer;
  if (answer.phase) return `The rollout of ${answer.version}: ${answer.outcome ?? answer.phase}.`;
  const waiting = convergence?.waiting ?? [];
  const parts = [`Generation ${generation}`];
  if (convergence) parts.push(convergence.serving.length ? `served by ${list(convergence.serving)}` : "served here");
  if (waiting.length) parts.push(`not yet by ${list(waiting)}`);
  for (const probe of probes ?? []) parts.push(probed(probe));
  return `${parts.join(", ")}.`;
}

const probed = probe =>
  `${bare(probe.url)} ${probe.healthy ? `${probe.status} in ${probe.latencyMs} ms` : probe.cause}`;

const probesOf = ({ probes, detail }) =>
  probes?.length ? probes.map(probed).join(", ") : (detail ?? "this gateway does not probe");

async function make(change, options) {
  const answer = await send(change, { ...options, settle: true });
  say(outcome(answer));
  await Promise.all([readSplit(), change.plain && readRollout()]);
  return answer;
}
