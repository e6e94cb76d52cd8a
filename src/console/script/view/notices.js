// Above the parts of a service: its state, results, problems, and faults of the gateway.
function banners() {
  const { status, lost, traffic, split } = state;
  const unusable = versionsNow().filter(of => of.noneUsable && of.isActive);
  const ground = status?.fromCache ? "saved before the start" : `read ${span(status?.ageMs / 1000)} ago`;
  const all = [
    [lost, "▲ The gateway cannot be reached. ", "The page shows what it knew, and tries again."],
    [
      !lost && status?.stale,
      "▲ The store cannot be reached. ",
      `Requests are served as before, by what was ${ground}. Nothing can be changed until it is back.`,
    ],
    [!can("write"), "Read only. ", "This sign-in has no scope canary:write: it can see everything and change nothing."],
    [
      split && status?.broken.includes(state.service),
      "▲ The stored split cannot be read. ",
      "The last good route is served. The log of the gateway has the cause.",
    ],
    [
      unusable.length,
      "▲ No instance is usable. ",
      `The checks or requests of all instances of ${list(unusable.map(of => of.version))} fail.`,
    ],
    [
      traffic?.unserved,
      "▲ Requests without a version. ",
      `${plural(traffic?.unserved ?? 0, "request")} found no active version or no usable instance.`,
    ],
  ];
  const shown = all.filter(([is]) => is);
  return shown.map(([, head, text]) => h("p.banner", { key: head, role: "status" }, h("b", head), text));
}

function notices() {
  const { said } = state;
  const dismiss = () => {
    state.said = null;
  };
  return [
    h("div", { key: "said", class: said?.text ? "said" : "hide", role: "status" }, said?.text && user(said.text)),
    said?.title && trouble(said, button("Dismiss", dismiss)),
  ];
}

function title() {
  const { word, more, fresh } = phase(versionsNow());
  const way = version(state.way);
  const last = state.split?.lastChange;
  const about = state.split && [
    chip({ text: word, kind: fresh && "new h1" }),
    more && ` ${more}`,
    fresh && last && ` for ${since(last.at, now())}`,
    ` · generation ${state.split.generation}`,
    last && [" · last changed by ", by(last.actor)],
  ];
  return h(
    "div.title",
    { key: "title" },
    h("div", h("h1", state.service ?? "canary"), h("p", about)),
    h(
      "div.acts",
      button("Register version", () => register(state.service), barred()),
      way && button(`Roll back to ${way.version}`, () => rollBack(way), barred(), { class: "back" }),
    ),
  );
}

function empty() {
  const first = { version: "v1", urls: ["http://10.0.0.7:8080"], healthPath: "/healthz" };
  return h(
    "section.void",
    h("h1", "No service yet"),
    h("p", "The first version registered makes its service and gets all of its traffic."),
    button("Register the first version", () => register(""), barred(), { class: "main" }),
    same(changes.register("checkout", first)),
  );
}
