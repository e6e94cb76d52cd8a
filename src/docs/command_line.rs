//! The command line: the binary `canary`, for people and for scripts.
//!
//! ```sh
//! cargo install tower-canary --locked --no-default-features --features cli
//! export CANARY_URL=https://gateway.internal/api/v1/admin CANARY_TOKEN=...
//! canary status
//! ```
//!
//! It is a client of the [admin API](crate::admin) with a verb for each operation of a deployment. Three operations have
//! none, so call the API for them: the mirror, the health path of a registered service, and the removal of a service. There
//! are no prompts and no configuration file. `canary VERB --help` has the options and an example of each verb,
//! `canary exit-codes --help` the exit codes, `canary completions SHELL` writes the completions, `canary man DIR` the man
//! pages.
//!
//! | verb | does |
//! | --- | --- |
//! | `status [SERVICE]` | all services in a line each, or one with the figures of its versions |
//! | `register SERVICE VERSION URL…` | registers a version. `--if-absent`: the same URLs already there are a success |
//! | `weight SERVICE VERSION N`, `weight SERVICE v1=70 v2=30` | one weight, and the others share the rest; or the whole split |
//! | `switch SERVICE VERSION` | all traffic to one version |
//! | `rollback SERVICE` | all traffic to the version that had most of it before the last rollout, by the history |
//! | `restore SERVICE GENERATION`, `history SERVICE` | an earlier generation; the changes, or with `--refused` the refused ones |
//! | `activate`, `deactivate`, `check`, `remove SERVICE VERSION` | in service, out of service, a probe now, the end |
//! | `url SERVICE VERSION URL…` | other URLs; `--add` and `--remove` change some of them |
//! | `redraw SERVICE`, `explain SERVICE KEY` | assigns pinned users again; the version of a key |
//! | `replicas`, `traffic SERVICE` | the gateways; the figures, with `--watch` as they go on |
//! | `wait drained`, `wait converged`, `wait healthy` | ends when it is true |
//! | `rollout start SERVICE VERSION` | a rollout by a plan, which the gateways drive. `--wait` ends with it |
//! | `rollout list`, `status`, `watch`, `approve`, `advance`, `pause`, `resume`, `promote`, `abort` | the orders to a rollout |
//! | `top [SERVICE]` | the status on the whole screen, painted again every two seconds |
//!
//! # Where the API is
//!
//! `CANARY_URL` or `--url`, by default `http://127.0.0.1:8081`, as the gateway example listens. A path is the mount of the
//! API; without one, `/api/v1/admin` is added. Several addresses, separated by commas, are gateways on one database: the next
//! one is asked when one does not respond, also in the middle of a wait.
//!
//! The token is in `CANARY_TOKEN`, or in the file that `CANARY_TOKEN_FILE` or `--token-file` names (`-`: stdin). No option has
//! the token itself, because other users of the machine see the arguments of a process. TLS trusts the certificates of the
//! system and those in `--ca-cert FILE`. Proxies are set by the usual variables. Redirects are not followed.
//!
//! # What it writes
//!
//! The answer is on stdout, everything else on stderr, and `--quiet` leaves only errors there. Text from the API is escaped:
//! no name and no reason can move the cursor or reorder a line. Colours follow `NO_COLOR` and `CLICOLOR_FORCE`. When the
//! reader of a pipe goes, the program writes nothing more; a wait goes on to its exit code.
//!
//! `--output json` writes the response of the API unchanged, so the OpenAPI document describes it. The waits, `top` and
//! `--watch` write one object per line, with `event` and `at`. An error is its problem document, on stderr.
//!
//! # Changes
//!
//! | option | effect |
//! | --- | --- |
//! | `--dry-run` | no change: the split that it would make, and which users would move |
//! | `--reason TEXT` | stands in the history |
//! | `--if-generation N` | refused if the split is at another generation |
//! | `--wait` | ends once all gateways serve the change, after 5 s or `--timeout` with exit code 5 |
//! | `--force` | skips the probe, and allows to take the last active version out of service |
//!
//! Names, weights, URLs and reasons are checked before a call is made.
//!
//! # Rollouts
//!
//! `canary rollout start` hands a plan (`rollout::Plan`) to the gateways, which drive it and judge the version. The
//! program only watches: `--wait` and `rollout watch` follow the stream of one gateway, go on at the next address when it
//! ends, write each event once, and end with the exit code of the rollout: 0 completed, 6 rolled back or aborted, 7 paused.
//! Ctrl-C leaves the rollout running. The wait lasts 4 hours or `--timeout`, then the exit code is 5.
//!
//! `--steps`, `--hold`, `--keep`, `--max-failed`, `--max-p99` and `--gate` are the usual parts of a plan, `--plan FILE` is all
//! of it. The same plan again returns the rollout that is under way, so a job may run twice. A gateway without rollouts
//! responds 404, exit code 3: then `canary weight` makes the steps, with a person between them.
//!
//! # Exit codes
//!
//! | code | |
//! | --- | --- |
//! | 0 | done |
//! | 1 | failed: the network, 5xx, an unexpected response |
//! | 2 | wrong usage, no call was made |
//! | 3 | refused, nothing was changed: 404, 409, 412, 422. stderr has the `type` of the problem |
//! | 4 | not allowed: 401, 403 |
//! | 5 | the time ran out: the requested state may still come |
//! | 6 | a rollout was rolled back or aborted |
//! | 7 | a rollout is paused and needs a person |
//! | 130 | SIGINT or SIGTERM |
//!
//! # Retries
//!
//! A connection that fails is tried again three times, after 0.5, 1 and 2 s. So are 502, 503 and 504, where the second time
//! changes nothing more: reads, `weight`, `switch`, `activate`, `deactivate`. `Retry-After` is obeyed up to 30 s. When the
//! response to a change is lost, the program reads the split and says whether it shows the change. A connection has 3 s, a
//! call 10 s.
//!
//! A wait goes on when its gateway ends, at the next address or at the same one once it is back, until its time has run out.
//!
#![doc = include_str!("../../tests/cli/by_hand.md")]
//!
#![doc = include_str!("../../tests/cli/new_version.md")]
//!
#![doc = include_str!("../../tests/cli/rollout.md")]
//!
#![doc = include_str!("../../tests/cli/scripts.md")]
