//! Users with a key: through routes and through running gateways, the fewest move, nobody leaves a version that does not
//! shrink, and gateways agree.
//!
//! Of `n` users, of whom a part `p` must move, `np ± (5 √(np(1 − p)) + 5)` do: each falls into a slot by chance, so that the
//! number is binomial, and one further off has less than a chance in a million. The last 5 is for where few are expected.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tower_canary::routing::{Point, Route};

use crate::backends::{Backend, named};
use crate::databases::{Kind, TestDatabase};
use crate::figure;
use crate::harness::{Gateway, empty, read};
use crate::splits::{Chance, at, set_weights, whole_split};
use crate::support::{each, until};

const NAMES: [&str; 6] = ["v0", "v1", "v2", "v3", "v4", "v5"];
const HEADER: &str = "x-user-id";

/// Splits one after the other: those that throw users out, or too many, under other ways to keep them.
const IN_TURN: [[f64; 3]; 11] = [
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

/// What a re-weight made of users, in sum over many.
#[derive(Debug, Default)]
struct Moved {
    re_weights: usize,
    users: usize,
    /// How many standard deviations the number of users moved was from the minimum, at most.
    furthest: f64,
}

impl Moved {
    /// Checks the versions that users had before and have now, by their positions, against the weights.
    fn check(&mut self, had: &[usize], have: &[usize], old: &[f64], new: &[f64]) {
        let moved: Vec<_> = had.iter().zip(have).filter(|(from, to)| from != to).collect();
        let thrown = moved.iter().filter(|(from, _)| new[**from] >= old[**from]).count();
        assert_eq!(thrown, 0, "out of a version that does not shrink: {old:?} to {new:?}");
        let (users, part) = (had.len() as f64, must_move(old, new) / 100.0);
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
            "{what}: {re_weights} re-weights, {users} users moved, none out of a version that does not shrink; at most \
             {furthest:.1} standard deviations from the fewest"
        );
    }
}

/// How many percent of the users have to move: what the versions that shrink lose.
fn must_move(old: &[f64], new: &[f64]) -> f64 {
    old.iter().zip(new).map(|(old, new)| (old - new).max(0.0)).sum()
}

fn key(user: usize) -> String {
    format!("user-{user}")
}

/// Random sequences of five re-weights of two to six versions each.
fn through_routes(sequences: u64, users: usize) {
    let slots: Vec<Point> = (0..users).map(|user| Point::from_key(7, key(user).as_bytes())).collect();
    let (mut moved, mut most) = (Moved::default(), 0);
    for sequence in 0..sequences {
        let (mut chance, versions) = (Chance(sequence), 2 + usize::try_from(sequence % 5).unwrap());
        let mut split = whole_split(versions);
        let mut had = vec![0; users];
        for _ in 0..5 {
            let after = split.apply(&set_weights(&chance.weights(versions)), at(3)).unwrap();
            let route = Route::compile(after.clone());
            let position = |slot: &Point| {
                let id = route.version_of_slot(*slot).unwrap().id;
                after.versions().iter().position(|version| version.id == id).unwrap()
            };
            let have: Vec<usize> = slots.iter().map(position).collect();
            let percents = crate::splits::percents;
            moved.check(&had, &have, &percents(&split), &percents(&after));
            most = most.max(after.slots().runs().count());
            (split, had) = (after, have);
        }
    }
    moved.print(&format!("{sequences} sequences through routes, {users} users, at most {most} runs"));
}

#[test]
fn re_weights_of_routes_move_the_fewest_users() {
    through_routes(25, 2_000);
}

#[test]
#[ignore = "a campaign"]
fn re_weights_of_routes_move_the_fewest_of_100_000_users_in_1_000_sequences() {
    through_routes(1_000, users());
}

fn users() -> usize {
    usize::try_from(figure("CANARY_CAMPAIGN_USERS", 100_000)).unwrap()
}

/// Gateways that keep users by a header, and backends for all versions.
struct Field {
    gateways: Vec<Gateway>,
    backends: Vec<Backend>,
    _database: TestDatabase,
}

