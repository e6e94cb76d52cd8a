//! The options of a database URL.

use std::borrow::Cow;

use sea_orm::DbBackend;
use url::form_urlencoded;

use super::url_flaw::UrlFlaw;

/// The options that the driver of SQLite knows.
const SQLITE: &[&str] = &["mode", "cache", "immutable", "vfs"];

/// The options that the driver of PostgreSQL knows.
const POSTGRES: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    NAMED_OPTION,
];

/// The options that the driver of MySQL knows.
const MYSQL: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "charset",
    "collation",
    "statement-cache-capacity",
    "socket",
    "timezone",
    "time-zone",
];

/// One setting of the server, as PostgreSQL's driver writes it.
const NAMED_OPTION: &str = "options[NAME]";

/// Options whose values may be shown: parts of the address, and words that the driver knows.
const PUBLIC: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "mode",
    "cache",
    "immutable",
    "charset",
    "statement-cache-capacity",
];

/// An option of a URL that its driver knows.
pub(super) struct UrlOption<'a> {
    /// The name in the list of known options, which may be shown.
    pub(super) known: &'static str,
    /// The name in the URL. It differs from `known` for [`NAMED_OPTION`].
    name: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
}

impl UrlOption<'_> {
    /// Returns whether the value may be shown.
    pub(super) fn is_public(&self) -> bool {
        PUBLIC.contains(&self.known)
    }

    /// Returns a URL of `backend` that has this option and no other.
    pub(super) fn single_option_url(&self, backend: DbBackend) -> String {
        let base = match backend {
            DbBackend::Sqlite => "sqlite://x",
            DbBackend::MySql => "mysql://x/x",
            _ => "postgres://x/x",
        };
        let option =
            form_urlencoded::Serializer::new(String::new()).append_pair(&self.name, &self.value).finish();
        format!("{base}?{option}")
    }

    /// Returns whether texts are stored as they are with this option. The driver accepts every character set, and all
    /// but the one of the tables garble texts.
    fn keeps_texts(&self) -> bool {
        self.known != "charset" || self.value == "utf8mb4"
    }
}

/// Returns the options of `url`. An option that is not known is refused, and its name is not repeated. So is a
/// character set that would garble texts.
pub(super) fn parse(backend: DbBackend, url: &str) -> Result<Vec<UrlOption<'_>>, UrlFlaw> {
    let known = known_options(backend);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    // A fragment is refused elsewhere. On SQLite it is part of the last value.
    let pairs = form_urlencoded::parse(query.as_bytes());
    let options = pairs.map(|(name, value)| match known.iter().find(|known| is_named(&name, known)) {
        Some(known) => Ok(UrlOption { known, name, value }),
        None => Err(UrlFlaw::UnknownOption { known: known.join(", ") }),
    });
    let options: Vec<_> = options.collect::<Result<_, _>>()?;
    match options.iter().find(|option| !option.keeps_texts()) {
        Some(option) => Err(UrlFlaw::BadValue { option: option.known }),
        None => Ok(options),
    }
}

/// Returns the names of the options that the driver of this kind of database understands.
const fn known_options(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Sqlite => SQLITE,
        DbBackend::MySql => MYSQL,
        _ => POSTGRES,
    }
}

/// Returns whether `name` names the option `known`. Names are case-sensitive.
fn is_named(name: &str, known: &str) -> bool {
    if known != NAMED_OPTION {
        return name == known;
    }
    let setting = name.strip_prefix("options[").and_then(|name| name.strip_suffix(']'));
    setting.is_some_and(|setting| !setting.is_empty())
}
