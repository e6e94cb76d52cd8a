//! The text printed at the start: the addresses, a canary deployment to paste into a shell, and two rollouts.
//!
//! stdout is the log of a container, so a token is printed only to the terminal of a demo, or on request.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::net::TcpListener;
use tower_canary::Backend;

use crate::demo;
use crate::failure::Failure;
use crate::options::Options;
use crate::token::Secret;

/// A whole canary deployment. It uses the variables `GATEWAY`, `ADMIN` and `TOKEN`.
const STORY: &str = r#"
# A canary deployment of auth, from v1.0 to v1.1, and two rollouts below that the gateway drives by itself. Paste all of it
# into another shell, which takes two minutes, or step by step.
# `admin` calls the admin API. It prints the weights if jq is installed, and the whole JSON document otherwise.
short() {
  if ! command -v jq > /dev/null; then cat; echo; return; fi
  jq -c 'if .history then .history[] | {generation, change, version, actor, reason}
    elif .rollouts then .rollouts[] | {version, phase, outcome, why}
    elif .versions then [.versions[] | {(.version): .weight}] | add else . end'
}
call() { curl -sS -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@"; }
admin() { call "$@" | short; }
states() {
  call "$ADMIN/deployment/services/auth/versions" | if command -v jq > /dev/null; then
    jq -r '.versions[] | .version as $version | .instances[] | "\($version) \(.url) \(.state)"'; else cat; echo; fi
}
hundred() { i=0; while [ $i -lt 100 ]; do curl -sS "$GATEWAY/auth/hello"; i=$((i+1)); done | sort | uniq -c; }

# The versions and their weights. v1.1 is registered and gets no traffic yet. This line registers another version:
#   admin -X POST "$ADMIN/routing/services/auth/versions" -d '{"version": "v1.3", "url": "http://127.0.0.1:9005"}'
admin "$ADMIN/deployment/services/auth/versions"

# Send 10 % to v1.1. `hundred` sends 100 requests and counts them by version.
admin -X PUT "$ADMIN/deployment/services/auth/versions/v1.1/weight" -d '{"weight": 10, "reason": "first look"}'
hundred

# Send 50 % to v1.1.
admin -X PUT "$ADMIN/deployment/services/auth/versions/v1.1/weight" -d '{"weight": 50}'
hundred

# Switch: v1.1 gets 100 %, v1.0 gets 0 %.
admin -X POST "$ADMIN/deployment/services/auth/versions/v1.1/switch"
hundred

# v1.1 has two instances. Stop the second one for 20 seconds: no request fails. The gateway notices by failed requests or
# failed checks, in some 8 seconds, and `states` shows it. Half a minute later the instance is up again. `/metrics` and
# `…/traffic` count its requests and failures.
states
instance=$(call "$ADMIN/deployment/services/auth/versions" | grep -o 'http://127.0.0.1:[0-9]*' | tail -n 1)
curl -sS -X POST "$instance/stop"
hundred
i=0; while [ $i -lt 15 ] && states | grep -q "$instance up"; do sleep 1; i=$((i+1)); done
states

# Take v1.0 out of service.
admin -X PUT "$ADMIN/routing/services/auth/versions/v1.0" -d '{"active": false}'

# Roll back with one call.
admin -X POST "$ADMIN/deployment/services/auth/versions/v1.0/switch"
hundred

# List the changes: the kind, the version, the actor and the reason.
admin "$ADMIN/deployment/services/auth/history"
"#;

/// Two rollouts. `{url}` is the URL of the version that fails, `{hold}` the hold of the first one.
const ROLLOUTS: &str = r#"
# A rollout of auth: the gateway raises the weight of v1.1 step by step, compares it with v1.0 in the same ten seconds, and takes
# it back if it is worse. `{"version": "v1.1"}` is a whole plan, of 30 minutes. This one has short steps: less than a minute.
# `rollout` starts one and sends 100 requests a second until it is over or waits for a person. It prints its events.
rollouts=$ADMIN/deployment/services/auth/rollouts
rollout() {
  state=$(call -X POST "$rollouts" -d "$1") events=
  id=$(printf %s "$state" | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
  if [ -z "$id" ]; then printf '%s\n' "$state"; return; fi
  while printf %s "$state" | grep -qE '"phase":"(waiting|holding|gated|returning)"'; do
    curl -sS "$GATEWAY/auth/[1-100]" > /dev/null; sleep 1
    state=$(call "$rollouts/$id") before=$events
    events=$(printf %s "$state" | grep -o '{"turn":[^}]*}' | sed 's/.*T\(..:..:..\).*"text":"\(.*\)"}/\1 \2/')
    [ "$events" = "$before" ] || printf '%s\n' "$events" | tail -n +$(($(printf %s "$before" | grep -c '') + 1))
  done
}
rollout '{"version": "v1.1", "steps": [50], "hold": "{hold}", "bake": {"hold": "{hold}"},
  "guard": {"leastRequests": 100, "leastWindows": 1}}'
admin "$ADMIN/deployment/services/auth/versions"

# v1.2 fails one request in five. The guard has its defaults: it needs four or five windows of ten seconds to be sure, and only
# 20 % of the requests go to v1.2 until then.
admin -X POST "$ADMIN/routing/services/auth/versions" -d '{"version": "v1.2", "url": "{url}"}'
rollout '{"version": "v1.2", "steps": [20], "hold": "2m", "reason": "release 1.2"}'

# v1.1 has all traffic again. The list of rollouts says why.
admin "$ADMIN/deployment/services/auth/versions"
admin "$rollouts"
# That is the end. The demo runs until Ctrl-C in its terminal.
"#;

/// Makes a token from the secret.
const TOKEN_RECIPE: &str = r#"# No admin token is printed here. With the secret in CANARY_JWT_SECRET, these lines make one for 12 hours:
b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
claims='{"iss":"canary","aud":"canary-admin","sub":"%s","scope":"canary:read canary:write","exp":%s}'
claims=$(printf "$claims" "$(id -un)" $(($(date +%s) + 43200)) | b64)
head=$(printf '{"alg":"HS256","typ":"JWT"}' | b64)
export TOKEN=$head.$claims.$(printf %s "$head.$claims" | openssl dgst -sha256 -hmac "$CANARY_JWT_SECRET" -binary | b64)
export CANARY_TOKEN=$TOKEN
"#;

const NO_SECRET: &str =
    "# No admin token is printed here, and this secret is random: set CANARY_JWT_SECRET or --print-token.\n";

/// Prints the guide. A closed stdout is ignored: the gateway serves all the same.
///
/// `faulty` is the URL of the demo's version that fails. Without a demo there is no story.
pub(crate) fn print(
    [data, admin]: [&TcpListener; 2],
    options: &Options,
    secret: &Secret,
    faulty: Option<&Backend>,
) -> Result<(), Failure> {
    let text = text([data, admin], options, secret, faulty)
        .map_err(|error| Failure::new("cannot create an admin token", &*error))?;
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

fn text(
    [data, admin]: [&TcpListener; 2],
    options: &Options,
    secret: &Secret,
    faulty: Option<&Backend>,
) -> Result<String, Box<dyn Error>> {
    Ok(format!(
        "# requests   {scheme}://{data}/{service}/…  goes to a version of the service {service}\n\
         # console    http://{admin}/console/  in a browser; it asks for a token, see below\n\
         # commands   canary status, canary --help  in a shell with the exports below\n\
         # admin API  http://{admin}/api/v1/admin\n\
         # health     http://{admin}/healthz, http://{admin}/readyz\n\
         # metrics    http://{admin}/metrics\n\
         export GATEWAY={scheme}://{data}\n\
         export ADMIN=http://{admin}/api/v1/admin\n\
         export CANARY_URL=http://{admin}\n\
         {token}{story}\n",
        data = data.local_addr()?,
        admin = admin.local_addr()?,
        token = token(options, secret)?,
        story = faulty.map(|url| story(url, options.rollouts.demo_hold)).unwrap_or_default(),
        service = demo::SERVICE,
        scheme = options.tls.scheme(),
    ))
}

/// Returns the deployment and the rollouts of the demo.
fn story(faulty: &Backend, hold: Duration) -> String {
    let millis = hold.as_millis();
    let hold =
        if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") };
    STORY.to_owned() + &ROLLOUTS.replace("{url}", faulty.as_str()).replace("{hold}", &hold)
}

/// Returns the line that sets `TOKEN`, or says how to make one.
fn token(options: &Options, secret: &Secret) -> Result<String, Box<dyn Error>> {
    let is_demo = secret.is_random && !options.no_demo && io::stdout().is_terminal();
    if options.print_token || is_demo {
        return Ok(format!("export TOKEN={0}\nexport CANARY_TOKEN=$TOKEN\n", secret.token()?));
    }
    Ok(if secret.is_random { NO_SECRET } else { TOKEN_RECIPE }.into())
}