impl Field {
    async fn new(kind: Kind, gateways: usize) -> Self {
        let database = TestDatabase::new(kind).await;
        let options = ["--no-demo", "--database", &database.url, "--affinity-header", HEADER];
        let gateways = (0..gateways).map(|_| Gateway::start(&options)).collect();
        let mut backends = Vec::new();
        for name in NAMES {
            backends.push(named(name, Duration::ZERO).await);
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

    /// Sets the weights, of which a dry run has to say before who moves. No more than have to.
    async fn set_weights(&self, service: &str, old: &[f64], new: &[f64]) {
        let weights: Map<String, Value> =
            NAMES.iter().zip(new).map(|(name, weight)| ((*name).into(), json!(weight))).collect();
        let (path, body) = (format!("/deployment/services/{service}/weights"), json!({ "weights": weights }));
        let told = self.gateway().admin(Method::PUT, &format!("{path}?dryRun=true"), body.clone()).await;
        let moves = told["moves"].as_array().unwrap().iter().map(|m| m["users"].as_f64().unwrap());
        assert!((moves.sum::<f64>() - must_move(old, new)).abs() < 1e-6, "{told}");
        self.gateway().admin(Method::PUT, &path, body).await;
    }

    /// Weights of `service` one after the other, and the versions of that many users after each.
    async fn re_weights(&self, service: &str, splits: &[Vec<f64>], users: usize, moved: &mut Moved) {
        let mut old = vec![0.0; splits[0].len()];
        old[0] = 100.0;
        let mut had = vec![0; users];
        for new in splits {
            self.set_weights(service, &old, new).await;
            let have = versions(self.gateway(), service, users).await;
            moved.check(&had, &have, &old, new);
            (old, had) = (new.clone(), have);
        }
    }
}

/// The version of each of that many users, by its position.
async fn versions(gateway: &Gateway, service: &str, users: usize) -> Vec<usize> {
    let url: Arc<str> = gateway.url(&format!("/{service}/")).into();
    let ask = move |client: crate::harness::HttpClient, user| {
        let request = Request::get(&*url).header(HEADER, key(user)).body(empty()).unwrap();
        async move {
            let answer = read(client.request(request).await.unwrap()).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            let name = answer.text.split_whitespace().nth(1).unwrap();
            NAMES.iter().position(|version| *version == name).unwrap()
        }
    };
    each(users, ask).await
}

async fn through_a_gateway(users: usize, sequences: u64, sample: usize) {
    let field = Field::new(Kind::Sqlite, 1).await;
    let (mut in_turn, mut at_random) = (Moved::default(), Moved::default());
    field.register("auth", 3).await;
    field.re_weights("auth", &IN_TURN.map(Vec::from), users, &mut in_turn).await;
    in_turn.print(&format!("{users} users through a gateway"));
    for sequence in 0..sequences {
        let (mut chance, versions) = (Chance(sequence), 2 + usize::try_from(sequence % 5).unwrap());
        let (service, splits) =
            (format!("s{sequence}"), (0..4).map(|_| chance.weights(versions)).collect::<Vec<_>>());
        field.register(&service, versions).await;
        field.re_weights(&service, &splits, sample, &mut at_random).await;
    }
    at_random.print(&format!("{sequences} random sequences, {sample} users of each, through a gateway"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn re_weights_of_a_gateway_move_the_fewest_users() {
    through_a_gateway(300, 2, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn re_weights_of_a_gateway_move_the_fewest_of_100_000_users_and_in_1_000_sequences() {
    through_a_gateway(users(), 1_000, users() / 200).await;
}

/// That `explain` on `gateway` gives each of a sample of users the version that it `served`; how many they are.
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
    let field = Field::new(kind, 2).await;
    let [one, other] = &field.gateways[..] else { unreachable!() };
    field.register("auth", 3).await;
    for [old, new] in [[[100.0, 0.0, 0.0], [90.0, 10.0, 0.0]], [[90.0, 10.0, 0.0], [45.0, 20.0, 35.0]]] {
        field.set_weights("auth", &old, &new).await;
    }
    let all = async |gateway: &Gateway| gateway.admin(Method::GET, "/deployment/services", Value::Null).await;
    let same = async || all(one).await == all(other).await;
    until(Duration::from_secs(3), "both serve the same", same).await;
    let served = versions(one, "auth", users).await;
    assert!(served == versions(other, "auth", users).await);
    let explained = assert_explained(one, &served).await + assert_explained(other, &served).await;
    println!("{kind:?}: two gateways agree on {users} users, and with {explained} answers of explain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_database_agree_on_users() {
    two_gateways(Kind::Sqlite, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn two_gateways_on_one_database_agree_on_100_000_users() {
    for kind in Kind::available() {
        two_gateways(kind, users()).await;
    }
}
