//! Cookies that keep users without a key with one version, and the secrets that sign them.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use http::uri::Scheme;
use tower_canary::layer::PinCookie;

use crate::failure::Failure;
use crate::token::Secret;

// `Debug` is not derived: it would print the secrets.
/// The options of pin cookies.
#[derive(Args)]
pub(crate) struct PinOptions {
    /// Prefix of cookies that keep other users with one version. The cookie is called NAME_SERVICE and signed: set the same
    /// secret for all gateways
    #[arg(long, value_name = "NAME", env = "CANARY_PIN_COOKIE")]
    pin_cookie: Option<String>,

    /// Secret that signs pin cookies, at least 32 bytes [default: the JWT secret]. With one of its own, a new JWT secret moves
    /// no user
    #[arg(long, value_name = "SECRET", env = "CANARY_PIN_SECRET", hide_env_values = true)]
    pub(crate) pin_secret: Option<String>,

    /// File with the secret of pin cookies. One line break at its end is removed
    #[arg(long, value_name = "FILE", env = "CANARY_PIN_SECRET_FILE")]
    pin_secret_file: Option<PathBuf>,

    /// Secret that signed pin cookies before, or will: such cookies stay valid. May be repeated; one with a comma comes from
    /// a file
    #[arg(
        long = "earlier-pin-secret",
        value_name = "SECRET",
        env = "CANARY_EARLIER_PIN_SECRETS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(crate) earlier_pin_secrets: Vec<String>,

    /// File with such a secret, beside those that are given directly; may be repeated. One line break at its end is removed
    #[arg(
        long = "earlier-pin-secret-file",
        value_name = "FILE",
        env = "CANARY_EARLIER_PIN_SECRET_FILES",
        value_delimiter = ','
    )]
    pub(crate) earlier_pin_secret_files: Vec<PathBuf>,
}

impl PinOptions {
    /// Returns the cookie for users without a key, if it is enabled. `default` signs it if it has no secret of its own.
    pub(crate) fn cookie(&self, default: &Secret, scheme: &Scheme) -> Result<Option<PinCookie>, Failure> {
        let Some(prefix) = &self.pin_cookie else { return Ok(None) };
        let secret = self.pin_secret.as_deref().map_or(default.as_bytes(), str::as_bytes);
        let mut pin = PinCookie::new(secret).map_err(|error| cannot_sign_pins(&error))?;
        for earlier in &self.earlier_pin_secrets {
            pin = pin.with_earlier_secret(earlier.as_bytes()).map_err(|error| cannot_sign_pins(&error))?;
        }
        let pin = pin.with_prefix(prefix).map_err(|error| cannot_sign_pins(&error))?;
        // Browsers send `Secure` cookies over TLS only.
        Ok(Some(if *scheme == Scheme::HTTP { pin.allow_http() } else { pin }))
    }
}

fn cannot_sign_pins(error: &dyn Error) -> Failure {
    Failure::new("cannot sign pin cookies", error)
}
