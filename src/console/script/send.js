// Changes on their way to the API.
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
  say(resultOf(answer));
  // The change is made: a read that fails now is no failure of it, and other reads follow.
  await Promise.allSettled([readSplit(), change.plain && readRollout()]);
}

// After a refusal the history has another entry, and the split may be another.
async function readAfter(problem) {
  if (problem.status === 401) return complain(problem);
  await Promise.all([readHistory(), problem.status === 412 && readSplit()]).catch(complain);
}

const check = version => call("POST", inDeployment(state.service, "versions", version, "check"));
