//! Command line options. `environment.rs` reads their variables.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::BoolishValueParser;
use http::HeaderName;
use ipnet::IpNet;
use tower_canary::Backend;
use tower_canary::layer::{Affinity, Override};
use tower_canary::proxy::AddressHeader;

use crate::connection::ConnectionSettings;
use crate::failure::Failure;
use crate::health::HealthOptions;
use crate::limits::ClientLimits;
use crate::pins::PinOptions;
use crate::proxy_protocol::TrustedProxies;
use crate::retries::RetryOptions;
use crate::rollouts::RolloutOptions;
use crate::tls::TlsOptions;
use crate::token::Secret;
use crate::values::{address_header, header_name, network, positive_seconds, seconds};

const ENVIRONMENT: &str = "Environment:
  Each option has a variable, except --help and --version. The command line comes first. An empty variable counts as unset,
  and the others are taken byte for byte. Several proxies are separated by commas; a switch is `true` or `false`. A time is a
  number of seconds, or has a unit: 500ms, 5s, 2m.

  RUST_LOG  Log filter, for example `tower_canary=debug`; logs go to stderr. The default `warn,tower_canary=info` logs
            warnings and one line for each change of a split";

// `Debug` is not derived: it would print the secrets.
/// A gateway that splits traffic between the versions of a service by weight
#[derive(Parser)]
#[command(name = "gateway", version, args_override_self = true, after_help = ENVIRONMENT)]
pub(crate) struct Options {
    /// Address for requests: /SERVICE/… goes to a version of the service, without the prefix
    #[arg(long, value_name = "ADDRESS", env = "CANARY_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,

    #[command(flatten)]
    pub(crate) tls: TlsOptions,

    /// Address for the admin API (/api/v1/admin), /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", env = "CANARY_ADMIN", default_value = "127.0.0.1:8081")]
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

    /// File with the URL of the database. One line break at its end is removed
    #[arg(long, value_name = "FILE", env = "DATABASE_URL_FILE")]
    pub(crate) database_file: Option<PathBuf>,

    /// Read changes of other gateways by polling alone, for poolers through which PostgreSQL cannot notify (PgBouncer)
    #[arg(long, env = "CANARY_POLL_ONLY", value_parser = BoolishValueParser::new())]
    pub(crate) poll_only: bool,

    /// Number of changes to keep in the history of each service [default: unlimited]
    #[arg(long, value_name = "N", env = "CANARY_HISTORY")]
    pub(crate) history: Option<u32>,

    /// File for the last published routes, used to start when the database is unreachable
    #[arg(long, value_name = "FILE", env = "CANARY_SNAPSHOT")]
    pub(crate) snapshot: Option<PathBuf>,

    /// Name of this gateway among the gateways on one database [default: the address for requests]
    #[arg(long, value_name = "NAME", env = "CANARY_NAME")]
    pub(crate) name: Option<String>,

    /// URL of the admin API as operators reach it, listed with the gateways on one database
    #[arg(long, value_name = "URL", env = "CANARY_ADMIN_URL")]
    pub(crate) admin_url: Option<Backend>,

    /// Secret that signs admin tokens (HS256), at least 32 bytes [default: random]. A command line is visible to other users:
    /// prefer the variable or the file
    #[arg(long, value_name = "SECRET", env = "CANARY_JWT_SECRET", hide_env_values = true)]
    pub(crate) jwt_secret: Option<String>,

    /// File with the secret. One line break at its end is removed
    #[arg(long, value_name = "FILE", env = "CANARY_JWT_SECRET_FILE")]
    pub(crate) jwt_secret_file: Option<PathBuf>,

    /// Print an admin token at the start. Without it, one is printed only to a terminal, by a demo with a random secret
    #[arg(long, env = "CANARY_PRINT_TOKEN", value_parser = BoolishValueParser::new())]
    pub(crate) print_token: bool,

