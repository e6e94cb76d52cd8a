//! Database URLs: what they name, whether they are understood, and the parts of them that must not be shown.
//!
//! A URL is checked here before its driver sees it. The drivers ignore options that they do not know, and one of them logs
//! such an option with its value: the rest of a password, if the password has a `?`.

use sea_orm::DbBackend;
use url::Url;

use super::error::ConnectError;
use super::secrets::Secrets;
use super::url_flaw::UrlFlaw;
use super::url_options::{self, UrlOption};

/// A database URL that is understood.
pub(super) struct DatabaseUrl {
    pub(super) backend: DbBackend,
    /// The URL as its driver reads it.
    pub(super) text: String,
    /// The server and database, or the file. User, password and options are left out.
    pub(super) name: String,
    pub(super) secrets: Secrets,
}

impl DatabaseUrl {
    /// Parses `url`, and asks its driver whether it understands each option, without connecting to anything.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        // A file or a variable often ends in a newline that is no part of the URL.
        let url = url.trim_end_matches(['\r', '\n']);
        let (scheme, rest) = url.split_once(':').ok_or(ConnectError::NotAUrl)?;
        let backend = backend(&scheme.to_ascii_lowercase(), rest)?;
        if url.contains(|c: char| c.is_ascii_control()) {
            return Err(UrlFlaw::ControlCharacter.into());
        }
        let text = format!("{}:{rest}", scheme.to_ascii_lowercase());
        let options = url_options::parse(backend, &text)?;
        let secrets = match backend {
            DbBackend::Sqlite => Secrets::new(&options),
            _ => Secrets::new(&options).with_login(&parse_server(&text)?),
        };
        check_values(backend, &text, &options)?;
        let name = display_name(&text);
        Ok(Self { backend, text, name, secrets })
    }
}

/// Refuses `url` unless its driver understands the value of each option, and the whole of it.
fn check_values(backend: DbBackend, url: &str, options: &[UrlOption<'_>]) -> Result<(), UrlFlaw> {
    for option in options {
        if !is_understood(backend, &option.single_option_url(backend)) {
            return Err(UrlFlaw::BadValue { option: option.known });
        }
    }
    if is_understood(backend, url) { Ok(()) } else { Err(UrlFlaw::Unparsable) }
}

/// Returns the kind of database that a URL with `scheme` names, if this build has a driver for it.
fn backend(scheme: &str, rest: &str) -> Result<DbBackend, ConnectError> {
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(DbBackend::Sqlite),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(DbBackend::Postgres),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(DbBackend::MySql),
        // A text before a ':' alone is no scheme: it may be a user name.
        _ if rest.starts_with("//") && is_scheme(scheme) => {
            Err(ConnectError::NoDriver { scheme: scheme.into() })
        }
        _ => Err(ConnectError::NotAUrl),
    }
}

/// Returns whether a text looks like the scheme of a URL. A text before a `:` that does not may be a user
/// name, which no error repeats.
fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
}

/// Parses the URL of a server.
///
/// An '@' after the host, and a '#', are part of a password that is not encoded: the text before them is then no host, and
/// must not be shown as one.
fn parse_server(text: &str) -> Result<Url, UrlFlaw> {
    let url = Url::parse(text).map_err(|_| UrlFlaw::Unparsable)?;
    if url.cannot_be_a_base() || url.fragment().is_some() || url.path().contains('@') {
        return Err(UrlFlaw::Unparsable);
    }
    Ok(url)
}

/// Returns whether the driver understands `url`. Its error is not used, since it contains the value.
fn is_understood(backend: DbBackend, url: &str) -> bool {
    match backend {
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => super::sqlite::is_understood(url),
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => super::postgres::options(url).is_some(),
        #[cfg(feature = "mysql")]
        DbBackend::MySql => super::mysql::options(url).is_some(),
        _ => false,
    }
}

/// Returns the server and database, or the file, that `url` names, for messages. If the password may be part of them,
/// returns `of that URL` instead.
fn display_name(url: &str) -> String {
    let (location, options) = url.split_once('?').unwrap_or((url, ""));
    // A password may hold any character but the '@' that ends it, and options may hold a password too. If an '@' comes
    // after the first '?', it is unknown which of the two this is, so nothing is shown.
    if options.contains('@') {
        return "of that URL".into();
    }
    let location = location.rsplit('@').next().unwrap_or_default();
    let location = location.split_once("://").map_or(location, |(_, rest)| rest);
    location.trim_start_matches("sqlite:").into()
}
