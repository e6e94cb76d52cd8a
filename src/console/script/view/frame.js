// The frame: the bar at the top, and the list of services.
const DRAWN_AT_MOST = 200;

function facts(low) {
  const { status, replicas } = state;
  const fact = (term, value, kind) => h("div", h("dt", term), h("dd", { class: kind }, value));
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
  const lost = gone(replicas).length;
  const words = [`${serve} of ${all.length} serve it`, lost > 0 && `${lost} gone`].filter(Boolean);
  return [words.join(", "), serve === all.length && !lost ? "dot ok" : "dot warn"];
}

// The gateways that were there and do not report any more, each with its last time.
function gone({ replicas }) {
  const names = new Set(replicas.map(of => of.name));
  return [...state.seen].filter(([name]) => !names.has(name));
}

function bar() {
  const scope = can("write") ? chip("may write") : chip("read only", "warn");
  const leave = state.host
    ? meta("canary-login") && h("a.go", { href: meta("canary-login") }, "Sign out")
    : button("Sign out", { kind: "plain", onclick: () => out("You have signed out.") });
  return h(
    "header.top",
    { key: "top" },
    h("span.mark", logo(), h("b", "canary")),
    memo("pick", [state.services, state.service], pick),
    facts(false),
    h("div.who", user(state.me.subject), scope, button("Theme", { kind: "plain", onclick: flip }), leave),
  );
}

// The list of services where there is no room beside the service.
function pick() {
  const names = new Set((state.services ?? []).map(of => of.service));
  if (state.service) names.add(state.service);
  const go = event => {
    location.hash = `#/${encodeURIComponent(event.target.value)}`;
  };
  return h(
    "select.pick",
    { "aria-label": "Service", onchange: go, value: state.service ?? "" },
    [...names].map(name => h("option", { key: name, value: name }, name)),
  );
}

function services() {
  const filter = event => {
    state.filter = event.target.value;
    if (state.next) readServices().catch(complain);
    paint();
  };
  return h(
    "nav",
    { "aria-label": "Services" },
    h(
      "header",
      h("input", {
        id: "filter",
        type: "search",
        placeholder: "Find a service  Ctrl K",
        "aria-label": "Find a service",
        value: state.filter,
        oninput: filter,
      }),
    ),
    memo("services", [state.services, state.filter, state.service], found),
    state.services?.length > 0 && button("New service", { why: barred(), onclick: () => register("") }),
  );
}

function found() {
  const part = state.filter.trim().toLowerCase();
  const all = (state.services ?? []).filter(of => of.service.includes(part));
  const rest = all.length - DRAWN_AT_MOST;
  return h(
    "div",
    h("ul", all.slice(0, DRAWN_AT_MOST).map(service)),
    rest > 0 && h("small", `and ${plural(rest, "service")} more: type a part of the name`),
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
      h("span", of.service),
      " ",
      h("small", summary(of.versions)),
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
