//! What is printed: where the gateway listens, an admin token, and a canary deployment to paste into a shell.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use tokio::net::TcpListener;

use crate::demo;
use crate::failure::Failure;

pub(crate) const ISSUER: &str = "canary";
pub(crate) const AUDIENCE: &str = "canary-admin";

/// How long the printed token is good.
const TOKEN_LIFE: Duration = Duration::from_hours(12);

/// A whole canary deployment. `GATEWAY`, `ADMIN` and `TOKEN` are exported before.
const STORY: &str = r#"
# A canary deployment of auth, from v1.0 to v1.1. Paste it line by line.
admin() { curl -sS -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@"; echo; }
hundred() { i=0; while [ $i -lt 100 ]; do curl -sS "$GATEWAY/auth/hello"; i=$((i+1)); done | sort | uniq -c; }

# The versions and their weights. v1.1 is registered already and gets no traffic yet; another would be, likewise:
#   admin -X POST "$ADMIN/routing/services/auth/versions" -d '{"version": "v1.2", "url": "http://127.0.0.1:9003"}'
admin "$ADMIN/deployment/services/auth/versions"

# 10 % to v1.1, and what 100 requests get.
admin -X PUT "$ADMIN/deployment/services/auth/versions/v1.1/weight" -d '{"weight": 10, "reason": "first look"}'
hundred

# 50 %.
admin -X PUT "$ADMIN/deployment/services/auth/versions/v1.1/weight" -d '{"weight": 50}'
hundred

# All of it: v1.1 at 100, v1.0 at 0.
admin -X POST "$ADMIN/deployment/services/auth/versions/v1.1/switch"
hundred

# v1.0 out of service.
admin -X PUT "$ADMIN/routing/services/auth/versions/v1.0" -d '{"active": false}'

# Back again, with one call.
admin -X POST "$ADMIN/deployment/services/auth/versions/v1.0/switch"
hundred

# Who changed what, when and why.
admin "$ADMIN/deployment/services/auth/history"
"#;

pub(crate) fn print(
    data: &TcpListener,
    admin: &TcpListener,
    secret: &str,
    with_demo: bool,
) -> Result<(), Failure> {
    let text = text(data, admin, secret, with_demo);
    let text = text.map_err(|error| Failure::new("cannot make an admin token", &*error))?;
    // Who does not read it does not need it: a closed pipe is no reason not to serve.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

fn text(
    data: &TcpListener,
    admin: &TcpListener,
    secret: &str,
    with_demo: bool,
) -> Result<String, Box<dyn Error>> {
    let (data, admin, token) = (data.local_addr()?, admin.local_addr()?, token(secret)?);
    let story = if with_demo { STORY } else { "" };
    Ok(format!(
        "# requests   http://{data}/{service}/…  goes to a version of the service {service}\n\
         # admin API  http://{admin}/api/v1/admin\n\
         # health     http://{admin}/healthz, http://{admin}/readyz\n\
         # metrics    http://{admin}/metrics\n\
         export GATEWAY=http://{data}\n\
         export ADMIN=http://{admin}/api/v1/admin\n\
         export TOKEN={token}\n{story}\n",
        service = demo::SERVICE,
    ))
}

fn token(secret: &str) -> Result<String, Box<dyn Error>> {
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)? + TOKEN_LIFE;
    let claims = serde_json::json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "demo", "scope": "canary:read canary:write",
        "exp": expires.as_secs(),
    });
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))?)
}
