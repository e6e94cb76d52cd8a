//! Database URLs: their scheme, and the part of them that may be shown.

/// Returns the scheme of `url`, or an empty text without one.
pub(super) fn scheme(url: &str) -> &str {
    let Some((scheme, _)) = url.split_once(':') else { return "" };
    let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
    if is_scheme { scheme } else { "" }
}

/// Returns the server and database, or the file, that `url` names. User, password and options are left out.
pub(super) fn display_name(url: &str) -> String {
    let (location, options) = url.split_once(['?', '#']).unwrap_or((url, ""));
    // A password may hold any character but the '@' that ends it, and options may hold a password too. If an '@' comes
    // after the first '?', it is unknown which of the two this is, so nothing is shown.
    if options.contains('@') {
        return "of that URL".into();
    }
    let location = location.rsplit('@').next().unwrap_or_default();
    let location = location.split_once("://").map_or(location, |(_, rest)| rest);
    location.trim_start_matches("sqlite:").into()
}
