//! Users with a key, in routes and through gateways: weight changes move the fewest users, only versions that
//! shrink lose users, and gateways agree.
//!
//! If a share `p` of `n` users must move, `np ± (5 √(np(1 − p)) + 5)` of them do: each user falls into a slot
//! by chance, so the number is binomial, and a larger deviation has a probability below one in a million. The
//! last 5 is for small expected numbers.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tower_canary::routing::{Point, Route};

use crate::backends::{Backend, named_backend};
use crate::databases::{Kind, TestDatabase};
use crate::harness::{Gateway, empty, read};
use crate::setting;
use crate::splits::{Chance, at, set_weights, whole_split};
use crate::support::concurrently;
use crate::wait::wait_until;

const NAMES: [&str; 6] = ["v0", "v1", "v2", "v3", "v4", "v5"];
const HEADER: &str = "x-user-id";

/// Consecutive splits for which other algorithms move users needlessly.
const SPLITS: [[f64; 3]; 11] = [
    [90.0, 10.0, 0.0],
    [80.0, 20.0, 0.0],
    [90.0, 10.0, 0.0],
    [70.0, 30.0, 0.0],
    [90.0, 5.0, 5.0],
    [70.0, 15.0, 15.0],
    [90.0, 5.0, 5.0],
    [70.0, 10.0, 20.0],
    [50.0, 40.0, 10.0],
    [50.0, 20.0, 30.0],
    [0.0, 0.0, 100.0],
];

/// Sums over many weight changes.
#[derive(Debug, Default)]
struct Moves {
    re_weights: usize,
    users: usize,
    /// Maximum deviation of the number of moved users from the minimum, in standard deviations.
    furthest: f64,
}

impl Moves {
    /// Checks the positions of the users' versions before and after a change of weights.
    fn check(&mut self, before: &[usize], after_positions: &[usize], old: &[f64], new: &[f64]) {
        let moved: Vec<_> = before.iter().zip(after_positions).filter(|(from, to)| from != to).collect();
        let needless = moved.iter().filter(|(from, _)| new[**from] >= old[**from]).count();
        assert_eq!(needless, 0, "left a version that does not shrink: {old:?} to {new:?}");
        let users = before.len() as f64;
        let part = must_move(old, new) / 100.0;
        let sigma = (users * part * (1.0 - part).max(0.0)).sqrt();
        let off = (moved.len() as f64 - users * part).abs();
        assert!(off <= 5.0 * sigma + 5.0, "{} of {} moved: {old:?} to {new:?}", moved.len(), users * part);
        self.furthest = self.furthest.max(if sigma > 5.0 { off / sigma } else { 0.0 });
        self.re_weights += 1;
        self.users += moved.len();
    }

    fn print(&self, what: &str) {
        let Self { re_weights, users, furthest } = self;
        println!(
            "{what}: {re_weights} weight changes, {users} users moved, none from a version that does not shrink; at most \
             {furthest:.1} standard deviations from the fewest"
        );
    }
}

/// Returns the percentage of users that must move: the sum of the losses of versions that shrink.
fn must_move(old: &[f64], new: &[f64]) -> f64 {
    old.iter().zip(new).map(|(old, new)| (old - new).max(0.0)).sum()
}

fn key(user: usize) -> String {
    format!("user-{user}")
}

/// Random sequences of five weight changes of two to six versions each.
fn through_routes(sequences: u64, users: usize) {
    let slots: Vec<Point> = (0..users).map(|user| Point::from_key(7, key(user).as_bytes())).collect();
    let mut moved = Moves::default();
    let mut most = 0;
    for sequence in 0..sequences {
        let mut chance = Chance(sequence);
        let versions = 2 + usize::try_from(sequence % 5).unwrap();
        let mut split = whole_split(versions);
        let mut before = vec![0; users];
        for _ in 0..5 {
            let after = split.apply(&set_weights(&chance.weights(versions)), at(3)).unwrap();
            let route = Route::compile(after.clone());
            let after_positions: Vec<usize> = slots
                .iter()
                .map(|slot: &Point| {
                    let id = route.version_of_slot(*slot).unwrap().id;
                    after.versions().iter().position(|version| version.id == id).unwrap()
                })
                .collect();
            let percents = crate::splits::percents;
            moved.check(&before, &after_positions, &percents(&split), &percents(&after));
            most = most.max(after.slots().runs().count());
            split = after;
            before = after_positions;
        }
    }
    moved.print(&format!("{sequences} sequences through routes, {users} users, at most {most} runs"));
}

#[test]
fn weight_changes_move_the_fewest_users() {
    through_routes(25, 2_000);
}

// 1,000 sequences of changes, 100,000 users.
#[test]
#[ignore = "a campaign"]
fn many_weight_changes_move_the_fewest_users() {
    through_routes(1_000, users());
}

fn users() -> usize {
    usize::try_from(setting("CANARY_CAMPAIGN_USERS", 100_000)).unwrap()
}

/// Gateways with affinity by a header, and a backend for each version.
struct Gateways {
    gateways: Vec<Gateway>,
    backends: Vec<Backend>,
    _database: TestDatabase,
}

impl Gateways {
    async fn new(kind: Kind, gateways: usize) -> Self {
        let database = TestDatabase::new(kind).await;
        let options = ["--no-demo", "--database", &database.url, "--affinity-header", HEADER];
        let gateways = (0..gateways).map(|_| Gateway::start(&options)).collect();
        let mut backends = Vec::new();
        for name in NAMES {
            backends.push(named_backend(name, Duration::ZERO).await);
        }
        Self { gateways, backends, _database: database }
    }

