//! Where the console finds the admin API, and where people sign in.

use thiserror::Error;

use super::page::Page;

/// The settings of the console: the path of the admin API, and optionally the page where the application signs people in.
///
/// ```
/// use tower_canary::console::Console;
///
/// let console = Console::new("../api/v1/admin")?.with_login("/login")?;
/// assert!(console.policy().starts_with("default-src 'none'; script-src 'sha256-"));
/// assert!(Console::new("https://elsewhere.example/api").is_err());
/// # Ok::<(), tower_canary::console::InvalidPath>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Console {
    api: String,
    login: String,
}

/// A text that is not a path of this site.
///
/// ```
/// use tower_canary::console::Console;
///
/// let error = Console::new("//elsewhere.example").unwrap_err();
/// assert!(error.to_string().contains("such as ../api/v1/admin"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not a path of this site: use letters, digits and any of - . _ ~ / %, such as ../api/v1/admin or /admin"
)]
pub struct InvalidPath(String);

impl Console {
    /// Creates the settings of a console for the admin API at `api`: a path relative to the console, such as
    /// `../api/v1/admin`, or one from the root of the site, such as `/api/v1/admin`. A relative one stays right when a
    /// proxy serves both below a prefix. A `/` at its end changes nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidPath`] if `api` is empty, begins with `//`, or has another character than letters, digits and
    /// `- . _ ~ / %`. The API must be on the same site, since the page may connect to no other.
    pub fn new(api: impl Into<String>) -> Result<Self, InvalidPath> {
        let api = check_path(api.into())?;
        Ok(Self { api: api.trim_end_matches('/').to_owned(), login: String::new() })
    }

    /// Sets the page where the application signs people in, for an API whose authenticator takes their session: without
    /// a session, and to sign out, the console leads there. The default is none: then the console asks for a token, and
    /// offers no way to end a session of the application.
    ///
    /// # Errors
    ///
    /// [`InvalidPath`] as for [`new`](Self::new).
    pub fn with_login(self, login: impl Into<String>) -> Result<Self, InvalidPath> {
        Ok(Self { login: check_path(login.into())?, ..self })
    }

    /// Returns the `Content-Security-Policy` of the page, for an application that sends policies of its own: of two
    /// policies both hold, so the other one must allow at least as much at the path of the console.
    ///
    /// It allows the style and the script of the page by their hashes, and connections to the same site.
    #[must_use]
    pub fn policy(&self) -> String {
        self.page().policy
    }

    /// Creates the page with these settings.
    pub(super) fn page(&self) -> Page {
        Page::new(&self.api, &self.login)
    }
}

/// Returns `text` if it may be written into the page as a path of this site. `//host` would lead to another site.
fn check_path(text: String) -> Result<String, InvalidPath> {
    if text.is_empty() || text.starts_with("//") || !text.bytes().all(is_path_byte) {
        return Err(InvalidPath(text));
    }
    Ok(text)
}

/// Returns whether a byte may stand in a path as it is. No such byte ends a text in HTML or in a script.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b'%')
}
