//! `kill -9` of the gateway that leads a rollout.
//!
//! Three gateways on one database drive one rollout after the other, in steps of no hold. The leader of the rollout is killed
//! at a random moment, and starts again at once or when another one leads. Whatever is killed, each rollout must have the same
//! history as one that nobody disturbed: each step once and in order, no turn twice, and all traffic at the canary in the end.
//!
//! Several groups of three gateways run side by side, each on a database of its own: a takeover takes up to 15 seconds, and
//! 200 of them in a row most of an hour. Runs on a machine with two processors and a load of 25 found, of each rollout, the
//! history of one that nobody disturbed:
//!
//! | database | leaders killed | rollouts | time until another one led, median and slowest |
//! | --- | --- | --- | --- |
//! | PostgreSQL | 200 | 20 | 11.2 s, 15.4 s |
//! | MariaDB | 200 | 18 | 11.5 s, 14.0 s |
//! | SQLite | 200 | 17 | 11.4 s, 13.7 s |
//! | SQLite, before gateways waited for the end of a lease | 200 | 18 | 12.5 s, 23.2 s |

use std::fmt::Debug;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::DatabaseConnection;
use tokio::time::sleep;
use tower_canary::rollout::{Order, Plan, RolloutActor, RolloutView, Rollouts, Started, Verb};
use tower_canary::store::sql::SqlStore;
use tower_canary::{Deployments, NoVersionCheck, ServiceName};

use crate::backends::{Backend, named_backend};
use crate::databases::{Kind, TestDatabase, text};
use crate::harness::Gateway;
use crate::setting;
use crate::support::{on_every_database, percentiles};

const NAMES: [&str; 3] = ["gateway-1", "gateway-2", "gateway-3"];

/// Longest time until another gateway leads.
const TAKEOVER: Duration = Duration::from_secs(20);

/// Longest time of a rollout that nobody disturbs any more.
const LONGEST: Duration = Duration::from_secs(300);

const STEPS: [u64; 8] = [5, 10, 15, 20, 25, 30, 40, 50];

/// The weights of the canary in the history: the steps, the bake, and the end.
const WEIGHTS: [u64; 10] = [5, 10, 15, 20, 25, 30, 40, 50, 95, 100];

/// Returns the plan of a rollout that needs no requests.
fn plan(version: &str) -> Plan {
    let guard = r#"{"leastRequests": 0, "leastWindows": 0}"#;
    let json = format!(
        r#"{{"version": "{version}", "steps": {STEPS:?}, "hold": "0s", "bake": {{"hold": "0s"}}, "guard": {guard}}}"#
    );
    json.parse().unwrap()
}

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

/// Three gateways on one database, and a process beside them that starts rollouts and reads them.
struct Group {
    gateways: Vec<Gateway>,
    deployments: Deployments,
    rollouts: Rollouts,
    /// The rollout under way.
    id: String,
    db: DatabaseConnection,
    database: TestDatabase,
    _backend: Backend,
    chance: StdRng,
    finished: usize,
    takeovers: Vec<Duration>,
}

impl Group {
    async fn start(kind: Kind, seed: u64) -> Self {
        let database = TestDatabase::new(kind).await;
        let backend = named_backend("v", Duration::ZERO).await;
        let gateways: Vec<Gateway> = NAMES.iter().map(|name| gateway(&database, name)).collect();
        for version in ["v1.0", "v1.1"] {
            gateways[0].register("auth", version, &backend.url).await;
        }
        let deployments = patiently(|| connect(&database.url)).await;
        tokio::spawn(deployments.clone().run(std::future::pending()));
        let rollouts = Rollouts::new(deployments.clone());
        let db = database.connect().await;
        let chance = StdRng::seed_from_u64(seed);
        let mut group = Self {
            gateways,
            deployments,
            rollouts,
            id: String::new(),
            db,
            database,
            _backend: backend,
            chance,
            finished: 0,
            takeovers: Vec::new(),
        };
        group.begin().await;
        group
    }

