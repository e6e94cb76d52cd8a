//! The scopes in the claims of a token.

use serde_json::{Map, Value};
use thiserror::Error;

use super::principal::Scope;

/// The claims for scopes: RFC 9068, Entra and Okta.
const SCOPE_CLAIMS: [&str; 2] = ["scope", "scp"];

/// The claims that some issuers use for scopes: Entra's application roles, Auth0. Others use these names for something else,
/// for example an object, which must not make a token with good scopes invalid.
const LIST_CLAIMS: [&str; 2] = ["roles", "permissions"];

/// Where a token names its scopes.
#[derive(Clone, Debug, Default)]
pub(super) enum ScopeClaims {
    /// In the claims that issuers use, all together.
    #[default]
    Usual,
    /// In the claim with this name or at this path.
    At(String),
}

/// A claim is neither a text nor a list of texts.
#[derive(Debug, Error)]
#[error("the claim {0:?} is neither a text nor a list of texts")]
pub(super) struct MalformedScopes(String);

impl ScopeClaims {
    /// Returns the scopes of this API. Tokens may have scopes of other APIs, which are ignored. A missing claim and
    /// `null` are an empty list.
    ///
    /// Fails if one of [`SCOPE_CLAIMS`], or the claim at the path, is neither a text nor a list of texts. Other forms of
    /// [`LIST_CLAIMS`] are ignored.
    pub(super) fn read(&self, claims: &Map<String, Value>) -> Result<Vec<Scope>, MalformedScopes> {
        match self {
            Self::Usual => read_usual(claims),
            Self::At(path) => find(claims, path).map_or(Ok(Vec::new()), |claim| scopes(path, claim)),
        }
    }
}

/// Returns the scopes in all claims that issuers use.
fn read_usual(claims: &Map<String, Value>) -> Result<Vec<Scope>, MalformedScopes> {
    let mut all = Vec::new();
    for name in SCOPE_CLAIMS {
        if let Some(claim) = claims.get(name) {
            all.extend(scopes(name, claim)?);
        }
    }
    let lists = LIST_CLAIMS.iter().filter_map(|name| claims.get(*name)?.as_array());
    all.extend(lists.flatten().filter_map(|name| name.as_str()?.parse::<Scope>().ok()));
    Ok(all)
}

/// Finds a claim by its name, or by a path of names with dots between them. A name may have dots itself, as a URL has.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(claim) = claims.get(path) {
        return Some(claim);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let object = claims.get(&path[..dot])?.as_object()?;
        find(object, &path[dot + 1..])
    })
}

/// Reads a text with spaces between the names (RFC 9068), or a list of names.
fn scopes(name: &str, claim: &Value) -> Result<Vec<Scope>, MalformedScopes> {
    let names: Option<Vec<&str>> = match claim {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(text.split(' ').collect()),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let names = names.ok_or_else(|| MalformedScopes(name.to_owned()))?;
    Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
}
