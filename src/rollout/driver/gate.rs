//! Gates of the application.

use std::fmt;

use async_trait::async_trait;

use crate::rollout::{GateAnswer, Question};

/// A condition of the application that must hold before a rollout continues.
///
/// The gateway that leads the rollout asks it at most every 10 seconds until it is open. An answer that takes longer than
/// 10 seconds, or a panic, counts as [`GateAnswer::NotYet`].
///
/// ```
/// use tower_canary::rollout::{Gate, GateAnswer, Question};
///
/// /// Opens once the canary has had 10,000 requests in the stage.
/// #[derive(Debug)]
/// struct EnoughRequests;
///
/// #[async_trait::async_trait]
/// impl Gate for EnoughRequests {
///     async fn ask(&self, question: &Question) -> GateAnswer {
///         if question.canary.requests >= 10_000 { GateAnswer::Open } else { GateAnswer::NotYet }
///     }
/// }
/// ```
#[async_trait]
pub trait Gate: fmt::Debug + Send + Sync + 'static {
    /// Answers whether the next stage may begin. See [`GateAnswer`] for what each answer does.
    async fn ask(&self, question: &Question) -> GateAnswer;
}
