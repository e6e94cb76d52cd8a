//! What the layer adds to a response beside its body.

use http::header::SET_COOKIE;
use http::{HeaderValue, Response};

use super::choice::VersionChoice;
use super::overriding::Refused;

/// What the layer adds to the head of a response. Most responses get nothing, so it is boxed where it exists.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// For the extensions.
    pub(super) choice: Option<VersionChoice>,
    /// The value of a `Set-Cookie` header.
    pub(super) pin: Option<HeaderValue>,
    /// Why the request did not get the version that it asked for.
    pub(super) refused: Option<Refused>,
}

impl Annotations {
    /// Returns the annotations that the rules ask for, or `None` for a response without any.
    pub(super) fn from_rules(pin: Option<HeaderValue>, refused: Option<Refused>) -> Option<Box<Self>> {
        if pin.is_none() && refused.is_none() {
            return None;
        }
        Some(Box::new(Self { choice: None, pin, refused }))
    }

    #[cold]
    pub(super) fn add_to<B>(self, response: &mut Response<B>) {
        if let Some(choice) = self.choice {
            response.extensions_mut().insert(choice);
        }
        if let Some(pin) = self.pin {
            // Appended: the application may set cookies of its own.
            response.headers_mut().append(SET_COOKIE, pin);
        }
        if let Some(refused) = self.refused {
            refused.note(response.headers_mut());
        }
    }
}
