// The versions with their figures.
const FIGURES = ["Observed", "Req/s", "4xx", "Failed", "p50 ms", "p99 ms", "In flight"];

function versions() {
  const gone = (state.traffic?.versions ?? []).filter(of => state.split && !version(of.version));
  const rows = [
    ...shown(() => true).sort((a, b) => b.isActive - a.isActive),
    ...gone.map(of => ({ version: of.version, weight: 0, isActive: false, urls: [], removed: true })),
  ];
  const replica = state.traffic?.replica;
  return panel(
    "versions",
    "Versions",
    h("small", `last ${WINDOWS[state.window][0]}`, replica && [" at ", user(replica)]),
    table("versions", ["Version", "Weight %", ...FIGURES, "Actions"], rows.map(row)),
    draftBar(),
  );
}

function row(of) {
  const { version, isActive, removed } = of;
  const does = doing(version);
  const is = removed ? { text: "removed", kind: "warn" } : badge(of, does, versionsNow());
  const name = h(
    "div.v",
    h("i", { class: hues(ground()).get(version) ?? "h9" }),
    h("span", h("b", version), " ", is && chip(is)),
    urls(of, does),
    does?.diverted > 0 &&
      h("code", { key: "diverted" }, `${plural(does.diverted, "request")} diverted to other versions`),
  );
  return h(
    "tr",
    { key: version, class: !isActive && "off" },
    h("td.name", name),
    h("td.weight", isActive ? stepper(of) : h("span.muted", !removed && "out of service")),
    figures(of, does).map((value, i) => h("td.num", { "data-k": FIGURES[i] }, value)),
    h("td.acts.num", !removed && [turn(of), " ", menu(of, does?.inFlight)]),
  );
}

// The values of the columns of figures.
function figures({ version, isActive }, does) {
  const { share, perSecond, rates, latency } = windowOf(does, state.window) ?? {};
  return [
    isActive ? percent(share?.observed, 1) : DASH,
    isActive ? [figure(perSecond, 100), spark(version)] : DASH,
    part(rates?.["4xx"], rates?.n, 1),
    part(failed(rates), rates?.n, 2),
    millis(latency?.p50Ms),
    millis(latency?.p99Ms),
    does?.inFlight ?? DASH,
  ];
}

function turn(of) {
  const { version, isActive } = of;
  const label = isActive ? "Switch" : "Bring back";
  const title = isActive ? `Switch all traffic to ${version}` : `Bring back ${version}, with all traffic`;
  const why = barred() ?? (of.weight === 100 && `${version} has all traffic.`);
  return button(label, () => turnTo(of, label, title), why, { "aria-label": title });
}

// One base URL, or the instances with what this gateway knows of them.
function urls(of, does) {
  if (of.urls.length < 2 && !of.instances?.[0]?.since) return h("code", { key: "one" }, of.urls.map(bare));
  const { all, out } = instances(of, now());
  return h(
    "details",
    { key: "many" },
    h("summary", of.urls.length === 1 ? bare(of.urls[0]) : all, out && [", ", h("span.warn", out)]),
    h(
      "ul",
      of.instances?.map(it =>
        instance(
          it,
          does?.instances?.find(that => that.url === it.url),
        ),
      ),
    ),
  );
}

function instance({ url, state, trial, until, check, ejections }, figures) {
  const kind = { up: "ok", new: "" }[state] ?? "warn";
  const checked = check?.ok ? `${check.status ?? "ok"} in ${check.tookMs} ms` : "failed: ";
  return h(
    "li",
    { key: url },
    [user(bare(url)), " ", h("b", { class: kind }, trial ? "on trial" : state), left(until, now())],
    check && [`, check ${checked}`, !check.ok && user(check.cause ?? "no cause known")],
    ejections > 0 && `, ${plural(ejections, "ejection")}`,
    figures && `, ${figures.inFlight} in flight, ${count(figures.failures)} of ${count(figures.picks)} failed`,
  );
}

function spark(name) {
  const points = state.rates.get(name)?.points ?? [];
  const top = Math.max(...points, 1);
  const x = i => (60 * i) / Math.max(1, points.length - 1);
  const line = points.map((value, i) => `${x(i).toFixed(1)},${(17 - (15 * value) / top).toFixed(1)}`);
  return svg({ class: "spark", width: 60, height: 18 }, h("polyline", { points: line.join(" ") }));
}
