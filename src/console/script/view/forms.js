// Dialogs with fields: what they hold makes the change.
function field(dialog, name, label, props, help) {
  const { values } = dialog;
  const type = into(values, name);
  const oninput = event => {
    type(event);
    dialog.remake(dialog);
  };
  const tag = props.rows ? "textarea" : "input";
  const input = h(tag, { autocomplete: "off", spellcheck: "false", ...props, value: values[name] ?? "", oninput });
  return h("label", { key: name }, label, input, help && h("small", help));
}

function fillIn(dialog) {
  state.dialog = { reason: "", ...dialog };
  dialog.remake(state.dialog);
  paint();
}

const lines = text => (text ?? "").split(/[\s,]+/).filter(Boolean);

function register(service) {
  fillIn({
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
      field(dialog, "service", "Service", { autofocus: !service }),
      field(dialog, "version", "Version", { autofocus: Boolean(service), placeholder: "v1.2" }),
      field(dialog, "urls", "Base URLs, one a line", { rows: 2, placeholder: "http://10.0.0.7:8080" }),
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
        { placeholder: "/healthz" },
        "Empty: the path of the service stays.",
      ),
    ],
  });
}

function changeUrls(of) {
  fillIn({
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
        { rows: 4, autofocus: true },
        "They replace the present ones. New ones are probed, if the version has traffic.",
      ),
  });
}

// The plan of a rollout: three fields, and what they make of it by the API.
function startRollout(of) {
  fillIn({
    title: `Start a rollout of ${of.version}`,
    label: "Start",
    plan: true,
    values: { steps: "5, 10, 25, 50", hold: "5m", gate: false },
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
      field(it, "steps", "Steps in percent", { autofocus: true }),
      field(it, "hold", "Each is watched for", { placeholder: "5m" }, "A duration, such as 90s, 5m or 1h."),
      h(
        "label",
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
  });
}
