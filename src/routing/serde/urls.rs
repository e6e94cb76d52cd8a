//! Base URLs in fields of a registration or an update.

use serde::de::Error;

use crate::routing::backend::Backend;
use crate::routing::instances::Instances;
use crate::routing::url_change::UrlChange;

/// One base URL as `url`, which an earlier release reads, or several as `urls`.
pub(super) struct OneOrSeveral {
    pub(super) url: Option<Backend>,
    pub(super) urls: Option<Instances>,
}

/// How base URLs change: one of four fields.
pub(super) struct UrlFields {
    pub(super) set: OneOrSeveral,
    pub(super) add_urls: Option<Instances>,
    pub(super) remove_urls: Option<Instances>,
}

impl OneOrSeveral {
    /// Neither form is there.
    const NONE: Self = Self { url: None, urls: None };

    /// Returns the base URLs of the field that is there. It is an error if neither or both are.
    pub(super) fn into_instances<E: Error>(self) -> Result<Instances, E> {
        match (self.url, self.urls) {
            (Some(url), None) => Ok(url.into()),
            (None, Some(urls)) => Ok(urls),
            (None, None) => Err(E::missing_field("url")),
            (Some(_), Some(_)) => Err(E::custom("give either 'url' or 'urls'")),
        }
    }

    /// Returns whether neither form is there.
    const fn is_none(&self) -> bool {
        self.url.is_none() && self.urls.is_none()
    }
}

impl From<Instances> for OneOrSeveral {
    fn from(instances: Instances) -> Self {
        match instances.len().get() {
            1 => Self { url: Some(instances.first().clone()), urls: None },
            _ => Self { url: None, urls: Some(instances) },
        }
    }
}

impl UrlFields {
    /// Converts the fields of an update. It is an error if none or several are there.
    pub(super) fn into_url_change<E: Error>(self) -> Result<UrlChange, E> {
        match (self.add_urls, self.remove_urls) {
            (None, None) => self.set.into_instances().map(UrlChange::Set),
            (Some(urls), None) if self.set.is_none() => Ok(UrlChange::Add(urls)),
            (None, Some(urls)) if self.set.is_none() => Ok(UrlChange::Remove(urls)),
            _ => Err(E::custom("give only one of 'url', 'urls', 'addUrls' and 'removeUrls'")),
        }
    }
}

impl From<UrlChange> for UrlFields {
    fn from(change: UrlChange) -> Self {
        let none = Self { set: OneOrSeveral::NONE, add_urls: None, remove_urls: None };
        match change {
            UrlChange::Set(urls) => Self { set: urls.into(), ..none },
            UrlChange::Add(urls) => Self { add_urls: Some(urls), ..none },
            UrlChange::Remove(urls) => Self { remove_urls: Some(urls), ..none },
        }
    }
}
