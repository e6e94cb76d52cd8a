// Expressions beside their values. Returns those that differ.
const of = (version, weight, isActive = true) => ({ version, weight, isActive, urls: [`http://${version}`] });
const two = [of("v1", 75), of("v2", 25)];
const many = [of("v1", 40), of("v2", 30), of("v3", 20), of("v4", 10)];
const v3 = of("v3", 0);
const was = weights => ({ before: Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, { weight }])) });
const share = (observed, low, high, of = 1000) => ({ observed, low, high, of });
const seen = (version, observed, low, high, more) => ({ version, inFlight: 0, state: "serving", drained: false, total: { requests: 9 }, windows: [{ window: "60s", requests: observed * 10, share: share(observed, low, high), picks: {}, ...more }] });
const does = more => ({ inFlight: 0, state: "idle", drained: true, total: { requests: 9 }, ...more });
const cases = [
  ["numbers", [percent(25), percent(12.5), percent(33.333), percent(null), percent(24.59, 1)], ["25 %", "12.5 %", "33.33 %", "–", "24.6 %"]],
  ["few requests", [part(1.234, 100, 1), part(1, 12, 1), part(null, 0, 1)], ["1.2 %", "n=12", "–"]],
  ["spans", [span(0.4), span(89), span(91), span(7200), span(200000)], ["0 s", "89 s", "1 min", "2 h", "2 d"]],
  ["exact spans", [exactly(202), exactly(300), exactly(0), exactly(59.6)], ["3 min 22 s", "5 min", "0 s", "1 min"]],
  ["shell words", [quoted("v2.4.0"), quoted("a b"), quoted("it's"), quoted("$(x)")], ["v2.4.0", "'a b'", "'it'\\''s'", "'$(x)'"]],
  ["lists", [list([]), list(["a"]), list(["a", "b", "c"])], ["", "a", "a, b and c"]],
  ["newest", [newest(two).version, newest([of("v1", 100)]), newest(many).version], ["v2", null, "v4"]],
  ["order", ordered([of("v0", 0, false), ...two]).map(it => it.version), ["v1", "v2", "v0"]],
  ["way back in a rollout", back(two, [was({ v1: 100 })]).version, "v1"],
  ["way back after it", back([of("v1", 0), of("v2", 100)], [was({ v1: 25, v2: 75 }), was({ v1: 75, v2: 25 })]).version, "v1"],
  ["no way back to what is newer", back([of("v1", 100), of("v2", 0)], [was({ v1: 25, v2: 75 })]), null],
  ["no way back to what is gone", back([of("v2", 100)], [was({ v1: 100 })]), null],
  ["hues stay when weights cross", [hues(two).get("v2"), hues([of("v1", 25), of("v2", 75)]).get("v2")], ["h1", "h1"]],
  ["phases", [two, [of("v1", 100)], [of("v1", 0)], [of("v1", 30), of("v2", 10), of("v3", 60)]].map(it => phase(it).word), ["rolling out v2", "steady", "no active version", "split between 3 versions"]],
  ["ladder", [less(25), less(26), less(0), more(25), more(99), more(100)], [10, 25, 0, 50, 100, 100]],
  ["interval of Wilson", Object.values(wilson(814, 3310)).map(it => it.toFixed(1)), ["23.2", "26.1"]],
  ["edges of two are the API's", edges([{ share: share(75, 73, 77) }, { share: share(25, 23, 27) }]), [{ at: 75, low: 73, high: 77 }]],
  ["edges of three are sums", edges([500, 300, 200].map(requests => ({ requests, share: share(0, 0, 0) }))).map(it => it.at), [50, 80]],
  ["edges of nothing", edges([{ share: null }]), []],
  ["as configured", verdict(two, { versions: [seen("v1", 75, 73, 77), seen("v2", 25, 23, 27)] }, "60s", true).kind, "ok"],
  ["settling", verdict(two, { versions: [seen("v1", 75, 73, 77), seen("v2", 25, 23, 27)] }, "60s", false).kind, "settling"],
  ["held by pins", verdict(two, { versions: [seen("v1", 90, 88, 92, { picks: { pin: 610 } }), seen("v2", 10, 8, 12)] }, "60s", true).cause, "61 % were held by a pin and stay where they are"],
  ["not as configured", verdict(two, { versions: [seen("v1", 90, 88, 92), seen("v2", 10, 8, 12)] }, "60s", true).cause, "look at the replicas"],
  ["quiet", verdict(two, { versions: [] }, "60s", true).kind, "quiet"],
  ["badges", [
    badge(two[1], seen("v2", 1, 1, 1), two), badge(two[0], seen("v1", 1, 1, 1), two), badge(v3, does({ total: { requests: 0 } }), [...two, v3]),
    badge(of("v0", 0), does({ state: "draining", inFlight: 3, elsewhere: [{ replica: "gateway-2" }] }), two), badge(of("v0", 0), does({ state: "draining" }), two),
    badge(of("v0", 0), does({ drainedEverywhere: null, elsewhere: null }), two), badge(of("v0", 0), does({ drainedEverywhere: true }), two), badge(of("v0", 0), does({}), two),
    badge(of("v0", 0), does({ drainedEverywhere: false, elsewhere: [{ replica: "gateway-2" }] }), two),
    badge(of("v0", 0, false), does({ state: "draining", elsewhere: [{ replica: "gateway-2" }] }), two), badge(of("v0", 0, false), does({ state: "draining" }), two),
  ].map(it => it.text), ["new", "serving", "ready", "draining: 3 in flight, also gateway-2", "draining: pinned users may still come: take it out of service", "drained here, others not known", "may be stopped", "may be stopped", "drained here, also gateway-2", "draining: also gateway-2", "draining"]],
  ["drained is known", [{ drained: true }, { drained: true, drainedEverywhere: true }].map(isDrained), [true, true]],
  ["not drained, or not known", [{ drained: false }, { drained: true, drainedEverywhere: false }, { drained: true, drainedEverywhere: null }].map(isDrained), [false, false, false]],
  ["results", [
    { generation: 9 }, { generation: 9, convergence: { converged: true, serving: ["a", "b"], waiting: [] } }, { generation: 9, convergence: { converged: false, serving: ["a"], waiting: ["b"] } },
    { generation: 9, convergence: { converged: false, serving: [], waiting: null } }, { version: "v2", phase: "paused", outcome: null },
  ].map(resultOf), ["Generation 9.", "Generation 9, served by a and b.", "Generation 9, served by a, not yet by b.", "Generation 9, served here, others not known.", "The rollout of v2: paused."]],
  ["stories", [
    story({ change: "set-weight", version: "v2", before: { v1: { weight: 90 }, v2: { weight: 10 } }, after: { v1: { weight: 75 }, v2: { weight: 25 } } }),
    story({ change: "register", version: "v2", before: {}, after: { v2: { weight: 0 } } }),
    story({ change: "deactivate", version: "v2", before: { v1: { weight: 90 }, v2: { weight: 10 } }, after: { v1: { weight: 100 }, v2: { weight: 0 } } }),
    story({ change: "set-urls", version: "v2", before: { v2: { weight: 5 } }, after: { v2: { weight: 5 } } }),
  ], ["v2 10 → 25 %", "registered v2", "took v2 out of service, v2 10 → 0 %, v1 90 → 100 %", "set-urls v2"]],
  ["changes and refusals in one list", events({ history: [{ at: "3" }, { at: "1" }], refused: [{ at: "2" }], nextBefore: null }).map(it => it.at), ["3", "2", "1"]],
  ["refusals of later pages wait", events({ history: [{ at: "3" }], refused: [{ at: "2" }], nextBefore: 3 }).map(it => it.at), ["3"]],
  ["moves", [sentence([]), sentence([{ from: "v1", to: "v2", users: 25 }]), sentence([{ from: "v1", to: null, users: 100 }])], ["No user with a key moves.", "25 % of users move from v1 to v2, nobody else.", "100 % of users move from v1 to no version, nobody else."]],
  ["instances", [instances({ urls: ["a", "b", "c"], instances: [{ state: "ejected", until: "2026-01-01T00:00:40Z" }, { state: "up" }] }, Date.parse("2026-01-01T00:00:00Z")), instances({ urls: ["a"] }, 0)], [{ all: "3 instances", out: "1 ejected for 40 s" }, { all: "1 instance", out: "" }]],
  ["command lines", [
    command(changes.weight("checkout", "v2.4.0", 50), { generation: 41, reason: "it's fine" }), command(changes.weights("checkout", { v1: 70, v2: 30 })),
    command(changes.register("checkout", { version: "v1", urls: ["http://a", "http://b"], weight: 5, healthPath: "/up" })), command(changes.order("checkout", "7f", "approve", 2), { generation: 41 }),
  ], ["canary weight checkout v2.4.0 50 --if-generation 41 --reason 'it'\\''s fine'", "canary weight checkout v1=70 v2=30", "canary register checkout v1 http://a http://b --weight 5 --health /up", "canary rollout approve checkout 2"]],
  ["start of a rollout", command(changes.start("checkout", { version: "v2", steps: [5, 25].map(weight => ({ weight, gates: ["approval"] })), hold: "5m" })), "canary rollout start checkout v2 --steps 5,25 --hold 5m --gate approval"],
  ["curl", curl(changes.turn("checkout", "v1"), "http://h/api/", { generation: 41 }), `curl -X POST http://h/api/deployment/services/checkout/versions/v1/switch -H "authorization: Bearer $CANARY_TOKEN" -H 'if-match: "41"'`],
];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const wrong = cases.filter(([, is, expected]) => !same(is, expected)).map(([name, is]) => `${name}: ${JSON.stringify(is)}`);

// A stream arrives in pieces of any size, cut anywhere.
const stream = ': comment\n\nevent: traffic\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata: x\n\n';
for (let size = 1; size <= stream.length; size++) {
  const found = [];
  let rest = "";
  for (let at = 0; at < stream.length; at += size) {
    const read = eventsOf(rest + stream.slice(at, at + size));
    rest = read.rest;
    found.push(...read.events);
  }
  if (!same(found, [{ event: "traffic", data: '{"a":\n1}' }, { event: "message", data: "x" }]) || rest) wrong.push(`stream in pieces of ${size}: ${JSON.stringify(found)}`);
}
return wrong;
