//! The `If-Match` header of a change (RFC 9110, section 13.1.1).
//!
//! An ETag of the API is the generation of a split in double quotes, with a hash after it if the response also shows the
//! health of instances. The store has one expected generation for a change and compares it within its transaction, so a
//! condition cannot be passed by a change that arrives in between. The other forms of the header, `*` and lists, are
//! reduced to that here.

use http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};

use super::etag::{join_fields, malformed_header, parse_list};
use super::problem::ApiError;
use crate::api::ProblemKind;

/// The generation of a service that does not exist.
const ABSENT: u64 = 0;

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
    /// Parses `If-Match`, and `If-None-Match: *`, which expects that the service does not exist: `If-Match: "0"`.
    ///
    /// `If-None-Match` with tags is refused: a change cannot be made for any generation but one.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let condition = match join_fields(headers, &IF_MATCH)?.as_deref() {
            None => Self::Unconditional,
            Some("*") => Self::Any,
            Some(tags) => Self::OneOf(generations(tags).ok_or_else(|| malformed_header(&IF_MATCH))?),
        };
        match join_fields(headers, &IF_NONE_MATCH)?.as_deref() {
            None => Ok(condition),
            Some("*") => Ok(condition.and_absent()),
            Some(_) => {
                let detail = "If-None-Match of a change must be '*': use If-Match for a generation";
                Err(ApiError::new(ProblemKind::MalformedHeader, detail))
            }
        }
    }

    /// Adds the condition that the service does not exist.
    fn and_absent(self) -> Self {
        match self {
            Self::Unconditional => Self::OneOf(vec![ABSENT]),
            Self::Any => Self::OneOf(Vec::new()),
            Self::OneOf(generations) => {
                Self::OneOf(generations.into_iter().filter(|generation| *generation == ABSENT).collect())
            }
        }
    }

    /// Returns the generation that the store must insist on, if this gateway serves the split at `current`. `None`: the change
    /// is made at any generation. Fails with `generation-conflict` if no generation meets the condition.
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
                let detail = "the condition names no possible generation: read the ETag again";
                expected.map(Some).ok_or_else(|| ApiError::conflict(None, current, detail))
            }
        }
    }
}

/// Parses a list of ETags and returns the generations that it names. `None`: it is not a list of ETags.
///
/// `If-Match` compares strongly, so a weak tag matches nothing. Generations are compared as texts, so `"041"` is another
/// tag than `"41"`. The hash of a tag is ignored: a change does not depend on the health of instances.
fn generations(list: &str) -> Option<Vec<u64>> {
    let strong = parse_list(list)?.into_iter().filter(|tag| !tag.is_weak);
    Some(strong.filter_map(|tag| generation(tag.text)).collect())
}

/// Returns the generation in a tag of this API: `41`, or `41-` and a hash. `None`: the tag is another one.
fn generation(tag: &str) -> Option<u64> {
    let digits = tag.split_once('-').map_or(tag, |(digits, _)| digits);
    digits.parse().ok().filter(|generation: &u64| generation.to_string() == digits)
}

#[cfg(test)]
mod tests {
    use super::generations;

    // Weak and foreign tags are skipped; a malformed header is an error.
    #[test]
    fn only_strong_canonical_etags_match() {
        assert_eq!(generations(r#""41""#), Some(vec![41]));
        assert_eq!(generations(r#""41" , "42",, "x""#), Some(vec![41, 42]));
        assert_eq!(generations(r#""41-9f3c", "42-""#), Some(vec![41, 42]));
        assert_eq!(generations(r#"W/"41", "-9f3c", "041-9f3c""#), Some(vec![]));
        assert_eq!(generations(r#""041", "+41", "99999999999999999999", """#), Some(vec![]));
        for garbage in ["41", "\"41", "41\"", "\"4\"1\"", "*, \"41\"", "w/\"41\"", "\"4 1\""] {
            assert_eq!(generations(garbage), None, "{garbage}");
        }
    }
}
