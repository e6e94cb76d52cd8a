//! What the layer adds to a response beside its body.

use http::Response;
use http::header::SET_COOKIE;

use super::choice::VersionChoice;
use super::overriding::OverrideRefusal;
use super::rewritten::Rewritten;
use super::rules::NewPin;

/// What the layer adds to the head of a response. Most responses get nothing, so it is boxed where it exists.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// For the extensions.
    pub(super) choice: Option<VersionChoice>,
    /// For the extensions.
    pub(super) rewritten: Option<Rewritten>,
    /// For a `Set-Cookie` header.
    pub(super) pin: Option<Box<dyn NewPin>>,
    /// Why the request did not get the version that it asked for.
    pub(super) refused: Option<OverrideRefusal>,
}

impl Annotations {
    /// Returns the annotations that the rules ask for, or `None` for a response without any.
    pub(super) fn from_rules(
        pin: Option<Box<dyn NewPin>>,
        refused: Option<OverrideRefusal>,
    ) -> Option<Box<Self>> {
        if pin.is_none() && refused.is_none() {
            return None;
        }
        Some(Box::new(Self { pin, refused, ..Self::default() }))
    }

    /// Adds everything to the response head. The cookies of the backend are counted before the pin is added:
    /// the proxy must know which are its own to map back.
    #[cold]
    pub(super) fn add_to<B>(self, response: &mut Response<B>) {
        if let Some(choice) = self.choice {
            response.extensions_mut().insert(choice);
        }
        if let Some(mut rewritten) = self.rewritten {
            rewritten.backend_cookies = response.headers().get_all(SET_COOKIE).iter().count();
            response.extensions_mut().insert(rewritten);
        }
        if let Some(pin) = self.pin {
            pin.add_to(response.status(), response.headers_mut());
        }
        if let Some(refused) = self.refused {
            refused.set_header(response.headers_mut());
        }
    }
}
