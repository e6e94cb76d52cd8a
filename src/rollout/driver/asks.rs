//! Questions to gates that are not answered yet.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::gate::Gate;
use crate::deployments::catch_panic;
use crate::rollout::{GateAnswer, GateName, Question};

/// The shortest time between two questions to one gate.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// The longest wait for an answer. A gate that takes longer counts as closed, and is asked again like any
/// other.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The answer to a question, once it arrives. It borrows nothing, so a tick ends while its questions are open.
type Answer = Pin<Box<dyn Future<Output = GateAnswer> + Send>>;

/// The questions of one rollout to its gates. They outlive a tick, since gates may be slow.
#[derive(Default)]
pub(super) struct Asks {
    /// The questions that are not answered yet, at most one to a gate.
    pending: Vec<(GateName, Answer)>,
    /// The answers that no tick has taken yet.
    answers: Vec<(GateName, GateAnswer)>,
    /// When each gate was asked last.
    asked: BTreeMap<GateName, Instant>,
    /// The number of the stage that all of this is about.
    number: usize,
}

impl Asks {
    /// Forgets the questions and answers about another stage than `number`: a gate may be one of several stages.
    pub(super) fn begin_stage(&mut self, number: usize) {
        if self.number != number {
            *self = Self { number, ..Self::default() };
        }
    }

    /// Returns whether `gate` may be asked now: it was not asked in this stage, or [`ASK_EVERY`] ago.
    pub(super) fn is_due(&self, gate: &GateName) -> bool {
        self.asked.get(gate).is_none_or(|at| at.elapsed() >= ASK_EVERY)
    }

    /// Asks `gate`, in place of a question to it that is not answered. `None`: this gateway does not have it, which
    /// is logged.
    pub(super) fn ask(&mut self, gate: Option<&Arc<dyn Gate>>, question: Question) {
        let name = question.gate.clone();
        self.asked.insert(name.clone(), Instant::now());
        let Some(gate) = gate.map(Arc::clone) else {
            tracing::warn!(gate = %name, service = %question.service, "this gateway does not have the gate");
            return;
        };
        self.pending.retain(|(pending, _)| *pending != name);
        self.pending.push((name, Box::pin(async move { answer(&*gate, &question).await })));
    }

    /// Collects the answers that have arrived. Returns whether there are new ones. If not, `context` is woken by the
    /// next one.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.answers.len();
        let answers = &mut self.answers;
        self.pending.retain_mut(|(gate, answer)| match answer.as_mut().poll(context) {
            Poll::Ready(answer) => {
                answers.push((gate.clone(), answer));
                false
            }
            Poll::Pending => true,
        });
        self.answers.len() > before
    }

    /// Takes the answers since the last call, in the order in which they arrived.
    pub(super) fn take(&mut self) -> Vec<(GateName, GateAnswer)> {
        std::mem::take(&mut self.answers)
    }
}

/// Asks a gate. A gate that panics or takes longer than [`TIME_LIMIT`] answers "not yet": neither opens it, and
/// neither fails the rollout.
async fn answer(gate: &dyn Gate, question: &Question) -> GateAnswer {
    let asked = timeout(TIME_LIMIT, catch_panic(gate.ask(question))).await;
    match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => {
            tracing::warn!(gate = %question.gate, %panicked, "a gate failed");
            GateAnswer::NotYet
        }
        Err(_) => GateAnswer::NotYet,
    }
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asks").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}
