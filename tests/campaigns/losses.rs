//! Instances that are killed, frozen, answer 503 and come back, one after the other, under load.
//!
//! Version `v1` has three instances and 90 percent, `v2` has one that works and 10 percent.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fleet::{Fleet, HEALTH_PATH};
use crate::harness::Gateway;
use crate::paced::{Answer, Answers, Paced};
use crate::setting;
use crate::versions::Process;
use crate::wait::wait_until;

/// The path that takes 5 ms at the instances.
const PATH: &str = "/auth/slow/5";

/// The row of failures after which an instance is ejected.
const ROW: usize = 5;

/// Maximum of the failures when an instance is killed: the row, and requests that were on their way.
const KILLED: usize = 10;

/// Maximum time until an instance is in service again: the rest of an ejection, and the checks.
const BACK: Duration = Duration::from_secs(90);

/// Time in which the requests in flight are observed before a fault, and requests are observed after it.
const AROUND: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Killed,
    Frozen,
    Unavailable,
}

impl Fault {
    async fn begin(self, process: &mut Process) {
        match self {
            Self::Killed => process.kill(),
            Self::Frozen => process.freeze(),
            Self::Unavailable => process.set_unavailable(true).await,
        }
    }

    async fn end(self, process: &mut Process) {
        match self {
            Self::Killed => process.restart(),
            Self::Frozen => process.thaw(),
            Self::Unavailable => process.set_unavailable(false).await,
        }
    }
}

/// One fault, and when the gateway had overcome it.
#[derive(Debug)]
struct Loss {
    fault: Fault,
    name: &'static str,
    begin: Instant,
    end: Instant,
    /// Most requests that were seen in flight at the instance, before the fault and during it.
    in_flight: usize,
    /// Time from its end until the instance got requests again.
    back_after: Duration,
}

/// The gateway and its two versions.
#[derive(Debug)]
struct Losses {
    gateway: Gateway,
    fleet: Fleet,
    _other: Fleet,
    /// The duration of a fault.
    hold: Duration,
}

impl Losses {
    async fn start(options: &[&str], hold: Duration) -> Self {
        let gateway = Gateway::start(&[&["--no-demo"], options].concat());
        let fleet = Fleet::start(["a", "b", "c"]);
        let other = Fleet::start(["other"]);
        fleet.register(&gateway, "v1").await;
        gateway.register_instances("auth", "v2", &other.urls(), HEALTH_PATH).await;
        gateway.set_weight("auth", "v2", 10.0).await;
        Self { gateway, fleet, _other: other, hold }
    }

    /// Makes faults of each kind at each instance in turn, until `length` is over.
    async fn run(&mut self, length: Duration) -> Vec<Loss> {
        let start = Instant::now();
        let mut losses = Vec::new();
        for turn in 0.. {
            if start.elapsed() >= length {
                break;
            }
            let fault = [Fault::Killed, Fault::Frozen, Fault::Unavailable][turn % 3];
            losses.push(self.lose(turn / 3 % 3, fault).await);
        }
        losses
    }

    async fn lose(&mut self, instance: usize, fault: Fault) -> Loss {
        let url = self.fleet.processes[instance].url.clone();
        let before = self.most_in_flight(&url, Instant::now() + AROUND).await;
        let begin = Instant::now();
        fault.begin(&mut self.fleet.processes[instance]).await;
        let during = self.most_in_flight(&url, begin + self.hold).await;
        let picks = self.picks(&url).await;
        fault.end(&mut self.fleet.processes[instance]).await;
        let back_after = wait_until(BACK, "the instance is in service again", async || {
            self.gateway.instance("auth", &url).await["state"] == "up" && self.picks(&url).await > picks
        })
        .await;
        sleep(AROUND).await;
        let name = self.fleet.processes[instance].name;
        Loss { fault, name, begin, end: Instant::now(), in_flight: before.max(during), back_after }
    }

    async fn most_in_flight(&self, url: &str, until: Instant) -> usize {
        let mut most = 0;
        while Instant::now() < until {
            let traffic = self.gateway.instance_traffic("auth", "v1", url).await;
            most = most.max(traffic["inFlight"].as_u64().unwrap().try_into().unwrap());
            sleep(Duration::from_millis(20)).await;
        }
        most
    }

    async fn picks(&self, url: &str) -> u64 {
        self.gateway.instance_traffic("auth", "v1", url).await["picks"].as_u64().unwrap()
    }
}

/// The result of one run.
#[derive(Debug)]
struct Run {
    losses: Vec<Loss>,
    answers: Answers,
}

impl Run {
    async fn of(options: &[&str], hold: Duration, length: Duration) -> Self {
        let rate = setting("CANARY_CAMPAIGN_RATE", 1_000).try_into().unwrap();
        let mut under_load = Losses::start(options, hold).await;
        let load = Paced::get(under_load.gateway.url(PATH), rate);
        let losses = under_load.run(length).await;
        let run = Self { losses, answers: load.end().await };
        run.print(options);
        run.assert_split();
        run
    }

    /// Returns the failures between the begin and the end of a loss.
    fn failures(&self, loss: &Loss) -> Vec<&Answer> {
        let failures = self.answers.failures().into_iter();
        failures.filter(|failure| (loss.begin..loss.end).contains(&failure.ended())).collect()
    }

    fn print(&self, options: &[&str]) {
        let failures = self.answers.failures().len();
        println!(
            "{options:?}: {} requests, {failures} failed; {:?}",
            self.answers.len(),
            self.answers.by_name()
        );
        for loss in &self.losses {
            let failures = self.failures(loss);
            let last = failures.iter().map(|failure| failure.ended() - loss.begin).max();
            println!(
                "{} {:?}: {} failed, the last one after {last:.2?}; at most {} in flight; back after {:.1?}",
                loss.name,
                loss.fault,
                failures.len(),
                loss.in_flight,
                loss.back_after
            );
        }
        println!("p99 {:.1?}, slowest {:.1?}", self.answers.percentile(99), self.answers.percentile(100));
    }

    /// Asserts that the share of the version that works is exact to two requests.
    fn assert_split(&self) {
        let share = self.answers.by_name()["other"];
        assert!((share * 10).abs_diff(self.answers.len()) <= 20, "{share} of {}", self.answers.len());
    }
}

/// With the defaults of the gateway, beside a limit for responses that is shorter than a fault.
async fn assert_few_failures(hold: Duration, length: Duration) {
    let run = Run::of(&["--response-timeout", "2s"], hold, length).await;
    for loss in &run.losses {
        let failed = run.failures(loss).len();
        let most = if loss.fault == Fault::Killed { KILLED } else { loss.in_flight + ROW };
        assert!(failed <= most, "{failed} of at most {most}: {loss:?}");
    }
    let outside =
        run.answers.failures().len() - run.losses.iter().map(|loss| run.failures(loss).len()).sum::<usize>();
    assert_eq!(outside, 0, "failures without a fault");
}

/// With retries of safe requests. A frozen instance answers when it continues, within the limit for responses.
async fn assert_no_failure(hold: Duration, length: Duration) {
    let run = Run::of(&["--retry-safe"], hold, length).await;
    assert!(run.answers.failures().is_empty(), "{:?}", run.answers.failures().first());
}

fn length() -> Duration {
    Duration::from_secs(setting("CANARY_CAMPAIGN_LOSSES_SECONDS", 600))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn lost_instances_fail_few_requests() {
    assert_few_failures(Duration::from_secs(15), length()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn retried_losses_fail_no_read() {
    assert_no_failure(Duration::from_secs(15), length()).await;
}