    /// Backend for requests of an unknown service, or of a service without an active version
    #[arg(long, value_name = "URL", env = "MONOLITH_URL", hide_env_values = true)]
    pub(crate) fallback_url: Option<Backend>,

    /// Header that identifies users: each user keeps one version
    #[arg(long, value_name = "NAME", env = "CANARY_AFFINITY_HEADER", value_parser = header_name)]
    affinity_header: Option<HeaderName>,

    /// Cookie that identifies users if the affinity header is missing
    #[arg(long, value_name = "NAME", env = "CANARY_AFFINITY_COOKIE")]
    affinity_cookie: Option<String>,

    #[command(flatten)]
    pub(crate) pins: PinOptions,

    #[command(flatten)]
    pub(crate) health: HealthOptions,

    #[command(flatten)]
    pub(crate) retries: RetryOptions,

    /// Header that selects a version, for testers; it is always removed from the request
    #[arg(long, value_name = "NAME", env = "CANARY_OVERRIDE_HEADER", value_parser = header_name)]
    override_header: Option<HeaderName>,

    /// Trust every client that sends the override header: only safe if all clients are testers
    #[arg(long, env = "CANARY_TRUST_OVERRIDE", value_parser = BoolishValueParser::new())]
    trust_override: bool,

    /// Address of a proxy in front whose X-Forwarded-* and Forwarded headers are trusted, or a network of them (CIDR); may be
    /// repeated
    #[arg(
        long = "trusted-proxy",
        value_name = "ADDRESS",
        env = "CANARY_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_parser = network
    )]
    trusted_proxies: Vec<IpNet>,

    /// Expect a header of the PROXY protocol, version 1 or 2, on each connection from a trusted proxy. It names the client;
    /// connections from other addresses have none
    #[arg(long, env = "CANARY_PROXY_PROTOCOL", value_parser = BoolishValueParser::new())]
    proxy_protocol: bool,

    /// Header in which trusted proxies report the client: the one that they overwrite or extend
    #[arg(
        long,
        value_name = "HEADER",
        env = "CANARY_ADDRESS_HEADER",
        default_value = "x-forwarded-for",
        value_parser = address_header
    )]
    pub(crate) address_header: AddressHeader,

    /// Send no Via header: NGINX backends compress no response to requests that have one. Loops are then not detected
    #[arg(long, env = "CANARY_NO_VIA", value_parser = BoolishValueParser::new())]
    pub(crate) no_via: bool,

    /// Map URLs of a backend in redirects, and paths in cookies, to the client's own
    #[arg(long, env = "CANARY_REWRITE_REDIRECTS", value_parser = BoolishValueParser::new())]
    pub(crate) rewrite_redirects: bool,

    /// Send the Host header of the client to backends, instead of the host in their URL
    #[arg(long, env = "CANARY_PRESERVE_HOST", value_parser = BoolishValueParser::new())]
    pub(crate) preserve_host: bool,

    /// Maximum time until a backend sends its response headers; an upload that makes progress restarts it
    // The alias is the option's first name.
    #[arg(
        long,
        alias = "answer-timeout",
        value_name = "SECONDS",
        env = "CANARY_RESPONSE_TIMEOUT",
        default_value = "60",
        value_parser = seconds
    )]
    pub(crate) response_timeout: Duration,

    /// Maximum time between two requests of a connection to a backend. Common backends close after 5 seconds, and a request
    /// sent at that moment is lost: stay below
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_BACKEND_IDLE_TIMEOUT",
        default_value = "4",
        value_parser = positive_seconds
    )]
    pub(crate) backend_idle_timeout: Duration,

    /// Maximum time in which neither body of a request moves, and in which a client takes no byte of a response
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_BODY_IDLE_TIMEOUT",
        default_value = "60",
        value_parser = positive_seconds
    )]
    pub(crate) body_idle_timeout: Duration,

    /// Maximum time in which no byte moves in a WebSocket or another tunnel [default: unlimited]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_TUNNEL_IDLE_TIMEOUT",
        value_parser = positive_seconds
    )]
    pub(crate) tunnel_idle_timeout: Option<Duration>,

    /// Maximum time between two requests of an HTTP/1 connection, longer than the balancer in front allows. A request head
    /// that has begun has 10 seconds
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_IDLE_TIMEOUT",
        default_value = "75",
        value_parser = positive_seconds
    )]
    idle_timeout: Duration,

    /// Maximum time without a request on an HTTP/2 connection
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_HTTP2_IDLE_TIMEOUT",
        default_value = "60",
        value_parser = positive_seconds
    )]
    http2_idle_timeout: Duration,

    /// Maximum number of header fields of a request
    #[arg(
        long,
        value_name = "N",
        env = "CANARY_MAX_HEADERS",
        default_value = "100",
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub(crate) max_headers: u16,

    /// Time between SIGTERM and the drain. Requests are served as before, and /readyz responds 503 so that balancers notice
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CANARY_DRAIN_NOTICE",
        default_value = "0",
        value_parser = seconds
    )]
    pub(crate) drain_notice: Duration,

    /// Maximum time for requests in flight and WebSockets to finish at the shutdown
    #[arg(long, value_name = "SECONDS", env = "CANARY_DRAIN", default_value = "30", value_parser = seconds)]
    pub(crate) drain: Duration,

    /// Seed of the draw, for repeatable choices [default: random]
    #[arg(long, value_name = "N", env = "CANARY_SEED")]
    pub(crate) seed: Option<u64>,

    /// Start without the demo backends
    #[arg(long, env = "CANARY_NO_DEMO", value_parser = BoolishValueParser::new())]
    pub(crate) no_demo: bool,

    #[command(flatten)]
    pub(crate) rollouts: RolloutOptions,

    /// Number of threads that serve requests [default: the number of processors]
    #[arg(
        long,
        value_name = "N",
        env = "CANARY_THREADS",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub(crate) threads: Option<u16>,
}

