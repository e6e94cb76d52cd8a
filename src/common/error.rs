//! Errors without a type of their own, and the chain of their sources.

use std::error::Error;
use std::iter::successors;

/// An error of a type that the caller does not need.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Iterates over `error` and its sources, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// Joins `error` and its sources into one text, for a log line.
///
/// A source is left out if the text before it ends with it, since the errors of some libraries print their source.
pub(crate) fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for source in chain(error).skip(1).map(ToString::to_string) {
        if !text.ends_with(&source) {
            text.extend([": ", &source]);
        }
    }
    text
}
