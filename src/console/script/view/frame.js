// The frame: the bar at the top, and the list of services.
const DRAWN_AT_MOST = 200;
const login = meta("login");

function facts(kind) {
  const { status, lost } = state;
  const fact = (term, value = DASH, kind) => h("div", h("dt", term), h("dd", { class: kind }, value));
  const down = lost || status?.stale;
  const [serve, tone] = down ? ["not known", "warn"] : replicaWords();
  const age = status && (status.ageMs < 1000 ? "now" : `${span(status.ageMs / 1000)} ago`);
  return h(
    "dl.facts",
    { class: kind },
    fact("Gateway", status ? (status.replica ?? "without a name") : DASH),
    fact("Revision", status ? `${status.revision}, read ${age}` : DASH, status?.stale && "warn"),
    fact(
      lost ? "Gateway" : "Store",
      down ? "cannot be reached" : status ? "ok" : DASH,
      down ? "dot bad" : status && "dot ok",
    ),
    fact("Replicas", serve, tone),
  );
}

// How many gateways serve the latest revision.
function replicaWords() {
  const all = state.replicas?.replicas;
  if (!all?.length) return [all ? "none report" : "not known"];
  const serve = all.filter(of => of.revision >= state.replicas.revision).length;
  const lost = gone().length;
  const words = `${serve} of ${all.length} serve it${lost ? `, ${lost} gone` : ""}`;
  return [words, serve === all.length && !lost ? "dot ok" : "dot warn"];
}

// The gateways that were there and do not report any more, each with its last time.
function gone() {
  const names = state.replicas?.replicas.map(of => of.name);
  return names ? [...state.seen].filter(([name]) => !names.includes(name)) : [];
}

function topBar() {
  const scope = can("write") ? { text: "may write" } : { text: "read only", kind: "warn" };
  const leave = () => out("You have signed out.");
  return h(
    "header.top",
    h("span.mark", logo(), h("b", "canary")),
    memo("pick", [state.services, state.service], pick),
    facts(),
    h(
      "div.who",
      user(state.me.subject),
      chip(scope),
      button("Theme", flip, null, { class: "plain" }),
      !state.host && button("Sign out", leave, null, { class: "plain" }),
      state.host && login && h("a.go", { href: login }, "Sign out"),
    ),
  );
}

// The list of services where there is no room beside the service.
function pick() {
  const names = new Set(state.services?.map(of => of.service));
  if (state.service) names.add(state.service);
  const go = event => {
    location.hash = linkTo(event.target.value);
  };
  return h(
    "select.pick",
    { "aria-label": "Service", onchange: go, value: state.service },
    [...names].map(name => h("option", { key: name, value: name }, name)),
  );
}

function services() {
  const filter = event => {
    state.filter = event.target.value;
    if (state.next) readServices().catch(complain);
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
    state.services?.length > 0 && button("New service", () => register(""), barred()),
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

function service({ service, versions }) {
  const shares = inOrder(serving(versions), newest(versions));
  const link = { href: linkTo(service), "aria-current": service === state.service && "page" };
  const shape = weightBar(shares, hues(versions), 3, of => of.weight);
  return h(
    "li",
    { key: service },
    h("a", link, h("span", service), " ", h("small", summary(versions)), svg({}, shape)),
  );
}