impl Options {
    /// Returns the key that keeps a user with one version, if one is set.
    pub(crate) fn affinity(&self) -> Option<Affinity> {
        let header = self.affinity_header.clone().map(Affinity::header);
        let cookie = self.affinity_cookie.as_deref().map(Affinity::cookie);
        header.into_iter().chain(cookie).reduce(Affinity::or)
    }

    /// Returns the rule by which testers select a version, if one is set.
    pub(crate) fn version_override(&self) -> Option<Override> {
        let trusted = self.trust_override;
        Some(Override::header(self.override_header.clone()?, move |_| trusted))
    }

    /// Returns the secret, or a random one of this call.
    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.jwt_secret.as_deref())
    }

    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies::new(&self.trusted_proxies)
    }

    /// Returns how connections of clients are served.
    pub(crate) fn connections(&self) -> ConnectionSettings {
        ConnectionSettings::new(self.limits())
            .with_balancers(self.proxy_protocol.then(|| self.trusted_proxies()))
            .with_tls(self.tls.loaded().map(|tls| tls.config()))
    }

    /// Returns how connections of operators are served.
    pub(crate) fn admin_connections(&self) -> ConnectionSettings {
        ConnectionSettings::new(self.limits())
    }

    fn limits(&self) -> ClientLimits {
        ClientLimits {
            idle: self.idle_timeout,
            http2_idle: self.http2_idle_timeout,
            body_idle: self.body_idle_timeout,
            max_headers: self.max_headers,
        }
    }

    /// Checks options that depend on each other.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err(Failure::from_text(
                "--proxy-protocol needs --trusted-proxy: the addresses of the balancers",
            ));
        }
        if self.trust_override && self.override_header.is_none() {
            return Err(Failure::from_text("--trust-override needs --override-header"));
        }
        self.health.check()?;
        self.retries.check()
    }
}
