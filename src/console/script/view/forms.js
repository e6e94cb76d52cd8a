// Dialogs with fields: what they hold makes the change.
// A field of a form. What it holds makes the change of the dialog.
const field = (dialog, name, label, props, help) =>
  h(
    "label",
    { key: name },
    label,
    h(props.rows ? "textarea" : "input", {
      ...props,
      value: dialog.values[name] ?? "",
      oninput: event => {
        dialog.values[name] = event.target.value;
        dialog.remake(dialog);
        paint();
      },
    }),
    help && h("small", null, help),
  );

const lines = text => (text ?? "").split(/[\s,]+/).filter(Boolean);

function register(service) {
  const asked = {
    title: "Register a version",
    label: "Register",
    values: { service, weight: "" },
    generation: null,
    remake: dialog => {
      const { values } = dialog;
      const weight = Number(values.weight) || 0;
      dialog.change = changes.register(values.service, {
        version: values.version ?? "",
        urls: lines(values.urls),
        weight,
        healthPath: values.health,
      });
      dialog.to = encodeURIComponent(values.service);
    },
    wrong: ({ values }) =>
      !values.service
        ? "The service is missing."
        : !values.version
          ? "The version is missing."
          : lines(values.urls).length
            ? null
            : "A base URL is missing.",
    form: dialog => [
      field(dialog, "service", "Service", { autofocus: !service, autocomplete: "off", spellcheck: "false" }),
      field(dialog, "version", "Version", {
        autofocus: Boolean(service),
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "v1.2",
      }),
      field(dialog, "urls", "Base URLs, one a line", {
        rows: 2,
        spellcheck: "false",
        placeholder: "http://10.0.0.7:8080",
      }),
      field(
        dialog,
        "weight",
        "Weight in percent",
        { type: "number", min: 0, max: 100, step: "any", placeholder: "0" },
        "Without a weight it gets no traffic, unless it is the first version of its service.",
      ),
      field(
        dialog,
        "health",
        "Path of health probes",
        { placeholder: "/healthz", autocomplete: "off" },
        "Empty: the path of the service stays.",
      ),
    ],
  };
  asked.remake(asked);
  state.dialog = { reason: "", ...asked };
  paint();
}

function changeUrls(of) {
  const asked = {
    title: `Change the URLs of ${of.version}`,
    label: "Change",
    values: { urls: of.urls.join("\n") },
    generation: state.split.generation,
    remake: dialog => {
      dialog.change = changes.urls(state.service, of.version, lines(dialog.values.urls));
    },
    wrong: ({ values }) => (lines(values.urls).length ? null : "A version keeps at least one URL."),
    form: dialog =>
      field(
        dialog,
        "urls",
        "Base URLs, one a line",
        { rows: 4, autofocus: true, spellcheck: "false" },
        "They replace the present ones. New ones are probed, if the version has traffic.",
      ),
  };
  asked.remake(asked);
  state.dialog = { reason: "", ...asked };
  paint();
}

// The plan of a rollout: three fields, and what they make of it by the API.
function startRollout(of) {
  const dialog = {
    title: `Start a rollout of ${of.version}`,
    label: "Start",
    plan: true,
    values: { steps: "5, 10, 25, 50", hold: "5m", gate: false },
    reason: "",
    remake: it => {
      const steps = lines(it.values.steps).map(Number);
      const gates = it.values.gate ? steps.map(weight => ({ weight, gates: ["approval"] })) : steps;
      it.change = changes.start(state.service, {
        version: of.version,
        ...(steps.length && { steps: gates }),
        ...(it.values.hold && { hold: it.values.hold }),
      });
      clearTimeout(it.timer);
      it.timer = setTimeout(() => {
        it.problem = null;
        study(it);
      }, DELAY);
    },
    form: it => [
      field(it, "steps", "Steps in percent", { autofocus: true, autocomplete: "off" }),
      field(
        it,
        "hold",
        "Each is watched for",
        { autocomplete: "off", placeholder: "5m" },
        "A duration, such as 90s, 5m or 1h.",
      ),
      h(
        "label",
        null,
        h("input", {
          type: "checkbox",
          checked: it.values.gate,
          onchange: event => {
            it.values.gate = event.target.checked;
            it.remake(it);
            paint();
          },
        }),
        "A person approves after each step",
      ),
    ],
  };
  dialog.remake(dialog);
  state.dialog = dialog;
  paint();
}
