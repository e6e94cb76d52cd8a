#![cfg_attr(all(feature = "sqlite", feature = "jwt", feature = "pin", feature = "proxy"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "jwt", feature = "pin", feature = "proxy")),
    doc = "Weighted canary and blue-green deployments as a Tower layer."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "api")]
pub mod api;
mod common;
pub mod deployments;
pub mod handle;
pub mod layer;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "admin")]
pub mod probe;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod routing;

pub mod store;
pub mod traffic;

pub use self::deployments::{Deployments, NoVersionCheck};
pub use self::handle::RoutingHandle;
pub use self::layer::{Target, WeightedVersion, WeightedVersionLayer};
pub use self::routing::{Backend, Draw, ServiceName, VersionName, Weight};
