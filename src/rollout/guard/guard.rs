//! The judge of a rollout.

use super::claim::Trial;
use super::evidence::Evidence;
use super::latency::{Threshold, no_trial};
use super::measure::Measure;
use super::odds::Odds;
use super::verdict::{Finding, Lack, Verdict};
use super::wagers::{Bet, Stake, Wagers};
use super::window::Window;
use crate::rollout::plan::{GuardPolicy, Plan};

/// Requests of the others in the last minute below which their rate of failures says nothing.
const LEAST_TO_CALM: u64 = 20;

/// The share of requests above a limit of p99.
const ABOVE_P99: f64 = 0.01;

/// The judge of a rollout: compares the canary with the other versions, window by window.
///
/// It is made from the plan. Its state is the [`Evidence`].
///
/// ```
/// use tower_canary::rollout::{Evidence, Guard, Measure, Plan, Verdict, Window};
/// use tower_canary::traffic::Figures;
///
/// let guard = Guard::new(&Plan::new("v1.1".parse()?));
/// let mut evidence = Evidence::default();
/// // The canary fails one request in five, the others one in a thousand.
/// let window = Window::new(Figures::new(50, 10), Figures::new(950, 1));
/// for _ in 0..5 {
///     guard.observe(&mut evidence, &window);
/// }
/// let Verdict::Fail(finding) = guard.verdict(&evidence) else { panic!("the canary passes") };
/// assert_eq!(finding.measure, Measure::Errors);
/// assert!(finding.to_string().starts_with("failed: 20 % of 250, others 0.11 % of 4750; evidence "));
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
///
/// # The evidence
///
/// A [`Window`] has the figures of ten seconds. A [`Measure`] states a claim that holds for a canary that is no worse: "its
/// rate of failures *p* is at most ρ·*q* + δ", with the rate *q* of the others in the same window. For each factor θ of
/// 1.5, 4 and 16 the guard bets against the claim. With *n* requests of the canary, *x* of them bad, *m* requests of the
/// others, *y* of them bad, *a* = ρ*n*/(ρ*n* + *m*) and *b* = θρ*n*/(θρ*n* + *m*), a bet of 1 pays back
///
/// ```text
/// e = (b/a)^x · ((1−b)/(1−a))^y · exp(−δ·n·(b/a − 1)),  at most the cap;  1 if n or m is 0
/// ```
///
/// and for a limit *L*, whose claim is "*p* is at most *L*", `e = θ^x · exp(−L·n·(θ−1))`. If the claim holds in the window,
/// the expected payment is at most exp(*n*(*b*/*a* − 1)(*p* − ρ*q* − δ)) ≤ 1, by 1 + z ≤ e^z and
/// *m*(*b*−*a*)/(1−*a*) = ρ*n*(*b*/*a* − 1). So a product of payments is a fair game at best, whatever the rates do from
/// window to window: drift, incidents of both sides and a growing weight cancel.
///
/// The capital is put in over time: in window *u* of a step, of *K* steps, the stake *w* = 1/(*K*·*u*·(*u*+1)) joins, and
/// all stakes total at most 1:
///
/// ```text
/// S ← (S + w)·e;  evidence = the mean of S over all bets of the measure;  against the canary at 1/(s·α)
/// ```
///
/// with the chance α of a false rollback and the part *s* of it that the measure has: failures have nine times as much as
/// latencies, and all parts total 1. By Ville's inequality the chance that the evidence of a good canary *ever* reaches
/// 1/(*s*·α) is at most *s*·α, however often the guard looks. The late stakes forget: after an hour without faults, or after
/// an incident of the other versions, the guard is as sensitive as at first.
///
/// Two bets run side by side for failures. The patient one has the margin δ of the plan and the cap 2.5; the quick one has
/// a margin of 0.4 points more and the cap 10. The caps make the guard safe where requests do not fail independently: no
/// burst within one window convicts. Latency has one bet with the cap 10 for each of three quantiles.
///
/// | source | for |
/// | --- | --- |
/// | Ville, *Étude critique de la notion de collectif*, 1939 | the inequality |
/// | Shafer, *Testing by betting*, Journal of the Royal Statistical Society A 184, 2021 | evidence as the capital of a bettor |
/// | Ramdas, Grünwald, Vovk, Shafer, *Game-theoretic statistics and safe anytime-valid inference*, Statistical Science 38, 2023 | tests that may be read at any time |
/// | Turner, Ly, Grünwald, *Generic E-variables for exact sequential k-sample tests*, 2021, [arXiv:2106.02693](https://arxiv.org/abs/2106.02693) | bets for two streams |
/// | Shin, Ramdas, Rinaldo, *E-detectors*, 2022, [arXiv:2203.03532](https://arxiv.org/abs/2203.03532) | stakes that join over time |
///
/// # Limits
///
/// A limit fails the canary only if there is evidence against the plain claim "no worse than the others" too: a canary is
/// never blamed for faults that the others have as well. Where the others have no weight, the limit alone decides, from
/// evidence of that stage only. The bound covers a canary that keeps the limit in all windows, or is no worse than the others
/// in all of them.
///
/// Nothing here reads a clock or does I/O. No input makes it panic, overflow or produce NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    policy: GuardPolicy,
    /// The measures that the policy has.
    measures: Vec<Measure>,
    /// The number of stages of the plan, which share the stakes.
    steps: usize,
}

