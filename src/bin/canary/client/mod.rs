//! Calls of the admin API.

mod address;
mod api;
mod attempt;
mod call;
mod endpoint;
mod events;
mod follow;
mod token;

pub(crate) use self::api::Api;
pub(crate) use self::attempt::Answer;
pub(crate) use self::call::Call;
pub(crate) use self::endpoint::Endpoint;
pub(crate) use self::events::Event;
pub(crate) use self::follow::Follow;
