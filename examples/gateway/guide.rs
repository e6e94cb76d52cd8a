//! The text printed at the start: the addresses, an admin token, and a canary deployment to paste into a shell.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use tokio::net::TcpListener;

use crate::demo;
use crate::failure::Failure;

pub(crate) const ISSUER: &str = "canary";
pub(crate) const AUDIENCE: &str = "canary-admin";

/// Lifetime of the printed token.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// A whole canary deployment. It uses the variables `GATEWAY`, `ADMIN` and `TOKEN`.
const STORY: &str = r#"
# A canary deployment of auth, from v1.0 to v1.1. Paste it into another shell, as a whole or step by step.
# `admin` calls the admin API. It prints the weights if jq is installed, and the whole JSON document otherwise.
short() {
  if ! command -v jq > /dev/null; then cat; echo; return; fi
  jq -c 'if .history then .history[] | {generation, change, version, actor, reason}
    elif .versions then [.versions[] | {(.version): .weight}] | add else . end'
}
admin() { curl -sS -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@" | short; }
hundred() { i=0; while [ $i -lt 100 ]; do curl -sS "$GATEWAY/auth/hello"; i=$((i+1)); done | sort | uniq -c; }

# The versions and their weights. v1.1 is registered and gets no traffic yet. This line registers another version:
#   admin -X POST "$ADMIN/routing/services/auth/versions" -d '{"version": "v1.2", "url": "http://127.0.0.1:9003"}'
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

# Take v1.0 out of service.
admin -X PUT "$ADMIN/routing/services/auth/versions/v1.0" -d '{"active": false}'

# Roll back with one call.
admin -X POST "$ADMIN/deployment/services/auth/versions/v1.0/switch"
hundred

# List the changes: the kind, the version, the actor and the reason.
admin "$ADMIN/deployment/services/auth/history"
"#;

/// Prints the guide. A closed stdout is ignored: the gateway serves all the same.
pub(crate) fn print(
    data: &TcpListener,
    admin: &TcpListener,
    secret: &str,
    with_demo: bool,
) -> Result<(), Failure> {
    let text = text(data, admin, secret, with_demo)
        .map_err(|error| Failure::new("cannot create an admin token", &*error))?;
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

fn text(
    data: &TcpListener,
    admin: &TcpListener,
    secret: &str,
    with_demo: bool,
) -> Result<String, Box<dyn Error>> {
    Ok(format!(
        "# requests   http://{data}/{service}/…  goes to a version of the service {service}\n\
         # admin API  http://{admin}/api/v1/admin\n\
         # health     http://{admin}/healthz, http://{admin}/readyz\n\
         # metrics    http://{admin}/metrics\n\
         export GATEWAY=http://{data}\n\
         export ADMIN=http://{admin}/api/v1/admin\n\
         export TOKEN={token}\n{story}\n",
        data = data.local_addr()?,
        admin = admin.local_addr()?,
        token = token(secret)?,
        story = if with_demo { STORY } else { "" },
        service = demo::SERVICE,
    ))
}

fn token(secret: &str) -> Result<String, Box<dyn Error>> {
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)? + TOKEN_LIFETIME;
    let claims = serde_json::json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "demo", "scope": "canary:read canary:write",
        "exp": expires.as_secs(),
    });
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))?)
}
