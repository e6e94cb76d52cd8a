//! The verbs, one group in a file.

mod back;
mod badge;
mod change;
mod check;
mod documents;
mod effect;
mod explain;
mod history;
mod register;
mod replicas;
mod rollback;
mod rollout;
mod split;
mod status;
mod top;
mod traffic;
mod versions;
mod wait;
mod weights;

pub(crate) use self::check::Check;
pub(crate) use self::documents::{Completions, Man, print};
pub(crate) use self::explain::Explain;
pub(crate) use self::history::{History, Restore};
pub(crate) use self::register::Register;
pub(crate) use self::replicas::Replicas;
pub(crate) use self::rollback::Rollback;
pub(crate) use self::rollout::Rollout;
pub(crate) use self::status::Status;
pub(crate) use self::top::Top;
pub(crate) use self::traffic::Traffic;
pub(crate) use self::versions::{Activate, ChangeUrls, Deactivate, Remove};
pub(crate) use self::wait::Wait;
pub(crate) use self::weights::{Redraw, SetWeight, Switch};