    fn gateway(&self) -> &Gateway {
        &self.gateways[0]
    }

    async fn register(&self, service: &str, versions: usize) {
        for (name, backend) in NAMES.iter().zip(&self.backends).take(versions) {
            self.gateway().register(service, name, &backend.url).await;
        }
    }

    /// Sets the weights. The dry run before must announce exactly the minimum of moves.
    async fn set_weights(&self, service: &str, old: &[f64], new: &[f64]) {
        let weights: Map<String, Value> =
            NAMES.iter().zip(new).map(|(name, weight)| ((*name).into(), json!(weight))).collect();
        let path = format!("/deployment/services/{service}/weights");
        let body = json!({ "weights": weights });
        let preview = self.gateway().admin(Method::PUT, &format!("{path}?dryRun=true"), body.clone()).await;
        let moves = preview["moves"].as_array().unwrap().iter().map(|m| m["users"].as_f64().unwrap());
        assert!((moves.sum::<f64>() - must_move(old, new)).abs() < 1e-6, "{preview}");
        self.gateway().admin(Method::PUT, &path, body).await;
    }

    /// Sets consecutive weights of `service` and checks the versions of `users` users after each change.
    async fn re_weights(&self, service: &str, splits: &[Vec<f64>], users: usize, moved: &mut Moves) {
        let mut old = vec![0.0; splits[0].len()];
        old[0] = 100.0;
        let mut before = vec![0; users];
        for new in splits {
            self.set_weights(service, &old, new).await;
            let after_positions = versions(self.gateway(), service, users).await;
            moved.check(&before, &after_positions, &old, new);
            old = new.clone();
            before = after_positions;
        }
    }
}

/// Returns the position of each user's version.
async fn versions(gateway: &Gateway, service: &str, users: usize) -> Vec<usize> {
    let url: Arc<str> = gateway.url(&format!("/{service}/")).into();
    concurrently(users, move |client: crate::harness::HttpClient, user| {
        let request = Request::get(&*url).header(HEADER, key(user)).body(empty()).unwrap();
        async move {
            let response = read(client.request(request).await.unwrap()).await;
            assert_eq!(response.status, StatusCode::OK, "{}", response.text);
            let name = response.text.split_whitespace().nth(1).unwrap();
            NAMES.iter().position(|version| *version == name).unwrap()
        }
    })
    .await
}

async fn through_a_gateway(users: usize, sequences: u64, sample: usize) {
    let gateways = Gateways::new(Kind::Sqlite, 1).await;
    let mut in_turn = Moves::default();
    let mut at_random = Moves::default();
    gateways.register("auth", 3).await;
    gateways.re_weights("auth", &SPLITS.map(Vec::from), users, &mut in_turn).await;
    in_turn.print(&format!("{users} users through a gateway"));
    for sequence in 0..sequences {
        let mut chance = Chance(sequence);
        let versions = 2 + usize::try_from(sequence % 5).unwrap();
        let service = format!("s{sequence}");
        let splits = (0..4).map(|_| chance.weights(versions)).collect::<Vec<_>>();
        gateways.register(&service, versions).await;
        gateways.re_weights(&service, &splits, sample, &mut at_random).await;
    }
    at_random.print(&format!("{sequences} random sequences, {sample} users of each, through a gateway"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_moves_the_fewest_users() {
    through_a_gateway(300, 2, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn gateway_moves_the_fewest_of_100_000_users() {
    through_a_gateway(users(), 1_000, users() / 200).await;
}

/// Asserts that `explain` agrees with the versions in `served`, for a sample of users. Returns the size of
/// the sample.
async fn assert_explained(gateway: &Gateway, served: &[usize]) -> usize {
    let sample = (0..served.len()).step_by((served.len() / 200).max(1));
    for user in sample.clone() {
        let path = format!("/deployment/services/auth/explain?key={}", key(user));
        let explained = gateway.admin(Method::GET, &path, Value::Null).await;
        assert_eq!(explained["version"], NAMES[served[user]], "{explained}");
    }
    sample.count()
}

async fn two_gateways(kind: Kind, users: usize) {
    let gateways = Gateways::new(kind, 2).await;
    let [one, other] = &gateways.gateways[..] else { unreachable!() };
    gateways.register("auth", 3).await;
    for [old, new] in [[[100.0, 0.0, 0.0], [90.0, 10.0, 0.0]], [[90.0, 10.0, 0.0], [45.0, 20.0, 35.0]]] {
        gateways.set_weights("auth", &old, &new).await;
    }
    let all = async |gateway: &Gateway| gateway.admin(Method::GET, "/deployment/services", Value::Null).await;
    let same = async || all(one).await == all(other).await;
    wait_until(Duration::from_secs(15), "both serve the same", same).await;
    let served = versions(one, "auth", users).await;
    assert!(served == versions(other, "auth", users).await);
    let explained = assert_explained(one, &served).await + assert_explained(other, &served).await;
    println!("{kind:?}: two gateways agree on {users} users, and with {explained} explanations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_agree_on_users() {
    two_gateways(Kind::Sqlite, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn two_gateways_agree_on_100_000_users() {
    for kind in Kind::available() {
        two_gateways(kind, users()).await;
    }
}
