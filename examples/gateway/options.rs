//! Command line options and environment variables.

use std::error::Error;
use std::net::IpAddr;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use http::HeaderName;
use tower_canary::Backend;
use tower_canary::layer::{Affinity, Override, PinCookie};

use crate::failure::Failure;

const ENVIRONMENT: &str = "Environment:
  RUST_LOG  Log filter, for example `tower_canary=debug`; logs go to stderr. The default `warn,tower_canary=info` logs
            warnings and one line for each change of a split";

// `Debug` is not derived: it would print the secret.
/// A gateway that splits traffic between the versions of a service by weight
#[derive(Parser)]
#[command(name = "gateway", version, args_override_self = true, after_help = ENVIRONMENT)]
pub(crate) struct Options {
    /// Address for requests: /SERVICE/… goes to a version of the service, without the prefix
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,

    /// Address for the admin API (/api/v1/admin), /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(crate) admin: String,

    /// Database for the versions and their weights: sqlite://FILE; also postgres:// and mysql:// if these features are
    /// enabled
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://canary.db?mode=rwc"
    )]
    pub(crate) database: String,

    /// Number of changes to keep in the history of each service [default: unlimited]
    #[arg(long, value_name = "N", env = "CANARY_HISTORY")]
    pub(crate) history: Option<u32>,

    /// File for the last published routes, used to start when the database is unreachable
    #[arg(long, value_name = "FILE", env = "CANARY_SNAPSHOT")]
    pub(crate) snapshot: Option<PathBuf>,

    /// Name of this gateway among the gateways on one database [default: the address for requests]
    #[arg(long, value_name = "NAME", env = "CANARY_NAME")]
    pub(crate) name: Option<String>,

    /// Secret that signs admin tokens (HS256), at least 32 bytes [default: random]
    #[arg(long, value_name = "SECRET", env = "CANARY_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,

    /// Backend for requests of an unknown service, or of a service without an active version
    #[arg(long, value_name = "URL", env = "MONOLITH_URL")]
    pub(crate) fallback_url: Option<Backend>,

    /// Header that identifies users: each user keeps one version
    #[arg(long, value_name = "NAME", env = "CANARY_AFFINITY_HEADER", value_parser = header_name)]
    affinity_header: Option<HeaderName>,

    /// Cookie that identifies users if the affinity header is missing
    #[arg(long, value_name = "NAME", env = "CANARY_AFFINITY_COOKIE")]
    affinity_cookie: Option<String>,

    /// Prefix of cookies that keep other users with one version. The cookie is called NAME_SERVICE and signed with the JWT
    /// secret: set the same secret for all gateways
    #[arg(long, value_name = "NAME", env = "CANARY_PIN_COOKIE")]
    pin_cookie: Option<String>,

    /// Header that selects a version, for testers; it is always removed from the request
    #[arg(long, value_name = "NAME", env = "CANARY_OVERRIDE_HEADER", value_parser = header_name)]
    override_header: Option<HeaderName>,

    /// Trust every client that sends the override header: only safe if all clients are testers
    #[arg(long, requires = "override_header")]
    trust_override: bool,

    /// Address of a proxy in front whose X-Forwarded-* and Forwarded headers are trusted; may be repeated
    #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
    pub(crate) trusted_proxies: Vec<IpAddr>,

    /// Maximum time until a backend sends its response headers; an upload that makes progress restarts it
    // The alias is the option's first name.
    #[arg(long, alias = "answer-timeout", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) response_timeout: Duration,

    /// Maximum time for requests in flight and WebSockets to finish at the shutdown
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) drain: Duration,

    /// Seed of the draw, for repeatable choices [default: random]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Start without the demo backends
    #[arg(long)]
    pub(crate) no_demo: bool,

    /// Number of threads that serve requests [default: the number of processors]
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
            Failure::from_text(first_paragraph(&error.to_string()))
        })
    }

    /// Returns the key that keeps a user with one version, if one is set.
    pub(crate) fn affinity(&self) -> Option<Affinity> {
        let header = self.affinity_header.clone().map(Affinity::header);
        let cookie = self.affinity_cookie.as_deref().map(Affinity::cookie);
        header.into_iter().chain(cookie).reduce(Affinity::or)
    }

    /// Returns the cookie for users without a key, signed with `secret`.
    pub(crate) fn pin_cookie(&self, secret: &str) -> Result<Option<PinCookie>, Failure> {
        let Some(prefix) = &self.pin_cookie else { return Ok(None) };
        let pin = PinCookie::new(secret.as_bytes()).map_err(|error| cannot_sign_pins(&error))?;
        let pin = pin.with_prefix(prefix).map_err(|error| cannot_sign_pins(&error))?;
        // This example serves plain HTTP, and browsers send `Secure` cookies over TLS only.
        Ok(Some(pin.allow_http()))
    }

    /// Returns the rule by which testers select a version, if one is set.
    pub(crate) fn version_override(&self) -> Option<Override> {
        let trusted = self.trust_override;
        Some(Override::header(self.override_header.clone()?, move |_| trusted))
    }

    /// Returns the secret, or a random one of this call.
    pub(crate) fn secret(&self) -> String {
        self.jwt_secret.clone().unwrap_or_else(random_secret)
    }
}

fn cannot_sign_pins(error: &dyn Error) -> Failure {
    Failure::new("cannot sign pin cookies", error)
}

fn seconds(text: &str) -> Result<Duration, ParseIntError> {
    text.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into()))
}

/// Parses a header name. Names with `_` are refused, since the proxy removes such headers from every request.
fn header_name(text: &str) -> Result<HeaderName, String> {
    if text.contains('_') {
        return Err("the gateway removes headers with '_' in their name: use '-'".into());
    }
    text.parse().map_err(|_| "not the name of a header".into())
}

fn random_secret() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// Returns the error message of clap without the usage text below it.
fn first_paragraph(text: &str) -> &str {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.split("\n\n").next().unwrap_or(text)
}
