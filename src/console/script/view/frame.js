// The frame: the bar at the top, and the list of services.
const DRAWN_AT_MOST = 200;

function facts(low) {
  const { status, replicas } = state;
  const fact = (term, value, kind) => h("div", null, h("dt", null, term), h("dd", { class: kind }, value));
  const [text, kind] = replicaWords(replicas);
  const age = status && `${status.revision}, read ${status.ageMs < 1000 ? "now" : `${span(status.ageMs / 1000)} ago`}`;
  return h(
    "dl",
    { class: low ? "facts low" : "facts" },
    fact("Gateway", status?.replica ?? (status ? "without a name" : DASH)),
    fact("Revision", age ?? DASH, status?.stale && "warn"),
    state.lost
      ? fact("Gateway", "cannot be reached", "dot bad")
      : fact(
          "Store",
          !status ? DASH : status.stale ? "cannot be reached" : "ok",
          !status ? "" : status.stale ? "dot bad" : "dot ok",
        ),
    fact("Replicas", isDown() ? "not known" : text, isDown() ? "warn" : kind),
  );
}

function replicaWords(replicas) {
  if (!replicas) return ["not known", ""];
  const all = replicas.replicas;
  if (!all.length) return ["none report", ""];
  const serve = all.filter(of => of.revision >= replicas.revision).length;
  return [`${serve} of ${all.length} serve it`, serve === all.length ? "dot ok" : "dot warn"];
}

function bar() {
  const go = event => {
    location.hash = `#/${encodeURIComponent(event.target.value)}`;
  };
  const names = (state.services ?? []).map(of => of.service);
  const scope = can("write") ? chip("may write") : chip("read only", "warn");
  const leave = state.host
    ? meta("canary-login") && h("a", { class: "go", href: meta("canary-login") }, "Sign out")
    : button("Sign out", { kind: "plain", onclick: () => out("You have signed out.") });
  return h(
    "header",
    { class: "top", key: "top" },
    h("span", { class: "mark" }, logo(), h("b", null, "canary")),
    h(
      "select",
      { class: "pick", "aria-label": "Service", onchange: go, value: state.service ?? "" },
      [...new Set([...names, ...(state.service ? [state.service] : [])])].map(name =>
        h("option", { key: name, value: name }, name),
      ),
    ),
    facts(false),
    h("div", { class: "who" }, user(state.me.subject), scope, button("Theme", { kind: "plain", onclick: flip }), leave),
  );
}

function services() {
  const all = state.services ?? [];
  const found = all.filter(of => of.service.includes(state.filter.trim().toLowerCase()));
  const rest = found.length - DRAWN_AT_MOST;
  const filter = event => {
    state.filter = event.target.value;
    if (state.next) readServices().catch(complain);
    paint();
  };
  return h(
    "nav",
    { "aria-label": "Services" },
    h("input", {
      id: "filter",
      type: "search",
      placeholder: "Find a service  Ctrl K",
      "aria-label": "Find a service",
      value: state.filter,
      oninput: filter,
    }),
    h("ul", null, found.slice(0, DRAWN_AT_MOST).map(service)),
    rest > 0 && h("small", null, `and ${plural(rest, "service")} more: type a part of the name`),
    all.length > 0 && button("New service", { why: barred(), onclick: () => register("") }),
  );
}

function service(of) {
  const colours = hues(of.versions);
  let x = 0;
  const shares = ordered(serving(of.versions)).sort(
    (a, b) => (colours.get(a.version) === "h1") - (colours.get(b.version) === "h1"),
  );
  return h(
    "li",
    { key: of.service },
    h(
      "a",
      { href: `#/${encodeURIComponent(of.service)}`, "aria-current": of.service === state.service && "page" },
      h("span", null, of.service),
      " ",
      h("small", null, summary(of.versions)),
      svg(
        { viewBox: "0 0 100 3", preserveAspectRatio: "none" },
        shares.map(it => {
          x += it.weight;
          return h("rect", {
            class: `hue ${colours.get(it.version)}`,
            x: x - it.weight,
            y: 0,
            width: it.weight,
            height: 3,
          });
        }),
      ),
    ),
  );
}
