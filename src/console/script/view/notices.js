// Above the parts of a service: its state, results, problems, and faults of the gateway.
function banners() {
  const { status, split } = state;
  const none = versionsNow()
    .filter(of => of.noneUsable && of.isActive)
    .map(of => of.version);
  const tell = (key, head, text) => h("p.banner", { key, role: "status" }, h("b", head), text);
  return [
    state.lost && tell("lost", "▲ The gateway cannot be reached. ", "The page shows what it knew, and tries again."),
    !state.lost &&
      status?.stale &&
      tell(
        "stale",
        "▲ The store cannot be reached. ",
        `Requests are served as before, by what was ${status.fromCache ? "saved before the start" : `read ${span(status.ageMs / 1000)} ago`}. Nothing can be changed until it is back.`,
      ),
    !can("write") &&
      tell("scope", "Read only. ", "This sign-in has no scope canary:write: it can see everything and change nothing."),
    split &&
      status?.broken.includes(state.service) &&
      tell(
        "broken",
        "▲ The stored split cannot be read. ",
        "The last good route is served. The log of the gateway has the cause.",
      ),
    none.length > 0 &&
      tell("none", "▲ No instance is usable. ", `The checks or requests of all instances of ${list(none)} fail.`),
    state.traffic?.unserved > 0 &&
      tell(
        "unserved",
        "▲ Requests without a version. ",
        `${plural(state.traffic.unserved, "request")} came while no version was active.`,
      ),
  ];
}

function notices() {
  const { said } = state;
  const quiet = () => {
    state.said = null;
    paint();
  };
  return [
    h(
      "div",
      { key: "result", class: said?.kind === "ok" ? "said" : "hide", role: "status" },
      said?.kind === "ok" && h("span", user(said.text)),
    ),
    said?.kind === "bad" &&
      h(
        "div.said.bad",
        { key: "bad", role: "alert" },
        h("p", h("b", `✕ ${said.title}. `), user(said.text)),
        button("Dismiss", { onclick: quiet }),
      ),
  ];
}

function title() {
  const versions = versionsNow();
  const is = phase(versions);
  const way = version(state.way);
  const last = state.split?.lastChange;
  const held = last ? ` for ${since(last.at, now())}` : "";
  return h(
    "div.title",
    { key: "title" },
    h(
      "div",
      h("h1", state.service ?? "canary"),
      h(
        "p",
        state.split && [
          chip(is.word, is.fresh ? "new h1" : ""),
          is.more ? ` ${is.more}${is.fresh ? held : ""}` : "",
          ` · generation ${state.split.generation}`,
          last && [" · last changed by ", by(last.actor)],
        ],
      ),
    ),
    h(
      "div.acts",
      button("Register version", { why: barred(), onclick: () => register(state.service) }),
      way &&
        button(`Roll back to ${way.version}`, { kind: "back", why: barred(), onclick: () => turnTo(way, "Roll back") }),
    ),
  );
}

function empty() {
  const first = changes.register("checkout", { version: "v1", urls: ["http://10.0.0.7:8080"], healthPath: "/healthz" });
  return h(
    "section.void",
    { key: "void" },
    h("h1", "No service yet"),
    h("p", "The first version registered makes its service and gets all of its traffic."),
    button("Register the first version", {
      kind: "main",
      why: can("write") ? state.status?.stale && "The store cannot be reached." : barred(),
      onclick: () => register(""),
    }),
    same(first),
  );
}
