//! Rollouts: how to start and follow one, how to choose a plan, how the guard judges, and what it cannot see.
//!
//! A rollout carries one version, the canary, from little traffic to all of it, and takes it back when it is worse than the
//! versions beside it. [`rollout`](crate::rollout) has the parts in code.
//!
//! # How to start and follow one
//!
//! Every gateway awaits [`Rollouts::run`](crate::rollout::Rollouts::run), has a
//! [replica name](crate::deployments::Builder::with_replica_name), and has the same gates. The admin API below
//! `/deployment/services/{service}/rollouts`, of any gateway:
//!
//! | call | does |
//! | --- | --- |
//! | `POST` with a plan, such as `{"version": "v1.1"}` | starts it. The same plan while it is under way is the same rollout |
//! | the same with `?dryRun=true` | shows the weights of each step, which users would move, and the shortest and longest time |
//! | `GET …/current` | the phase and the step, the requests and the evidence, what the step waits for, all events |
//! | `POST …/current/approve`, `…/advance` with `{"step": 2}` | opens the gate `approval`; counts the step as passed |
//! | `POST …/current/pause`, `…/resume`, `…/promote`, `…/abort` | keeps the weights; goes on; goes to the bake; goes back |
//! | `GET` | all rollouts of the service, with their outcomes |
//!
//! A person always comes first: a change of the weights by hand pauses the rollout, which puts its own weights back
//! only when somebody resumes it. A canary that a person sets to 0 or to 100 ends it. The story that
//! `examples/gateway` prints has two rollouts: one completes, and one is taken back. Its `--gate NAME=URL` registers
//! a gate that is a `POST` to a URL.
//!
//! # How to choose a plan
//!
//! `{"version": "v1.1"}` is a plan: 5, 10, 25 and 50 percent for five minutes each, ten minutes at 95 percent, then 100.
//! It takes 30 minutes. [`Plan`](crate::rollout::Plan) lists all fields. What to change, and when:
//!
//! | you want | write |
//! | --- | --- |
//! | to watch the guard before you trust it | `"guard": {"whenFailed": "tell", "whenInconclusive": "advance"}`: it records what it would do. A step with evidence against the version does not pass, so it goes on at its deadline. `"whenFailed": "pause"` keeps the weights and waits for a person |
//! | fewer users at risk from a version that fails at once | a smaller first step. A version that fails every request is found in four or five windows of ten seconds at any weight, so 1 percent risks a fifth of the users of 5 percent |
//! | a version that is a little worse to be found | longer holds: the guard needs about 2,400 requests of the canary to find one more failure in a hundred requests, where one in a thousand fails |
//! | a rollout of a quiet service | `"leastRequests"` below 200, longer holds and a deadline of hours. Below 20 requests of the canary a step, use gates: statistics cannot help |
//! | a service where 5 percent of the requests fail anyway | `"leastRequests": 400` or more: the same difference is harder to see |
//! | to see the version under real requests before it has a user | `"steps": [{"weight": 0, "mirror": 10}, 5, 25]`: copies of a tenth of the requests first. See [`mirror`](crate::mirror) |
//! | all users at once | `"form": "blue-green"` with a limit, such as `"guard": {"errors": {"limit": 1}}`. At 100 percent there is nobody to compare with |
//! | to try a version and take it back | `"steps": [10], "hold": "1h", "then": "return"` |
//! | a person to decide | `{"weight": 25, "gates": ["approval"]}`, which a person opens by the admin API |
//! | your own check to decide | `{"weight": 25, "gates": ["smoke"]}`, with a [`Gate`](crate::rollout::Gate) of that name in code, such as `probe::HttpGate` |
//! | nobody to be woken up | `"windows": ["mon-fri 08:00-16:00 +01:00"]`. They bind the next step, never the way back. A step that has passed waits for its window without a deadline; one that is still watched reaches its deadline at night too |
//! | the old version to warm up on the way back | `"back": {"steps": [50, 20], "hold": "30s"}` |
//!
//! The bake before the end keeps 5 percent with the other versions, so that the guard has something to compare with. With
//! `"keep": 0` it compares nothing: only limits count, and without a limit the verdict says `unguarded`.
//!
//! # How the guard judges
//!
//! Every ten seconds it compares the requests of the canary with the requests of all other versions *in the same ten
//! seconds*, over all gateways. A request is bad if its response is 5xx, or the gRPC status for one, if it gets no response,
//! or if its client leaves before the response head. 4xx is good, and a client that leaves later counts for neither. For
//! latency, a request is slow if it takes more than 1.3 times, and 5 ms longer than, the median, p90 or p99 of the others
//! in the five minutes before.
//!
//! In a first step with a mirror, the guard compares copies with the very requests that they are copies of, since all
//! requests of the others have other methods among them. A copy that is not sent leaves out its original too.
//!
//! From each window the guard wins or loses a bet that the canary is worse. The evidence is the capital of these bets, shown
//! as odds. A canary that is not worse (at most 0.1 points more failures) is taken back in at most 1 of 1,000
//! rollouts, whatever the traffic, and however often the guard looks: [`Guard`](crate::rollout::Guard) has the reason and the
//! sources. That bound is a theorem where requests fail independently. Where they do not, caps on each bet keep single bursts
//! from deciding, and the table shows how far.
//!
//! `cargo bench --bench guard` simulates the real guard, and beside it the rule of other systems, "more than 1 percent of a
//! minute's requests failed": once (the default of Argo Rollouts) and five times (Flagger's threshold).
//!
//! A canary that is no worse, for an hour with 5 percent of 1,000 requests in ten seconds: rollouts of 1,000 that are taken
//! back. In a whole rollout of 30 minutes, or with 10, 100 or 5,000 requests, the guard takes back none either.
//!
//! | both versions fail | guard | once above 1 % | five times |
//! | --- | --- | --- | --- |
//! | 0.1 % of the requests | 0 | 99 | 0 |
//! | 1 % | 0 | 1,000 | 1,000 |
//! | 5 % | 0 | 1,000 | 1,000 |
//! | 0.1 %, growing to 3 % while the weight grows | 0 | 1,000 | 1,000 |
//! | 20 % for five minutes | 0 | 1,000 | 1,000 |
//! | bursts of both: 30 % in 1 window of 50 | 0 | 997 | 827 |
//! | bursts of each for itself: 30 % in 1 window of 100 | 0 | 969 | 293 |
//! | 1 %, three requests at a time | 2 | 1,000 | 1,000 |
//! | 1 %, ten requests at a time | 0 | 1,000 | 999 |
//!
//! A canary that is worse: part of the rollouts that are taken back, canary requests until then in the median, and failed
//! requests of users in each rollout.
//!
//! | the canary fails | guard | once above 1 % | five times |
//! | --- | --- | --- | --- |
//! | always | all, 199, 200 | all, 300, 300 | all, 1,500, 1,499 |
//! | 10 points more, on 0.1 % | all, 206, 22 | all, 299, 30 | all, 1,501, 152 |
//! | 10 points more, on 5 % | all, 342, 52 | all, 299, 45 | all, 1,501, 226 |
//! | 2 points more, on 0.1 % | all, 845, 18 | all, 301, 7 | all, 1,529, 34 |
//! | 1 point more, on 0.1 %, within ten minutes | 91 %, 1,777, 21 | all, 327, 6 | 70 %, 2,381, 28 |
//! | 1 point more, on 1 %, within ten minutes | 25 %, 2,546, 58 | all, 301, 7 | all, 1,537, 34 |
//! | 1 point more, on 0.1 %, whole rollout | all, 2,411, 28 | all, 327, 6 | all, 3,820, 50 |
//! | 1 point more, on 1 %, whole rollout | all, 5,305, 114 | all, 301, 7 | all, 1,537, 36 |
//! | 0.4 points more, on 0.1 %, whole rollout | all, 13,386, 70 | 60 %, 908, 172 | 0.2 %, 3,302, 419 |
//! | always, after 30 quiet minutes | all, 400, 399 | all, 298, 286 | all, 1,497, 1,486 |
//! | 10 points more from 25 % on, whole rollout | all, 1,250, 126 | all, 1,500, 150 | all, 7,500, 756 |
//!
//! From the first failed request until no gateway gives the canary any more, under the default plan, with 100 requests a
//! second and one in a thousand failed by the others, through drivers and a store. `tests/rollout/ways_back.rs` measures it:
//!
//! | the canary, at 5 percent, fails | median | 95 % | slowest of 100 |
//! | --- | --- | --- | --- |
//! | one request in ten | 53 s | 72 s | 72 s |
//! | one in five | 53 s | 53 s | 65 s |
//! | always | 54 s | 54 s | 54 s |
//!
//! `tests/campaigns/returns.rs` measures two gateways with real sockets, a canary that always fails from 25 percent on, and
//! 100 requests a second: back after 53.0 s, at most 53.4 s in four rollouts, with 1,312 failed requests of users each. None of
//! 124,673 requests failed by the change itself.
//!
//! It is never below about 52 s: two seconds until the first window begins, and by their caps the bets need five windows of ten
//! seconds under the default plan. More requests shorten it only for canaries that fail less. Shorter windows would shorten it
//! for all, and a burst of failures would convict a good version in as much less time: the caps count windows.
//!
//! The rule finds small differences early where it also takes back most good versions: at 1 percent it cannot tell the two
//! apart. Latency, for half an hour, beside a rule "p95 of a minute above 1.2 times the p95 of the others":
//!
//! | the canary is | guard | rule |
//! | --- | --- | --- |
//! | as fast | 0 | 5.8 % |
//! | as fast, with a long tail | 0 | 93 % |
//! | as fast, and each pauses for itself in 1 window of 100 | 0 | 81 % |
//! | 1.2 times slower, which the plan tolerates | 0 | all |
//! | 1.5 times slower | all, 1,176 requests | all, 300 |
//! | 2 times slower | all, 306 requests | all, 300 |
//! | 3 times slower | all, 300 requests | all, 300 |
//!
//! # How far to trust it
//!
//! - The scenes are ours, and the caps and margins were chosen on scenes like these. Your failures may depend on each other in
//!   other ways. Begin with `"whenFailed": "tell"`, or `"pause"`, if you have none of the guard's verdicts to look back on.
//! - A difference within the margin is tolerated by design: 0.1 points of failures, a factor of 1.3 in latency.
//! - A margin below 0.05 points is refused. In the simulation it convicts versions whose failures come in bursts.
//! - A slower canary is not found where the spread of the others' own latencies hides it.
//! - The bound is for one rollout. Of 1,000 rollouts of good versions, one may be taken back.
//!
//! # What it cannot see
//!
//! | fault | instead |
//! | --- | --- |
//! | wrong content with status 200 | a gate of your own that looks at it |
//! | fewer orders, logins or clicks | a gate that asks your metrics |
//! | faults for few users: one in ten thousand requests | longer holds, or reports of users |
//! | 4xx where it should be 2xx | a gate: a canary that refuses everybody with 403 looks healthy |
//! | faults that both versions have | the step waits while more than `calm` (5 percent) of the others' requests fail, and is inconclusive at its deadline |
//! | a canary with other users than the others, such as testers by an [override](crate::layer::Override) | their requests are not counted |
//! | damage to shared data | back-ups: going back does not undo it |
//! | slower responses of a gateway that reports no latencies: its layer [measures none](crate::WeightedVersionLayer::without_latencies), or its report has no room | the event `unmeasured` names it, once for each rollout |
//! | streams that stall after their first bytes | your own monitoring |
//!
//! # How to see what happened
//!
//! | where | what |
//! | --- | --- |
//! | `GET …/rollouts` | each rollout with its outcome, and why it was taken back: the requests of both sides, and the odds |
//! | `GET …/rollouts/{id}` | its plan, all events with time, step and person, and the last evidence by measure |
//! | `GET …/history` | each step as a change of the weights, by the actor `rollout:{id}`. The reason has the figures of that moment |
//! | the log | one event `rollout` of `tracing` for each event. `failed`, `stuck` and `unmeasured` are warnings |
//! | [`metrics`](crate::metrics#rollouts) | phase, step and evidence over time, and the rollouts by outcome. `examples/grafana` has a row for them |
//!
//! An outcome is `completed`, `rolled-back` (by the guard, a gate or a deadline), `aborted` (by a person) or `returned` (an
//! experiment that is over). The evidence of a rollout that is over stays in the store.
//!
//! # When nobody drives
//!
//! One of the gateways that run the driver leads each rollout, and another one takes over within 20 s after it has ended. If
//! none of them runs, or the store is down, the weights stay and nothing advances or goes back. Hold times do not count
//! meanwhile. The guard does not judge either, so a bad canary stays where it is: alert on
//!
//! ```promql
//! min by (service) (canary_rollout_tick_age_seconds) > 20
//! ```
//!
//! for a minute. Each gateway exports the time since *any* gateway drove the rollout, as far as it can read the store, so the
//! smallest value is right. Without metrics, [`Rollouts::statuses`](crate::rollout::Rollouts::statuses) has the same, and
//! `tickedAt` of `GET …/current`. `drive-rollouts` of [`Deployments::duties`](crate::Deployments::duties) has the last error
//! of the driver. A person can act meanwhile: any change of weights by hand works as always.
