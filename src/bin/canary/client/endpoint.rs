//! The operations of the API that the program uses.

use reqwest::Method;

/// Whether a request may be sent again after an attempt with an unknown outcome. One that was not sent may be in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, and is sent again after a lost response too.
    Read,
    /// It sets a value: the second time changes nothing more. It is sent again after a response with 502, 503 or 504.
    Sets,
    /// As `Sets`, and the second time has the same response: it is sent again after a lost one too.
    Same,
    /// The second time could have another effect.
    Once,
}

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident = $method:ident $path:literal $repeat:ident;)*) => {
        /// An operation: its method, its path below the mount, and whether it may be sent again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Endpoint { $($(#[$doc])* $name),* }

        impl Endpoint {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the method of the operation.
            pub(crate) const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method),* }
            }

            /// Returns the path with the names of its parameters in braces, as the OpenAPI document has it.
            pub(crate) const fn path(self) -> &'static str {
                match self { $(Self::$name => $path),* }
            }

            /// Returns when the operation may be sent again.
            pub(crate) const fn repeat(self) -> Repeat {
                match self { $(Self::$name => Repeat::$repeat),* }
            }
        }
    };
}

endpoints! {
    Services = GET "/deployment/services" Read;
    Overview = GET "/deployment/traffic" Read;
    Status = GET "/deployment/status" Read;
    Replicas = GET "/deployment/replicas" Read;
    Versions = GET "/deployment/services/{service}/versions" Read;
    Traffic = GET "/deployment/services/{service}/traffic" Read;
    History = GET "/deployment/services/{service}/history" Read;
    Refusals = GET "/deployment/services/{service}/refusals" Read;
    Explain = GET "/deployment/services/{service}/explain" Read;
    // A probe changes no split.
    Check = POST "/deployment/services/{service}/versions/{version}/check" Read;
    SetWeight = PUT "/deployment/services/{service}/versions/{version}/weight" Sets;
    SetWeights = PUT "/deployment/services/{service}/weights" Sets;
    Switch = POST "/deployment/services/{service}/versions/{version}/switch" Sets;
    // An update of the flag `active` alone sets a value: see `Call::sets_a_value`.
    Update = PUT "/routing/services/{service}/versions/{version}" Once;
    Register = POST "/routing/services/{service}/versions" Once;
    Remove = DELETE "/routing/services/{service}/versions/{version}" Once;
    Restore = POST "/deployment/services/{service}/restore" Once;
    Redraw = POST "/deployment/services/{service}/redraw" Once;
    LiveRollouts = GET "/deployment/rollouts" Read;
    Rollouts = GET "/deployment/services/{service}/rollouts" Read;
    Rollout = GET "/deployment/services/{service}/rollouts/{rollout}" Read;
    // The same plan while it runs is the same rollout.
    StartRollout = POST "/deployment/services/{service}/rollouts" Same;
    ApproveRollout = POST "/deployment/services/{service}/rollouts/{rollout}/approve" Same;
    AdvanceRollout = POST "/deployment/services/{service}/rollouts/{rollout}/advance" Once;
    PauseRollout = POST "/deployment/services/{service}/rollouts/{rollout}/pause" Same;
    ResumeRollout = POST "/deployment/services/{service}/rollouts/{rollout}/resume" Same;
    PromoteRollout = POST "/deployment/services/{service}/rollouts/{rollout}/promote" Once;
    AbortRollout = POST "/deployment/services/{service}/rollouts/{rollout}/abort" Once;
}

#[cfg(all(test, feature = "admin"))]
mod tests {
    use super::Endpoint;

    #[test]
    fn document_has_every_endpoint() {
        let document = tower_canary::admin::openapi_json();
        for endpoint in Endpoint::ALL {
            let method = endpoint.method().as_str().to_lowercase();
            let operation = &document["paths"][endpoint.path()][&method];
            assert!(operation.is_object(), "{method} {}", endpoint.path());
        }
    }
}