impl Guard {
    /// Creates the guard of a rollout by `plan`.
    ///
    /// It depends on the plan alone, so each gateway that reads the rollout makes the same one.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let policy = plan.guard().clone();
        let measures = Measure::ALL.iter().copied().filter(|measure| has(&policy, *measure));
        Self { measures: measures.collect(), steps: plan.stages(), policy }
    }

    /// Returns the measures that the plan has.
    ///
    /// At most four: failures, latency, and the absolute limit of each. Without any, every step passes as
    /// `unguarded`.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// Adds a window to the evidence.
    ///
    /// Each window counts once and in its order: the stakes and the thresholds depend on it.
    pub fn observe(&self, evidence: &mut Evidence, window: &Window) {
        evidence.count(window);
        let stake = Stake::new(evidence.windows, self.steps);
        self.observe_errors(evidence, window, stake);
        self.observe_latency(evidence, window, stake);
    }

    /// Bets that the canary fails more often than the policy allows, and beside it that it exceeds the
    /// absolute limit, if the policy has one.
    fn observe_errors(&self, evidence: &mut Evidence, window: &Window, stake: Stake) {
        let Some(policy) = &self.policy.errors else { return };
        let trial = Trial::from_failures(&window.canary, &window.stable);
        let bets = Bet::no_worse(policy.times_worse, policy.worse_by / 100.0);
        wagers(evidence, Measure::Errors).observe(bets.map(|bet| (bet, trial)), stake);
        if let Some(limit) = policy.limit {
            observe_limit(evidence, Measure::ErrorLimit, limit / 100.0, trial, stake);
        }
    }

    /// Bets that more requests of the canary are above a threshold than of the others. The thresholds come
    /// from the windows *before* this one: a threshold that depends on the window that it judges would make
    /// the bet unfair.
    fn observe_latency(&self, evidence: &mut Evidence, window: &Window, stake: Stake) {
        let Some(policy) = &self.policy.latency else { return };
        let thresholds = evidence.past.thresholds(policy);
        let trials = thresholds.map(|threshold| threshold.map_or_else(no_trial, |at| at.trial(window)));
        wagers(evidence, Measure::Latency).observe(trials.map(|trial| (Bet::no_slower(), trial)), stake);
        if let Some(limit) = policy.limit {
            let trial = Threshold::at(limit).trial(window);
            observe_limit(evidence, Measure::LatencyLimit, ABOVE_P99, trial, stake);
        }
        evidence.past.add(&window.stable.latencies);
    }

    /// Returns the evidence against the canary by one measure.
    ///
    /// Odds of 1 say nothing. Odds of 20 mean: a bet that is fair if the canary is good has multiplied its
    /// stake by 20.
    #[must_use]
    pub fn odds(&self, evidence: &Evidence, measure: Measure) -> Odds {
        let bets = evidence.bets.get(&measure).map_or(f64::NEG_INFINITY, Wagers::ln_mean);
        if !measure.is_limit() || evidence.alone {
            return Odds::from_ln(bets);
        }
        // A limit convicts only with evidence against "no worse than the others" beside it.
        let plain = evidence.plain.get(&measure).map_or(f64::NEG_INFINITY, Wagers::ln_mean);
        Odds::from_ln(bets.min(plain))
    }

    /// Returns the odds at which a measure of the plan fails the canary. For a measure that the plan does not have
    /// they mean nothing.
    ///
    /// By the formula above: 1/(*s*·α), where α is the plan's `falseRollbacks` and *s* the part of the
    /// measure.
    #[must_use]
    pub fn needed(&self, measure: Measure) -> Odds {
        let parts: f64 = self.measures.iter().map(|measure| measure.part()).sum();
        Odds::from_ln((parts / (measure.part() * self.policy.false_rollbacks)).ln())
    }

    /// Returns the verdict about the present step. It may be read at any time, and after each window.
    #[must_use]
    pub fn verdict(&self, evidence: &Evidence) -> Verdict {
        let odds = self.measures.iter().map(|measure| (*measure, self.odds(evidence, *measure)));
        let convicting = odds.filter(|(measure, odds)| *odds >= self.needed(*measure));
        if let Some((measure, odds)) =
            convicting.max_by(|(_, one), (_, other)| one.ln().total_cmp(&other.ln()))
        {
            return Verdict::Fail(Finding { measure, odds, totals: evidence.whole });
        }
        match self.lack(evidence) {
            Some(lack) => Verdict::Open(lack),
            None => Verdict::Pass { unguarded: !self.compares(evidence) },
        }
    }

    /// Returns whether the other versions work well enough for the next step: of their requests in the last minute at most
    /// the share `calm` of the plan failed, or there were fewer than 20.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of requests")]
    pub fn is_calm(&self, evidence: &Evidence) -> bool {
        let minute = evidence.last_minute();
        let percent = 100.0 * minute.bad as f64 / minute.requests.max(1) as f64;
        minute.requests < LEAST_TO_CALM || percent <= self.policy.calm.percent()
    }

    /// Returns whether some measure can convict the canary in this step: where the others have no weight, only a
    /// limit can.
    fn compares(&self, evidence: &Evidence) -> bool {
        self.measures.iter().any(|measure| !evidence.alone || measure.is_limit())
    }

    /// Returns what the step lacks of the least requests, or else of the least windows. `None`: it has enough of
    /// both.
    fn lack(&self, evidence: &Evidence) -> Option<Lack> {
        let seen = evidence.step;
        let least_requests = self.policy.least_requests;
        let least_windows = self.policy.least_windows;
        if seen.canary.requests < least_requests {
            return Some(match seen.canary.requests {
                0 => Lack::NoCanaryTraffic,
                requests => Lack::TooFewRequests { requests, least: least_requests },
            });
        }
        if seen.windows < least_windows {
            return Some(match seen.stable.requests {
                0 if !evidence.alone => Lack::NoStableTraffic,
                _ => Lack::TooFewWindows { windows: seen.windows, least: least_windows },
            });
        }
        None
    }
}

/// Returns whether the policy has the measure.
fn has(policy: &GuardPolicy, measure: Measure) -> bool {
    let GuardPolicy { errors, latency, .. } = policy;
    match measure {
        Measure::Errors => errors.is_some(),
        Measure::Latency => latency.is_some(),
        Measure::ErrorLimit => errors.as_ref().is_some_and(|errors| errors.limit.is_some()),
        Measure::LatencyLimit => latency.as_ref().is_some_and(|latency| latency.limit.is_some()),
    }
}

/// Returns the bets on a measure. The first observation begins them.
fn wagers(evidence: &mut Evidence, measure: Measure) -> &mut Wagers {
    evidence.bets.entry(measure).or_default()
}

/// Bets against "at most `limit`", and against "no worse than the others".
fn observe_limit(evidence: &mut Evidence, measure: Measure, limit: f64, trial: Trial, stake: Stake) {
    wagers(evidence, measure).observe(Bet::within(limit).map(|bet| (bet, trial)), stake);
    let plain = Bet::no_worse(1.0, 0.0).map(|bet| (bet, trial));
    evidence.plain.entry(measure).or_default().observe(plain, stake);
}