    /// Starts a rollout of the version without traffic.
    async fn begin(&mut self) {
        let version = if self.finished.is_multiple_of(2) { "v1.1" } else { "v1.0" };
        let service = auth();
        let started =
            patiently(|| self.rollouts.start(&service, plan(version), RolloutActor::new("campaign")));
        self.id = match started.await {
            // The answer to an earlier attempt was late.
            Started::New(rollout) | Started::Running(rollout) => rollout.stored.id,
            other => panic!("{other:?}"),
        };
    }

    async fn read(&self) -> RolloutView {
        let service = auth();
        patiently(|| self.rollouts.find(&service, Some(&self.id))).await
    }

    /// Returns which gateway leads, and the id of its process. `None`: nobody leads yet, or the rollout is over.
    async fn leader(&self) -> Option<(usize, String)> {
        let process = self.process().await;
        let name = text(&self.db, &format!("SELECT name FROM gateway_replica WHERE id = '{process}'")).await;
        Some((NAMES.iter().position(|candidate| *candidate == name)?, process))
    }

    /// Returns the id of the process that leads.
    async fn process(&self) -> String {
        text(&self.db, "SELECT COALESCE(leader, '') FROM gateway_rollout WHERE active_of IS NOT NULL").await
    }

    /// Waits until the rollout has a leader. Begins the next rollout if it is over.
    async fn wait_leader(&mut self) -> (usize, String) {
        let start = Instant::now();
        loop {
            if let Some(leader) = self.leader().await {
                return leader;
            }
            if self.read().await.state.is_over() {
                self.end().await;
                self.begin().await;
            }
            assert!(start.elapsed() < LONGEST, "nobody leads");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Kills the leader at a random moment, and waits until another one leads.
    async fn kill_leader(&mut self) {
        sleep(Duration::from_millis(self.chance.random_range(0..8_000))).await;
        let (index, process) = self.wait_leader().await;
        self.gateways[index].kill();
        let killed = Instant::now();
        let starts_at_once = self.chance.random_bool(0.5);
        if starts_at_once {
            self.gateways[index] = gateway(&self.database, NAMES[index]);
        }
        self.wait_takeover(&process, killed).await;
        if !starts_at_once {
            self.gateways[index] = gateway(&self.database, NAMES[index]);
        }
    }

    async fn wait_takeover(&mut self, process: &str, killed: Instant) {
        loop {
            let leader = self.process().await;
            if leader.is_empty() {
                // The rollout was over with the last write of the leader.
                return;
            }
            let elapsed = killed.elapsed();
            assert!(elapsed <= TAKEOVER, "nobody leads after {elapsed:?}");
            if leader != process {
                return self.takeovers.push(elapsed);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the end of the rollout, and compares it with one that nobody disturbed.
    async fn end(&mut self) {
        let start = Instant::now();
        while !self.read().await.state.is_over() {
            assert!(start.elapsed() < LONGEST, "not over");
            sleep(Duration::from_millis(500)).await;
        }
        self.assert_once("completed", &WEIGHTS).await;
        self.finished += 1;
    }

    /// Asserts that each step is recorded once and in order, no place in the history twice, and that the canary had the
    /// `weights` one after the other.
    async fn assert_once(&self, outcome: &str, weights: &[u64]) {
        let events = patiently(|| self.rollouts.events(&self.id, 1_000)).await;
        let places: Vec<_> = events.iter().map(|event| (event.turn, event.position)).collect();
        assert!(places.is_sorted_by(|one, next| one < next), "{events:?}");
        let steps = events.iter().filter(|event| event.kind == "step").map(|event| event.step);
        let expected: Vec<u32> = (1..).take(weights.len() - 1).collect();
        assert_eq!(steps.collect::<Vec<_>>(), expected, "{events:?}");
        let ends = events.iter().filter(|event| event.kind == outcome);
        assert_eq!((ends.count(), events.last().unwrap().kind.as_str()), (1, outcome));

        let rollout = self.read().await;
        let service = auth();
        let history = patiently(|| self.deployments.history(&service, None, 1_000)).await;
        let actor = format!("rollout:{}", self.id);
        let changes = history.iter().rev().filter(|entry| entry.actor == actor);
        let canary = rollout.plan.version();
        let after = changes.map(|entry| entry.after.iter().find(|share| share.version == *canary).unwrap());
        let found: Vec<u64> = after.map(|share| share.weight.percent() as u64).collect();
        assert_eq!(found, weights, "{}", self.id);
        let made = rollout.stored.generation - rollout.stored.start_generation;
        assert_eq!(made, weights.len() as u64, "no other change");
    }
}

/// Repeats a call of this process until it succeeds: under load a database may answer too late.
async fn patiently<T, E: Debug, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) => assert!(start.elapsed() < LONGEST, "{error:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn connect(url: &str) -> Result<Deployments, String> {
    let store = SqlStore::connect(url).await.map_err(|error| error.to_string())?;
    let builder = Deployments::builder(store, NoVersionCheck).with_replica_name("operator");
    builder.start().await.map_err(|error| error.to_string())
}

/// Starts a gateway. Under load the database may not answer the first attempts in time.
fn gateway(database: &TestDatabase, name: &str) -> Gateway {
    let options = ["--no-demo", "--threads", "1", "--database", &database.url, "--name", name];
    let mut attempts = (0..10).map(|_| catch_unwind(|| Gateway::start(&options)));
    attempts.find_map(Result::ok).unwrap()
}

/// Kills `kills` leaders of one group. Returns the times until others led, and how many rollouts were compared.
async fn run(kind: Kind, seed: u64, kills: u64) -> (Vec<Duration>, usize) {
    let mut group = Group::start(kind, seed).await;
    for _ in 0..kills {
        group.kill_leader().await;
    }
    group.end().await;
    (std::mem::take(&mut group.takeovers), group.finished)
}

async fn campaign(kind: Kind, groups: u64, kills: u64) {
    let seed = setting("CANARY_CAMPAIGN_SEED", 1);
    let each = (0..groups).map(|group| {
        let share = kills / groups + u64::from(group < kills % groups);
        tokio::spawn(run(kind, seed + group, share))
    });
    let mut takeovers = Vec::new();
    let mut rollouts = 0;
    for group in each.collect::<Vec<_>>() {
        let (times, finished) = group.await.unwrap();
        takeovers.extend(times);
        rollouts += finished;
    }
    let measured = takeovers.len();
    let (median, _, slowest) = percentiles(takeovers);
    println!(
        "{kind:?}: {kills} leaders killed, {rollouts} rollouts as without kills; {measured} takeovers, median {median:.1?}, \
         slowest {slowest:.1?}"
    );
}

/// Returns how many leaders the long form kills, and in how many groups.
fn size() -> (u64, u64) {
    (setting("CANARY_CAMPAIGN_GROUPS", 8), setting("CANARY_CAMPAIGN_LEADERS", 200))
}

on_every_database! {
    // One leader on each database.
    async fn killed_leader_is_replaced(kind: Kind) {
        let mut group = Group::start(kind, 1).await;
        group.kill_leader().await;
        let abort = Order::new(Verb::Abort { force: false }, "campaign");
        let over = group.rollouts.order(&auth(), Some(&group.id), abort).await.unwrap();
        let mut weights = WEIGHTS[..over.state.number()].to_vec();
        weights.push(0);
        group.assert_once("aborted", &weights).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn leaders_are_replaced_on_sqlite() {
    let (groups, kills) = size();
    campaign(Kind::Sqlite, groups, kills).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign; needs CANARY_TEST_POSTGRES_URL"]
async fn leaders_are_replaced_on_postgres() {
    let (groups, kills) = size();
    campaign(Kind::Postgres, groups, kills).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign; needs CANARY_TEST_MYSQL_URL"]
async fn leaders_are_replaced_on_mysql() {
    let (groups, kills) = size();
    campaign(Kind::MySql, groups, kills).await;
}
