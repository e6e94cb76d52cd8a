//! The table of problems: status, `type` and title.

use http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident $slug:literal $title:literal;)*) => {
        /// A kind of problem: a status, a stable `type` and a title.
        ///
        /// The [admin module](crate::admin#problems) says when each one is sent.
        ///
        /// ```
        /// use http::StatusCode;
        /// use tower_canary::api::ProblemKind;
        ///
        /// let kind = ProblemKind::from_slug("unknown-service");
        /// assert_eq!(kind, Some(ProblemKind::UnknownService));
        /// assert_eq!(ProblemKind::UnknownService.status(), StatusCode::NOT_FOUND);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemKind { $($(#[$doc])* $kind),* }

        impl ProblemKind {
            /// All kinds, in the order of their statuses.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Returns the status of the response.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status),* }
            }

            /// Returns the `type` of the problem document, which stays the same across releases.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),* }
            }

            /// Returns the title of the problem document.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }
        }
    };
}

kinds! {
    /// The body is not JSON of the right form.
    MalformedBody = BAD_REQUEST "malformed-body" "Malformed body";
    /// A query parameter is unknown, has a wrong value, needs another one, or asks for a wait that the gateway cannot do.
    MalformedQuery = BAD_REQUEST "malformed-query" "Malformed query";
    /// `If-Match` or `If-None-Match` is malformed.
    MalformedHeader = BAD_REQUEST "malformed-header" "Malformed header";
    /// The credentials are missing or not valid.
    Unauthorized = UNAUTHORIZED "unauthorized" "Unauthorized";
    /// The credentials are valid and do not allow this request.
    InsufficientScope = FORBIDDEN "insufficient-scope" "Insufficient scope";
    /// No service has this name.
    UnknownService = NOT_FOUND "unknown-service" "Unknown service";
    /// No version of the service has this name.
    UnknownVersion = NOT_FOUND "unknown-version" "Unknown version";
    /// The history does not have this generation.
    UnknownGeneration = NOT_FOUND "unknown-generation" "Unknown generation";
    /// The service has no such rollout, or none that is under way.
    UnknownRollout = NOT_FOUND "unknown-rollout" "Unknown rollout";
    /// The API has no such path, or no rollouts.
    NotFound = NOT_FOUND "not-found" "Not found";
    /// The path does not have this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed" "Method not allowed";
    /// The name of the version is taken.
    DuplicateVersion = CONFLICT "duplicate-version" "Duplicate version";
    /// An inactive version cannot have a weight.
    VersionInactive = CONFLICT "version-inactive" "Version inactive";
    /// An active version cannot be removed, nor a service that has one.
    VersionActive = CONFLICT "version-active" "Version active";
    /// Several other versions are at 0, so it is not known which of them gets the rest.
    AmbiguousRebalance = CONFLICT "ambiguous-rebalance" "Ambiguous rebalance";
    /// A version keeps at least one base URL.
    LastInstance = CONFLICT "last-instance" "Last instance";
    /// The last active version is deactivated only with `?force=true`.
    LastActiveVersion = CONFLICT "last-active-version" "Last active version";
    /// The probes of more than half of the version's instances failed.
    BackendUnhealthy = CONFLICT "backend-unhealthy" "Backend unhealthy";
    /// A version of the generation to restore was removed.
    VersionGone = CONFLICT "version-gone" "Version gone";
    /// A version of the generation to restore has another URL now, and the earlier one cannot come back.
    UrlNotRestorable = CONFLICT "url-not-restorable" "URL not restorable";
    /// The generation to restore had no active version, and the service has one now.
    NothingToRestore = CONFLICT "nothing-to-restore" "Nothing to restore";
    /// Other changes were made during each attempt.
    Unsettled = CONFLICT "unsettled" "Unsettled";
    /// The service has a rollout by another plan.
    RolloutActive = CONFLICT "rollout-active" "Rollout active";
    /// The rollout is over.
    RolloutOver = CONFLICT "rollout-over" "Rollout over";
    /// The rollout is at another stage than the request names.
    StaleStep = CONFLICT "stale-step" "Stale step";
    /// The order has no meaning in the phase of the rollout.
    WrongPhase = CONFLICT "wrong-phase" "Wrong phase";
    /// The stage has no gate that a person opens.
    NothingToApprove = CONFLICT "nothing-to-approve" "Nothing to approve";
    /// The plan ends without a promotion.
    NoPromotion = CONFLICT "no-promotion" "No promotion";
    /// No other version has traffic to compare with.
    NoStable = CONFLICT "no-stable" "No stable version";
    /// The version has more traffic than the first step of the plan.
    CanaryAhead = CONFLICT "canary-ahead" "Canary ahead";
    /// The gateway has no replica name, so it takes no part in rollouts.
    NotAReplica = CONFLICT "not-a-replica" "Not a replica";
    /// The split is at another generation than `If-Match` expects.
    GenerationConflict = PRECONDITION_FAILED "generation-conflict" "Generation conflict";
    /// The body is too large.
    PayloadTooLarge = PAYLOAD_TOO_LARGE "payload-too-large" "Payload too large";
    /// The body is not `application/json`.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "Unsupported media type";
    /// The name is not a name of a service or version.
    InvalidName = UNPROCESSABLE_ENTITY "invalid-name" "Invalid name";
    /// The number is not a weight, or not a possible one here.
    InvalidWeight = UNPROCESSABLE_ENTITY "invalid-weight" "Invalid weight";
    /// The weights do not total 100.
    InvalidSplit = UNPROCESSABLE_ENTITY "invalid-split" "Invalid split";
    /// The URL is not a base URL, the policy refuses it, or a version cannot have the list of URLs.
    InvalidUrl = UNPROCESSABLE_ENTITY "invalid-url" "Invalid URL";
    /// The path of health probes is not a path.
    InvalidHealthPath = UNPROCESSABLE_ENTITY "invalid-health-path" "Invalid health path";
    /// The body is not the plan of a rollout.
    InvalidPlan = UNPROCESSABLE_ENTITY "invalid-plan" "Invalid plan";
    /// The plan names a gate that the gateway does not have.
    UnknownGate = UNPROCESSABLE_ENTITY "unknown-gate" "Unknown gate";
    /// The database cannot store a character of a text.
    UnstorableText = UNPROCESSABLE_ENTITY "unstorable-text" "Unstorable text";
    /// The stored split of the service cannot be read, or its counters are at the largest number.
    BrokenSplit = INTERNAL_SERVER_ERROR "broken-split" "Broken split";
    /// The stored rollout cannot be read.
    BrokenRollout = INTERNAL_SERVER_ERROR "broken-rollout" "Broken rollout";
    /// The store lacks rights, tables or space, or it is read-only.
    StoreUnusable = INTERNAL_SERVER_ERROR "store-unusable" "Store unusable";
    /// The gateway has a defect.
    InternalError = INTERNAL_SERVER_ERROR "internal-error" "Internal error";
    /// The store cannot be reached.
    StoreUnavailable = SERVICE_UNAVAILABLE "store-unavailable" "Store unavailable";
}

impl ProblemKind {
    /// Returns the kind with this `type`. `None`: a later release of the server may have more kinds.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }
}
