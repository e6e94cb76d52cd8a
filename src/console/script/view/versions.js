// The versions with their figures.
function versions() {
  const known = versionsNow();
  const gone = (state.split ? (state.traffic?.versions ?? []) : [])
    .filter(of => !version(of.version))
    .map(of => ({ version: of.version, weight: 0, isActive: false, urls: [], removed: true }));
  const replica = state.traffic?.replica;
  return panel(
    "versions",
    "Versions",
    h("small", `last ${WINDOWS[state.window][0]}`, replica && [" at ", user(replica)]),
    h(
      "table.versions",
      heads("Version", "Weight %", "Observed", "Req/s", "4xx", "Failed", "p50 ms", "p99 ms", "In flight", "Actions"),
      h("tbody", [...inOrder(known).sort((a, b) => b.isActive - a.isActive), ...gone].map(row)),
    ),
    draftBar(),
  );
}

function row(of) {
  const does = doing(of.version);
  const window = windowOf(does, state.window);
  const rates = window?.rates;
  const is = of.removed ? { text: "removed", kind: "warn" } : badge(of, does, versionsNow());
  const cell = (label, value, rest) => h("td.num", { "data-k": label }, value, rest);
  const hue = hues(ground()).get(of.version) ?? "h9";
  return h(
    "tr",
    { key: of.version, class: !of.isActive && "off" },
    h(
      "td.name",
      h(
        "div.v",
        h("i", { class: hue }),
        h("span", h("b", of.version), " ", is && chip(is.text, is.kind)),
        urls(of),
        does?.diverted > 0 &&
          h("code", { key: "diverted" }, `${plural(does.diverted, "request")} diverted to other versions`),
      ),
    ),
    h("td.weight", of.isActive ? stepper(of) : h("span.muted", of.removed ? "" : "out of service")),
    cell("Observed", of.isActive ? percent(window?.share?.observed, 1) : DASH),
    cell("Req/s", of.isActive && window ? rate(window.perSecond) : DASH, of.isActive && spark(of.version)),
    cell("4xx", part(rates?.["4xx"], rates?.n, 1)),
    cell("Failed", part(failed(rates), rates?.n, 2)),
    cell("p50 ms", millis(window?.latency.p50Ms)),
    cell("p99 ms", millis(window?.latency.p99Ms)),
    cell("In flight", does?.inFlight ?? DASH),
    h(
      "td.acts.num",
      !of.removed && [
        button(of.isActive ? "Switch" : "Bring back", {
          why: barred() ?? (of.weight === 100 ? `${of.version} has all traffic.` : null),
          "aria-label": of.isActive
            ? `Switch all traffic to ${of.version}`
            : `Bring back ${of.version}, with all traffic`,
          onclick: () => turnTo(of, of.isActive ? "Switch" : "Bring back"),
        }),
        " ",
        menu(of, does),
      ],
    ),
  );
}

// One base URL, or the instances with what this gateway knows of them.
function urls(of) {
  if (of.urls.length < 2 && !of.instances?.[0]?.since) return h("code", { key: "one" }, of.urls.map(bare)[0] ?? "");
  const { all, out } = instances(of, now());
  const figures = new Map((doing(of.version)?.instances ?? []).map(it => [it.url, it]));
  return h(
    "details",
    { key: "many" },
    h("summary", of.urls.length === 1 ? bare(of.urls[0]) : all, out && [", ", h("span.warn", out)]),
    h(
      "ul",
      (of.instances ?? []).map(it =>
        h(
          "li",
          { key: it.url },
          user(bare(it.url)),
          " ",
          h(
            "b",
            { class: it.state === "up" ? "ok" : it.state === "new" ? "" : "warn" },
            it.trial ? "on trial" : it.state,
          ),
          it.until && ` for ${span((Date.parse(it.until) - now()) / 1000)}`,
          it.check && [
            `, check ${it.check.ok ? `${it.check.status ?? "ok"} in ${it.check.tookMs} ms` : "failed: "}`,
            !it.check.ok && user(it.check.cause ?? "no cause known"),
          ],
          it.ejections > 0 && `, ${plural(it.ejections, "ejection")}`,
          figures.get(it.url) &&
            `, ${figures.get(it.url).inFlight} in flight, ${count(figures.get(it.url).failures)} of ${count(figures.get(it.url).picks)} failed`,
        ),
      ),
    ),
  );
}

function spark(name) {
  const points = state.rings.get(name) ?? [];
  const top = Math.max(...points, 1);
  const line = points.map(
    (value, i) => `${((60 * i) / Math.max(1, points.length - 1)).toFixed(1)},${(17 - (15 * value) / top).toFixed(1)}`,
  );
  return svg(
    { class: "spark", width: 60, height: 18, viewBox: "0 0 60 18" },
    h("polyline", { points: line.join(" ") }),
  );
}
