//! Errors of rollouts as problems.
//!
//! | error | response |
//! | --- | --- |
//! | [`InvalidPlan`] | 422, with the place in the body |
//! | [`Refused::Change`] | as the [`ChangeError`](crate::routing::ChangeError) in it |
//! | [`Refused`] otherwise, [`StartRefused`] | 404 or 409, the whole text |
//! | [`RolloutError::Broken`] | 500, a fixed text; the log has the cause |
//! | [`RolloutError::Store`], [`RolloutError::Deploy`] | as the error in it |
//! | [`RolloutError`] otherwise | 404, 409 or 422, the whole text |

use super::extract::shortened;
use super::problem::ApiError;
use crate::api::ProblemKind;
use crate::rollout::{InvalidPlan, Refused, RolloutError, StartRefused};

impl ApiError {
    /// Creates the response to a plan that is wrong at `pointer`. The detail repeats names of the request, without their
    /// control characters, which a terminal would act on.
    fn with_pointer(kind: ProblemKind, pointer: &str, detail: &str) -> Self {
        let mut error = Self::new(kind, shortened(&detail.replace(char::is_control, "\u{fffd}")));
        error.problem.pointer = Some(pointer.to_owned());
        error
    }
}

impl From<InvalidPlan> for ApiError {
    fn from(error: InvalidPlan) -> Self {
        Self::with_pointer(ProblemKind::InvalidPlan, error.pointer(), &error.to_string())
    }
}

impl From<RolloutError> for ApiError {
    fn from(error: RolloutError) -> Self {
        let detail = error.to_string();
        match error {
            RolloutError::Store(error) => error.into(),
            RolloutError::Deploy(error) => error.into(),
            RolloutError::Refused(refused) => refused.into(),
            RolloutError::StartRefused(refused) => refused.into(),
            RolloutError::Interfered { .. } => Self::new(ProblemKind::WrongPhase, detail),
            RolloutError::UnknownGate { pointer, .. } => {
                Self::with_pointer(ProblemKind::UnknownGate, &pointer, &detail)
            }
            RolloutError::NoMirror { pointer } => {
                Self::with_pointer(ProblemKind::InvalidPlan, &pointer, &detail)
            }
            RolloutError::NotAReplica => Self::new(ProblemKind::NotAReplica, detail),
            RolloutError::NoRolloutStore => Self::new(ProblemKind::NotFound, detail),
            RolloutError::UnknownRollout => Self::new(ProblemKind::UnknownRollout, detail),
            RolloutError::Broken(_) => {
                let detail = "the stored rollout cannot be read by this gateway: see its log, or ask a gateway of a later release";
                Self::internal(ProblemKind::BrokenRollout, detail, &error)
            }
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::Over => Self::new(ProblemKind::RolloutOver, detail),
            Refused::StaleStep { present, .. } => {
                let mut error = Self::new(ProblemKind::StaleStep, detail);
                error.problem.step = Some(present);
                error
            }
            Refused::WrongPhase { .. } => Self::new(ProblemKind::WrongPhase, detail),
            Refused::NothingToApprove { .. } => Self::new(ProblemKind::NothingToApprove, detail),
            Refused::NoPromotion => Self::new(ProblemKind::NoPromotion, detail),
            Refused::Change(error) => error.into(),
        }
    }
}

impl From<StartRefused> for ApiError {
    fn from(refused: StartRefused) -> Self {
        let kind = match refused {
            StartRefused::UnknownVersion(_) => ProblemKind::UnknownVersion,
            StartRefused::NoStable => ProblemKind::NoStable,
            StartRefused::Ahead { .. } => ProblemKind::CanaryAhead,
        };
        Self::new(kind, refused.to_string())
    }
}
