//! Flags and environment variables.

use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use http::HeaderName;
use tower_canary::Backend;
use tower_canary::layer::{Affinity, Override, PinCookie};

use crate::failure::Failure;

// No `Debug`: it would show the secret.
/// A gateway that moves traffic between the versions of a service by weight.
#[derive(Parser)]
#[command(name = "gateway", version, args_override_self = true)]
pub(crate) struct Options {
    /// Where requests are taken: /SERVICE/… goes to a version of the service, without the prefix
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,

    /// Where the admin API is served, at /api/v1/admin, and /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(crate) admin: String,

    /// The database that keeps the versions and their weights: sqlite://FILE, and postgres:// or mysql:// where built
    /// with these features
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://canary.db?mode=rwc"
    )]
    pub(crate) database: String,

    /// How many changes of each service the history keeps; all when absent
    #[arg(long, value_name = "N", env = "CANARY_HISTORY")]
    pub(crate) history: Option<u32>,

    /// The file that keeps the routes served last, to start with when the database cannot be reached
    #[arg(long, value_name = "FILE", env = "CANARY_SNAPSHOT")]
    pub(crate) snapshot: Option<PathBuf>,

    /// What this gateway is called among those that share the database; the address it listens on when absent
    #[arg(long, value_name = "NAME", env = "CANARY_NAME")]
    pub(crate) name: Option<String>,

    /// The secret that admin tokens are signed with (HS256), 32 bytes or more; random when absent
    #[arg(long, value_name = "SECRET", env = "CANARY_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,

    /// Where requests for an unknown service go, or for one without an active version
    #[arg(long, value_name = "URL", env = "MONOLITH_URL")]
    pub(crate) fallback_url: Option<Backend>,

    /// The header that tells users apart: each stays with one version
    #[arg(long, value_name = "NAME", env = "CANARY_AFFINITY_HEADER", value_parser = header)]
    affinity_header: Option<HeaderName>,

    /// The cookie that does, where that header is missing
    #[arg(long, value_name = "NAME", env = "CANARY_AFFINITY_COOKIE")]
    affinity_cookie: Option<String>,

    /// Keeps users without such a key with their version by a cookie called NAME_SERVICE, signed with the JWT secret:
    /// give all gateways the same, or each has pins of its own
    #[arg(long, value_name = "NAME", env = "CANARY_PIN_COOKIE")]
    pin_cookie: Option<String>,

    /// The header by which testers ask for a version; it is always taken out
    #[arg(long, value_name = "NAME", env = "CANARY_OVERRIDE_HEADER", value_parser = header)]
    override_header: Option<HeaderName>,

    /// Trusts whoever sends that header: only where none but testers reach the gateway
    #[arg(long, requires = "override_header")]
    trust_override: bool,

    /// A proxy in front whose X-Forwarded-* and Forwarded headers are believed; may be given several times
    #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
    pub(crate) trusted_proxies: Vec<IpAddr>,

    /// How many seconds a backend may take to the head of an answer, from when the request last moved
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) response_timeout: Duration,

    /// How many seconds requests in flight and WebSockets may take to their end once the shutdown has begun
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) drain: Duration,

    /// Makes choices repeatable: the same requests in the same order get the same versions
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Starts without the demo backends
    #[arg(long)]
    pub(crate) no_demo: bool,

    /// How many threads serve requests; as many as there are processors when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

impl Options {
    /// Reads the options. `--help` and `--version` end the program here.
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::try_parse().map_err(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            Failure::of(first_paragraph(&error.to_string()))
        })
    }

    /// By what users are kept with a version.
    pub(crate) fn affinity(&self) -> Option<Affinity> {
        let header = self.affinity_header.clone().map(Affinity::header);
        let cookie = self.affinity_cookie.as_deref().map(Affinity::cookie);
        header.into_iter().chain(cookie).reduce(Affinity::or)
    }

    /// How users without a key are kept with a version; `secret` is that of this run.
    pub(crate) fn pin(&self, secret: &str) -> Result<Option<PinCookie>, Failure> {
        let Some(name) = &self.pin_cookie else { return Ok(None) };
        let unusable = |error: &dyn Error| Failure::new("cannot sign pins", error);
        let pin = PinCookie::new(secret.as_bytes()).map_err(|error| unusable(&error))?;
        let pin = pin.with_prefix(name).map_err(|error| unusable(&error))?;
        // The example serves without TLS, over which browsers send no cookie that is for TLS alone.
        Ok(Some(pin.allow_http()))
    }

    /// How testers ask for a version.
    pub(crate) fn overriding(&self) -> Option<Override> {
        let trusted = self.trust_override;
        Some(Override::header(self.override_header.clone()?, move |_| trusted))
    }

    pub(crate) fn secret(&self) -> String {
        self.jwt_secret.clone().unwrap_or_else(|| format!("{:032x}{:032x}", random(), random()))
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into()))
}

/// The proxy takes out headers with `_` before anybody looks for them.
fn header(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text.parse().map_err(|_| "not the name of a header".to_owned())?;
    if text.contains('_') { Err("the gateway takes headers with '_' out: use '-'".into()) } else { Ok(name) }
}

fn random() -> u128 {
    rand::random()
}

/// What is wrong, without the usage that clap adds below.
fn first_paragraph(text: &str) -> &str {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.split("\n\n").next().unwrap_or(text)
}
