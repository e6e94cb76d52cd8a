// Changes as data: the call of the API, and the same on the command line.
const path = (...names) => names.map(encodeURIComponent).join("/");
const inDeployment = (...names) => path("deployment", "services", ...names);
const inRouting = (...names) => path("routing", "services", ...names);

const change = (method, path, body, ...cli) => ({ method, path, body, cli });
const put = (...of) => change("PUT", ...of);
const post = (...of) => change("POST", ...of);
const option = (name, value) => (value ? [name, value] : []);

const changes = {
  weight: (service, version, weight) =>
    put(inDeployment(service, "versions", version, "weight"), { weight }, "weight", service, version, weight),
  weights(service, weights) {
    const pairs = Object.entries(weights).map(of => of.join("="));
    return put(inDeployment(service, "weights"), { weights }, "weight", service, ...pairs);
  },
  turn: (service, version) =>
    post(inDeployment(service, "versions", version, "switch"), null, "switch", service, version),
  restore: (service, generation) =>
    post(inDeployment(service, "restore"), { generation }, "restore", service, generation),
  redraw: service => post(inDeployment(service, "redraw"), null, "redraw", service),
  active: (service, version, active) =>
    put(inRouting(service, "versions", version), { active }, active ? "activate" : "deactivate", service, version),
  urls: (service, version, urls) =>
    put(inRouting(service, "versions", version), { urls }, "url", service, version, ...urls),
  remove: (service, version) =>
    change("DELETE", inRouting(service, "versions", version), null, "remove", service, version),
  register(service, { version, urls, weight, healthPath }) {
    const options = [...option("--weight", weight), ...option("--health", healthPath)];
    const body = { version, urls, weight: weight || undefined, healthPath: healthPath || undefined };
    return post(inRouting(service, "versions"), body, "register", service, version, ...urls, ...options);
  },
  // The plan of a rollout takes the place of the generation. Orders to a rollout name their step, if they need one.
  start(service, plan) {
    const { version, steps, hold } = plan;
    const options = [
      ...option("--steps", steps?.map(step => step.weight ?? step).join(",")),
      ...option("--hold", hold),
      ...option("--gate", steps?.[0].gates?.[0]),
    ];
    const made = post(inDeployment(service, "rollouts"), plan, "rollout", "start", service, version, ...options);
    return { ...made, plain: true };
  },
  order(service, id, verb, step) {
    const body = step == null ? null : { step };
    const made = post(inDeployment(service, "rollouts", id, verb), body, "rollout", verb, service);
    return { ...made, cli: step == null ? made.cli : [...made.cli, step], plain: true };
  },
};

// The generation that a change expects.
const guard = (change, generation) => (change.plain ? null : generation);

// The line of the command line tool that makes the same change.
function command(change, { generation, reason } = {}) {
  const options = [...option("--if-generation", guard(change, generation)), ...option("--reason", reason)];
  return ["canary", ...change.cli, ...options].map(word => quoted(String(word))).join(" ");
}

// The same call by curl. The token stays in a variable of the shell.
function curl(change, api, { generation, reason } = {}) {
  const body = bodyOf(change, reason);
  const expected = guard(change, generation);
  const words = ["curl -X", change.method, quoted(api + change.path), '-H "authorization: Bearer $CANARY_TOKEN"'];
  if (expected) words.push(`-H 'if-match: "${expected}"'`);
  if (body) words.push("-H 'content-type: application/json' -d", quoted(JSON.stringify(body)));
  return words.join(" ");
}

const bodyOf = ({ body }, reason) => (body || reason ? { ...body, reason: reason || undefined } : undefined);
