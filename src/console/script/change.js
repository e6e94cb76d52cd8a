// Changes as data: the call of the API, and the same on the command line.
const inDeployment = (service, ...rest) =>
  ["deployment", "services", service, ...rest].map(encodeURIComponent).join("/");
const inRouting = (service, ...rest) => ["routing", "services", service, ...rest].map(encodeURIComponent).join("/");

const changes = {
  weight: (service, version, weight) => ({
    method: "PUT",
    path: inDeployment(service, "versions", version, "weight"),
    body: { weight },
    cli: ["weight", service, version, String(weight)],
  }),
  weights: (service, weights) => ({
    method: "PUT",
    path: inDeployment(service, "weights"),
    body: { weights },
    cli: ["weight", service, ...Object.entries(weights).map(([version, weight]) => `${version}=${weight}`)],
  }),
  turn: (service, version) => ({
    method: "POST",
    path: inDeployment(service, "versions", version, "switch"),
    cli: ["switch", service, version],
  }),
  restore: (service, generation) => ({
    method: "POST",
    path: inDeployment(service, "restore"),
    body: { generation },
    cli: ["restore", service, String(generation)],
  }),
  redraw: service => ({ method: "POST", path: inDeployment(service, "redraw"), cli: ["redraw", service] }),
  active: (service, version, active) => ({
    method: "PUT",
    path: inRouting(service, "versions", version),
    body: { active },
    cli: [active ? "activate" : "deactivate", service, version],
  }),
  urls: (service, version, urls) => ({
    method: "PUT",
    path: inRouting(service, "versions", version),
    body: { urls },
    cli: ["url", service, version, ...urls],
  }),
  remove: (service, version) => ({
    method: "DELETE",
    path: inRouting(service, "versions", version),
    cli: ["remove", service, version],
  }),
  register: (service, { version, urls, weight, healthPath }) => ({
    method: "POST",
    path: inRouting(service, "versions"),
    body: { version, urls, ...(weight && { weight }), ...(healthPath && { healthPath }) },
    cli: [
      "register",
      service,
      version,
      ...urls,
      ...(weight ? ["--weight", String(weight)] : []),
      ...(healthPath ? ["--health", healthPath] : []),
    ],
  }),
  // The plan of a rollout takes the place of the generation. Orders to a rollout name their step, if they need one.
  start: (service, plan) => ({
    method: "POST",
    path: inDeployment(service, "rollouts"),
    body: plan,
    plain: true,
    cli: [
      "rollout",
      "start",
      service,
      plan.version,
      ...(plan.steps ? ["--steps", plan.steps.map(step => step.weight ?? step).join(",")] : []),
      ...(plan.hold ? ["--hold", plan.hold] : []),
      ...(plan.steps?.[0].gates ? ["--gate", plan.steps[0].gates[0]] : []),
    ],
  }),
  order: (service, id, verb, step) => ({
    method: "POST",
    path: inDeployment(service, "rollouts", id, verb),
    plain: true,
    ...(step != null && { body: { step } }),
    cli: ["rollout", verb, service, ...(step != null ? [String(step)] : [])],
  }),
};

// The line of the command line tool that makes the same change.
function command(change, { generation, reason } = {}) {
  const guard = generation == null || change.plain ? [] : ["--if-generation", String(generation)];
  return ["canary", ...change.cli, ...guard, ...(reason ? ["--reason", reason] : [])].map(quoted).join(" ");
}

// The same call by curl. The token stays in a variable of the shell.
function curl(change, api, { generation, reason } = {}) {
  const body = bodyOf(change, reason);
  const headers = ['-H "authorization: Bearer $CANARY_TOKEN"'];
  if (body) headers.push("-H 'content-type: application/json'");
  if (generation != null && !change.plain) headers.push(`-H 'if-match: "${generation}"'`);
  return [
    "curl",
    "-X",
    change.method,
    quoted(api + change.path),
    ...headers,
    ...(body ? ["-d", quoted(JSON.stringify(body))] : []),
  ].join(" ");
}

function bodyOf(change, reason) {
  return change.body || reason ? { ...change.body, ...(reason && { reason }) } : undefined;
}
