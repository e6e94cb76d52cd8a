//! The `If-Match` header (RFC 9110, section 13.1.1).
//!
//! An ETag of the API is the generation of a split in double quotes. The store has one expected generation
//! for a change and compares it within its transaction, so a condition cannot be passed by a change that
//! arrives in between. The other forms of the header, `*` and lists, are reduced to that here.

use http::header::{HeaderMap, IF_MATCH};

use super::problem::ApiError;
use crate::api::ProblemKind;

/// A condition on the generation of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// The request has no condition.
    Unconditional,
    /// The service must exist.
    Any,
    /// The generation must be one of these. Weak tags and tags that are not numbers of ours match nothing and
    /// are left out.
    OneOf(Vec<u64>),
}

impl IfMatch {
    /// Parses all fields of the header together, as RFC 9110, section 5.3, allows to send a list in several
    /// fields.
    ///
    /// A header without a tag is refused: a condition that the client meant must not be ignored.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let values: Option<Vec<&str>> =
            headers.get_all(IF_MATCH).iter().map(|value| value.to_str().ok()).collect();
        let list = values.ok_or_else(malformed)?.join(",");
        match list.trim_matches([' ', '\t', ',']) {
            "" if headers.contains_key(IF_MATCH) => Err(malformed()),
            "" => Ok(Self::Unconditional),
            "*" => Ok(Self::Any),
            tags => generations(tags).map(Self::OneOf).ok_or_else(malformed),
        }
    }

    /// Returns the generation that the store must insist on, if this gateway serves the split at `current`.
    ///
    /// `current` may be older than the split in the store. It only chooses among several tags, so that the
    /// worst consequence is a refusal, after which the client reads the split again.
    pub(super) fn expected(&self, current: Option<u64>) -> Result<Option<u64>, ApiError> {
        match self {
            Self::Unconditional => Ok(None),
            Self::Any if current.is_some() => Ok(None),
            Self::Any => {
                let detail = "If-Match expects that the service exists, and it does not";
                Err(ApiError::conflict(None, None, detail))
            }
            Self::OneOf(generations) => {
                // The store decides, and it compares with one generation: the one that is most likely right.
                let known = current.filter(|current| generations.contains(current));
                let expected = known.or_else(|| generations.iter().max().copied());
                let detail = "If-Match names no generation: read the ETag again";
                expected.map(Some).ok_or_else(|| ApiError::conflict(None, current, detail))
            }
        }
    }
}

/// The response to a header that is neither `*` nor a list of ETags.
fn malformed() -> ApiError {
    let detail = "If-Match must be '*' or ETags in double quotes, such as \"41\"";
    ApiError::new(ProblemKind::MalformedHeader, detail)
}

/// Parses a list of ETags and returns the generations that it names. `None`: it is not a list of ETags.
///
/// The grammar is in RFC 9110, sections 5.6.1 and 8.8.3: a list may have empty elements. Tags with characters
/// outside of ASCII are refused, because ours never have them. `If-Match` compares strongly, so a weak tag
/// matches nothing.
fn generations(list: &str) -> Option<Vec<u64>> {
    let mut generations = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(generations);
        }
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |rest| (true, rest));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let is_separated = after.is_empty() || after.starts_with([' ', '\t', ',']);
        if !is_separated || !tag.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // Tags are compared as texts, so `"041"` is another tag than `"41"`.
        let generation = tag.parse().ok().filter(|generation: &u64| generation.to_string() == tag);
        generations.extend(generation.filter(|_| !is_weak));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::generations;

    // Weak and foreign tags are skipped; a malformed header is an error.
    #[test]
    fn only_strong_canonical_etags_match() {
        assert_eq!(generations(r#""41""#), Some(vec![41]));
        assert_eq!(generations(r#""41" , "42",, "x""#), Some(vec![41, 42]));
        assert_eq!(generations(r#"W/"41""#), Some(vec![]));
        assert_eq!(generations(r#""041", "+41", "99999999999999999999", """#), Some(vec![]));
        for garbage in ["41", "\"41", "41\"", "\"4\"1\"", "*, \"41\"", "w/\"41\"", "\"4 1\""] {
            assert_eq!(generations(garbage), None, "{garbage}");
        }
    }
}
