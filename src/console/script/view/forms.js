// Dialogs with fields: what they hold makes the change.
function field(dialog, { name, label, help, rows, type, ...props }) {
  const key = type === "checkbox" ? "checked" : "value";
  const oninput = event => {
    dialog.values[name] = event.target[key];
    remake(dialog);
  };
  const held = { [key]: dialog.values[name], oninput };
  const input = h(rows ? "textarea" : "input", {
    type,
    rows,
    autocomplete: "off",
    spellcheck: "false",
    ...props,
    ...held,
  });
  return h("label", { key: name }, key === "checked" ? [input, label] : [label, input], help && h("small", help));
}

const lines = text => (text ?? "").split(/[\s,]+/).filter(Boolean);
const urlsField = props => ({ name: "urls", label: "Base URLs, one a line", ...props });

function register(service) {
  ask({
    title: "Register a version",
    label: "Register",
    generation: null,
    values: { service },
    make: ({ service, version = "", urls, weight, healthPath }) =>
      changes.register(service, { version, urls: lines(urls), weight: Number(weight), healthPath }),
    wrong: values => {
      if (!values.service) return "The service is missing.";
      if (!values.version) return "The version is missing.";
      return lines(values.urls).length ? null : "A base URL is missing.";
    },
    fields: fieldsOfVersion(service),
  });
}

const fieldsOfVersion = service => [
  { name: "service", label: "Service", autofocus: !service },
  { name: "version", label: "Version", autofocus: Boolean(service), placeholder: "v1.2" },
  urlsField({ rows: 2, placeholder: "http://10.0.0.7:8080" }),
  {
    name: "weight",
    label: "Weight in percent",
    type: "number",
    min: 0,
    max: 100,
    step: "any",
    placeholder: "0",
    help: "Without a weight it gets no traffic, unless it is the first version of its service.",
  },
  {
    name: "healthPath",
    label: "Path of health probes",
    placeholder: "/healthz",
    help: "Empty: the path of the service stays.",
  },
];

function changeUrls({ version, urls }) {
  ask({
    title: `Change the URLs of ${version}`,
    label: "Change",
    values: { urls: urls.join("\n") },
    make: values => changes.urls(state.service, version, lines(values.urls)),
    wrong: values => (lines(values.urls).length ? null : "A version keeps at least one URL."),
    fields: [
      urlsField({
        rows: 4,
        autofocus: true,
        help: "They replace the present ones. New ones are probed, if the version has traffic.",
      }),
    ],
  });
}

// The plan of a rollout: three fields, and what they make of it by the API.
function startRollout(version) {
  ask({
    title: `Start a rollout of ${version}`,
    label: "Start",
    plan: true,
    values: { steps: "5, 10, 25, 50", hold: "5m" },
    make: ({ steps, hold, gate }) => {
      const weights = lines(steps).map(Number);
      const stages = gate ? weights.map(weight => ({ weight, gates: ["approval"] })) : weights;
      const plan = { version, steps: stages.length ? stages : undefined, hold: hold || undefined };
      return changes.start(state.service, plan);
    },
    fields: [
      { name: "steps", label: "Steps in percent", autofocus: true },
      { name: "hold", label: "Each is watched for", placeholder: "5m", help: "A duration, such as 90s, 5m or 1h." },
      { name: "gate", label: "A person approves after each step", type: "checkbox" },
    ],
  });
}
