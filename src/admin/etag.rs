//! Entity tags of responses, and `If-None-Match` of reads (RFC 9110, sections 8.8.3 and 13.1.2).

use std::fmt;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, HeaderMap, HeaderName, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::problem::ApiError;
use crate::api::ProblemKind;

/// One entity tag of a request, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntityTag<'a> {
    pub(super) is_weak: bool,
    pub(super) text: &'a str,
}

/// The condition of a read: the client has a response with one of these tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfNoneMatch {
    /// The request has no condition.
    Unconditional,
    /// Any response matches.
    Any,
    /// The texts of the tags. Weak tags match too, since the comparison is weak.
    OneOf(Vec<String>),
}

impl IfNoneMatch {
    /// Parses the header.
    fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(list) = join_fields(headers, &IF_NONE_MATCH)? else { return Ok(Self::Unconditional) };
        if list == "*" {
            return Ok(Self::Any);
        }
        let tags = parse_list(&list).ok_or_else(|| malformed_header(&IF_NONE_MATCH))?;
        Ok(Self::OneOf(tags.into_iter().map(|tag| tag.text.to_owned()).collect()))
    }

    /// Responds with `body` and its tag, or with 304 and the tag if the client has that response.
    pub(super) fn respond(&self, tag: impl fmt::Display, body: impl Serialize) -> Response {
        let tag = tag.to_string();
        let is_known = match self {
            Self::Unconditional => false,
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(&tag),
        };
        if is_known {
            return with_etag(tag, StatusCode::NOT_MODIFIED.into_response());
        }
        with_etag(tag, Json(body).into_response())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::from_headers(&parts.headers)
    }
}

/// Adds a tag to a response. The tag is strong: two responses with the same tag are equal.
pub(super) fn with_etag(tag: impl fmt::Display, mut response: Response) -> Response {
    // The tags of this API are digits and hexadecimal digits, which in quotes are always a valid header value.
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Returns all fields of a header as one list without empty elements at its ends: RFC 9110, section 5.3, allows to send a
/// list in several fields. `None`: the request does not have the header.
///
/// A header without an element is refused: a condition that the client meant must not be ignored.
pub(super) fn join_fields(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let values: Option<Vec<&str>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    let list = values.ok_or_else(|| malformed_header(name))?.join(",");
    match list.trim_matches([' ', '\t', ',']) {
        "" => Err(malformed_header(name)),
        list => Ok(Some(list.to_owned())),
    }
}

/// Creates the response to `If-Match` or `If-None-Match`, by its name, if it is neither `*` nor a list of ETags.
pub(super) fn malformed_header(name: &HeaderName) -> ApiError {
    let name = if name == IF_NONE_MATCH { "If-None-Match" } else { "If-Match" };
    let detail = format!("{name} must be '*' or ETags in double quotes, such as \"41\"");
    ApiError::new(ProblemKind::MalformedHeader, detail)
}

/// Parses a list of ETags. `None`: it is not one.
///
/// The grammar is in RFC 9110, sections 5.6.1 and 8.8.3: a list may have empty elements. Tags with characters outside
/// of ASCII are refused, because ours never have them.
pub(super) fn parse_list(list: &str) -> Option<Vec<EntityTag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let weak = rest.strip_prefix("W/");
        let (text, after) = weak.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        let is_separated = after.is_empty() || after.starts_with([' ', '\t', ',']);
        if !is_separated || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        tags.push(EntityTag { is_weak: weak.is_some(), text });
        rest = after;
    }
}
