//! Base URLs in a body, which has them in one of several forms.

use crate::admin::problem::ApiError;
use crate::api::{ProblemKind, RegisterVersion, UpdateVersion};
use crate::routing::{Backend, Instances, InvalidBackend, UrlChange};

/// Parses the base URLs of a registration.
pub(super) fn registered_urls(body: &RegisterVersion) -> Result<Instances, ApiError> {
    match (&body.url, &body.urls) {
        (Some(url), None) => parse_url(url),
        (None, Some(urls)) => parse_urls(urls),
        (Some(_), Some(_)) => Err(ApiError::new(ProblemKind::InvalidUrl, "give 'url' or 'urls', not both")),
        (None, None) => Err(ApiError::new(ProblemKind::MalformedBody, "give 'url' or 'urls'")),
    }
}

/// Parses the change of the base URLs. `None`: they stay.
pub(super) fn url_change(body: &UpdateVersion) -> Result<Option<UrlChange>, ApiError> {
    let change = match (&body.url, &body.urls, &body.add_urls, &body.remove_urls) {
        (None, None, None, None) => return Ok(None),
        (Some(url), None, None, None) => UrlChange::Set(parse_url(url)?),
        (None, Some(urls), None, None) => UrlChange::Set(parse_urls(urls)?),
        (None, None, Some(urls), None) => UrlChange::Add(parse_urls(urls)?),
        (None, None, None, Some(urls)) => UrlChange::Remove(parse_urls(urls)?),
        _ => {
            let detail = "give one of 'url', 'urls', 'addUrls' and 'removeUrls', not several";
            return Err(ApiError::new(ProblemKind::InvalidUrl, detail));
        }
    };
    Ok(Some(change))
}

/// Parses the only base URL of a version.
fn parse_url(url: &str) -> Result<Instances, ApiError> {
    Ok(url.parse::<Backend>()?.into())
}

/// Parses a list. A wrong URL is named in the detail.
fn parse_urls(urls: &[String]) -> Result<Instances, ApiError> {
    let backends: Result<Vec<Backend>, InvalidBackend> = urls.iter().map(|url| url.parse()).collect();
    Ok(Instances::new(backends?)?)
}
