//! What handlers take out of a request: names in its path, conditions of a write, its body.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, IF_MATCH};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::auth::Principal;
use super::problem::{Kind, Problem};
use crate::routing::{ServiceName, VersionName};

/// The most characters of a detail that repeats what a client sent.
const MAX_DETAIL: usize = 300;

/// How long an answer waits for the other replicas, where it is asked to and no time is given; and at most.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The service that the path names.
#[derive(Debug)]
pub(super) struct OfService(pub(super) ServiceName);

/// The version that the path names, and its service.
#[derive(Debug)]
pub(super) struct OfVersion(pub(super) ServiceName, pub(super) VersionName);

/// Who writes, and under which conditions.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) principal: Principal,
    pub(super) if_match: IfMatch,
    /// Skip the probe, and take even the last active version out.
    pub(super) force: bool,
    /// Only tell what would happen.
    pub(super) dry_run: bool,
    /// How long to wait for the other replicas to serve it, if at all.
    pub(super) wait: Option<Duration>,
}

/// A condition on the generation of the split (RFC 9110, section 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Whatever it is.
    Unconditional,
    /// There must be one.
    Any,
    /// It must be one of these. Tags that are weak or no number of ours match nothing and are left out.
    OneOf(Vec<u64>),
}

/// A query whose unknown parameters are refused: a mistyped `force` is not to be overlooked.
#[derive(Debug)]
pub(super) struct Strict<T>(pub(super) T);

/// A body in JSON. An empty one is read as `{}`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

#[derive(Deserialize)]
struct ServiceInPath {
    service: String,
}

#[derive(Deserialize)]
struct VersionInPath {
    service: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WriteQuery {
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
    wait: Option<WaitFor>,
    timeout: Option<String>,
}

/// What an answer may wait for.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WaitFor {
    Converged,
}

impl<S: Send + Sync> FromRequestParts<S> for OfService {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ServiceInPath { service } = names(parts, state).await?;
        Ok(Self(service.parse()?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfVersion {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let VersionInPath { service, version } = names(parts, state).await?;
        Ok(Self(service.parse()?, version.parse()?))
    }
}

/// By name, so that parameters of the path where the host mounts the API do not get in the way.
async fn names<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Problem> {
    let path = Path::<T>::from_request_parts(parts, state).await;
    path.map(|Path(names)| names).map_err(|error| Problem::new(Kind::InvalidName, error.body_text()))
}

impl<S: Send + Sync> FromRequestParts<S> for Write {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get().cloned().ok_or_else(|| Problem::unauthorized("Bearer"))?;
        let Strict(query) = Strict::<WriteQuery>::from_request_parts(parts, state).await?;
        let (wait, WriteQuery { force, dry_run, .. }) = (query.wait()?, query);
        Ok(Self { principal, if_match: IfMatch::of(&parts.headers)?, force, dry_run, wait })
    }
}

impl WriteQuery {
    fn wait(&self) -> Result<Option<Duration>, Problem> {
        let refused = |detail| Err(Problem::new(Kind::MalformedQuery, detail));
        match (&self.wait, &self.timeout) {
            (None, None) => Ok(None),
            (None, Some(_)) => refused("timeout goes with wait=converged"),
            (Some(WaitFor::Converged), None) => Ok(Some(DEFAULT_WAIT)),
            (Some(WaitFor::Converged), Some(text)) => limit(text, MAX_WAIT).map(Some),
        }
    }
}

/// A time to wait, not longer than `longest`.
pub(super) fn limit(text: &str, longest: Duration) -> Result<Duration, Problem> {
    let limit = humantime::parse_duration(text).ok().filter(|limit| *limit <= longest);
    limit.ok_or_else(|| {
        let detail = format!("timeout must be a time of at most {}s, such as 5s or 500ms", longest.as_secs());
        Problem::new(Kind::MalformedQuery, detail)
    })
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let refused = |text: String| Problem::new(Kind::MalformedQuery, shortened(&text));
        query.map(|Query(query)| Self(query)).map_err(|error| refused(error.body_text()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::PayloadTooLarge, "the body is over 16 KiB"),
            _ => Problem::new(Kind::MalformedBody, "the body cannot be read"),
        })?;
        if bytes.is_empty() {
            return parsed(b"{}");
        }
        if !json {
            let detail = "send the body as 'Content-Type: application/json'";
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        parsed(&bytes)
    }
}

fn parsed<T: DeserializeOwned>(json: &[u8]) -> Result<Body<T>, Problem> {
    let refused = |text: &str| Problem::new(Kind::MalformedBody, shortened(text));
    let Json(body) = Json::from_bytes(json).map_err(|error| refused(&error.body_text()))?;
    // serde reads a list as the fields in their order.
    if json.trim_ascii_start().starts_with(b"{") {
        Ok(Body(body))
    } else {
        Err(refused("the body must be a JSON object"))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect()
}

// === impl IfMatch ===

impl IfMatch {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let values: Option<Vec<&str>> =
            headers.get_all(IF_MATCH).iter().map(|value| value.to_str().ok()).collect();
        let given = values.ok_or_else(malformed)?.join(",");
        match given.trim_matches([' ', '\t', ',']) {
            "" if headers.contains_key(IF_MATCH) => Err(malformed()),
            "" => Ok(Self::Unconditional),
            "*" => Ok(Self::Any),
            tags => tags_of(tags).map(Self::OneOf).ok_or_else(malformed),
        }
    }

    /// The generation that the store is to insist on, for a split that is thought to be at `current`.
    pub(super) fn expected(&self, current: Option<u64>) -> Result<Option<u64>, Problem> {
        match self {
            Self::Unconditional => Ok(None),
            Self::Any if current.is_some() => Ok(None),
            Self::Any => {
                Err(Problem::conflict(None, None, "If-Match asks for a service that exists: it does not"))
            }
            Self::OneOf(generations) => {
                // The store has the last word, so of several one that may be right is passed on.
                let known = current.filter(|current| generations.contains(current));
                let expected = known.or_else(|| generations.iter().max().copied());
                let detail = "If-Match names no generation: read the ETag again";
                expected.map(Some).ok_or_else(|| Problem::conflict(None, current, detail))
            }
        }
    }
}

fn malformed() -> Problem {
    Problem::new(Kind::MalformedHeader, "If-Match must be '*' or ETags in double quotes, such as \"41\"")
}

/// The generations that a list of ETags names; `None` when it is no list of ETags.
fn tags_of(list: &str) -> Option<Vec<u64>> {
    let mut generations = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(generations);
        }
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |rest| (true, rest));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let separated = after.is_empty() || after.starts_with([' ', '\t', ',']);
        if !separated || !tag.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // A tag that is spelled otherwise, as `"041"`, is another tag.
        let generation = tag.parse().ok().filter(|generation: &u64| generation.to_string() == tag);
        generations.extend(generation.filter(|_| !weak));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::tags_of;

    #[test]
    fn only_strong_tags_of_ours_name_generations() {
        assert_eq!(tags_of(r#""41""#), Some(vec![41]));
        assert_eq!(tags_of(r#""41" , "42",, "x""#), Some(vec![41, 42]));
        assert_eq!(tags_of(r#"W/"41""#), Some(vec![]));
        assert_eq!(tags_of(r#""041", "+41", "99999999999999999999", """#), Some(vec![]));
        for garbage in ["41", "\"41", "41\"", "\"4\"1\"", "*, \"41\"", "w/\"41\"", "\"4 1\""] {
            assert_eq!(tags_of(garbage), None, "{garbage}");
        }
    }
}
