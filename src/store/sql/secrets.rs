//! Parts of a database URL that must not be shown, and errors without them.
//!
//! Servers repeat what they were given: the user, the settings of a session. So the text of an error is searched for each
//! part of the URL but scheme, host, port and database.

use std::collections::BTreeSet;
use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::url_options::UrlOption;
use crate::common::error::{BoxError, chain_text};

/// Shown in place of a secret.
const HIDDEN: &str = "…";

/// The parts of a URL that must not be shown, longest first.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

/// An error of which parts are hidden.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Redacted(String);

impl Secrets {
    /// Creates the secrets of a URL with these `options`: the values that are not public.
    pub(super) fn new(options: &[UrlOption<'_>]) -> Self {
        let hidden = options.iter().filter(|option| !option.is_public());
        Self::default().with_texts(hidden.map(|option| option.value.as_ref()))
    }

    /// Also hides user and password of `url`.
    pub(super) fn with_login(self, url: &Url) -> Self {
        let login = [url.username(), url.password().unwrap_or_default()];
        let decoded_login = login.map(decoded);
        let mut all = self.with_texts(decoded_login.iter().map(String::as_str).chain(login));
        // A user is often named as the database is, which may be shown.
        let shown = [url.path().trim_start_matches('/'), url.host_str().unwrap_or_default()];
        all.0.retain(|secret| !shown.contains(&secret.as_str()));
        all
    }

    /// Also hides each text, and each of its words of more than two bytes: a server may repeat one setting of several.
    fn with_texts<'a>(self, texts: impl Iterator<Item = &'a str>) -> Self {
        let mut all: BTreeSet<String> = self.0.into_iter().collect();
        // A text that looks like the sign for hidden ones is not searched for: hiding it would find it again for ever.
        for text in texts.filter(|text| !text.is_empty() && *text != HIDDEN) {
            all.insert(text.to_owned());
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            all.extend(words.filter(|word| word.len() > 2).map(str::to_owned));
        }
        let mut longest_first: Vec<_> = all.into_iter().collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(longest_first)
    }

    /// Returns `error` itself if no text of it and its causes contains a secret. Otherwise returns an error with all
    /// those texts in one, in which the secrets are hidden.
    pub(super) fn hide(&self, error: BoxError) -> BoxError {
        let shown = chain_text(&*error);
        let is_clean = self.0.iter().all(|secret| find(&shown, secret).is_none());
        if is_clean { error } else { Redacted(self.hide_in(shown)).into() }
    }

    /// Replaces each secret in a text. The longest is replaced first, in case it contains a shorter one.
    fn hide_in(&self, mut text: String) -> String {
        for secret in &self.0 {
            while let Some(at) = find(&text, secret) {
                text.replace_range(at..at + secret.len(), HIDDEN);
            }
        }
        text
    }
}

/// Returns the index of the first byte of `secret` in `text`, if `text` contains it as a whole word: a short secret
/// must not garble other words.
fn find(text: &str, secret: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut all = text.match_indices(secret).map(|(at, _)| at);
    all.find(|&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + secret.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Returns the text without percent-encoding, as a driver sends it to its server.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(login: &str, text: &str) -> String {
        let url = Url::parse(&format!("postgres://{login}@host/db")).unwrap();
        Secrets::default().with_login(&url).hide(text.into()).to_string()
    }

    #[test]
    fn user_and_password_are_hidden() {
        let text = "password authentication failed for user \"me\", not \"some\" (p@ss+w=1)";
        let expected = "password authentication failed for user \"…\", not \"some\" (…)";
        assert_eq!(hidden("me:p%40ss+w%3D1", text), expected);
    }

    #[test]
    fn words_of_a_secret_are_hidden() {
        assert_eq!(hidden("u:-csearch_path%3Ds3cret", "bad value: s3cret"), "bad value: …");
    }

    #[test]
    fn sign_for_hidden_texts_is_no_secret() {
        assert_eq!(hidden("u:%E2%80%A6", "user u, \"\u{2026}\""), "user \u{2026}, \"\u{2026}\"");
    }

    #[test]
    fn other_errors_stay_themselves() {
        assert!(Secrets::default().hide(fmt::Error.into()).is::<fmt::Error>());
    }
}
