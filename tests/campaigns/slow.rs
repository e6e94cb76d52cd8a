//! Clients that hold connections, beside good ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::attacks::Attack;
use crate::backends::Backend;
use crate::harness::{Gateway, HttpClient, client, empty, read};
use crate::setting;
use crate::support::spread;
use crate::versions::start_version;

const ATTACKERS: usize = 500;

/// How long good clients are measured, with attackers or without.
const WINDOW: Duration = Duration::from_secs(8);

/// Good clients, and how often each of them asks.
const CLIENTS: usize = 8;
const PACE: Duration = Duration::from_millis(8);

/// Starts `count` attackers of these kinds in turn.
fn attack(gateway: &Gateway, kinds: &[Attack], count: usize) -> Vec<(Attack, JoinHandle<Duration>)> {
    let kinds = kinds.iter().cycle().take(count);
    kinds.map(|attack| (*attack, attack.begin(&gateway.data))).collect()
}

/// How long each kind lasted at most.
async fn cut_off(attackers: Vec<(Attack, JoinHandle<Duration>)>) {
    let mut longest = BTreeMap::<_, Duration>::new();
    for (attack, task) in attackers {
        let lasted = task.await.unwrap();
        let longest = longest.entry(attack).or_default();
        *longest = lasted.max(*longest);
    }
    println!("cut off after at most {longest:?}");
    assert!(longest.iter().all(|(attack, lasted)| *lasted <= attack.limit()));
}

/// The median and the 99th percentile of what good clients wait.
async fn good_clients(gateway: &Gateway) -> (Duration, Duration) {
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(good_client(client(), gateway.url("/auth/good")))).collect();
    let mut waited = Vec::new();
    for client in clients {
        waited.extend(client.await.unwrap());
    }
    let (median, p99, _) = spread(waited);
    (median, p99)
}

async fn good_client(client: HttpClient, url: String) -> Vec<Duration> {
    let (mut waited, over, mut pace) = (Vec::new(), Instant::now() + WINDOW, interval(PACE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < over {
        pace.tick().await;
        let start = Instant::now();
        let response = read(client.request(Request::get(&url).body(empty()).unwrap()).await.unwrap()).await;
        assert_eq!(response.status, StatusCode::OK);
        waited.push(start.elapsed());
    }
    waited
}

async fn gateway() -> (Gateway, Backend) {
    let backend = start_version("v1").await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    (gateway, backend)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn slow_heads_on_500_connections_are_cut_off_in_15_s_and_good_clients_wait_as_ever() {
    let (gateway, _backend) = gateway().await;
    good_clients(&gateway).await;
    let (mut quiet, mut loaded) = (Vec::new(), Vec::new());
    for round in 0..setting("CANARY_CAMPAIGN_ATTACKS", 9) {
        quiet.push(good_clients(&gateway).await);
        let attackers = attack(&gateway, &Attack::HEADS, ATTACKERS);
        sleep(Duration::from_secs(1)).await;
        loaded.push(good_clients(&gateway).await);
        println!("round {round}: quiet {:?}, loaded {:?}", quiet.last().unwrap(), loaded.last().unwrap());
        cut_off(attackers).await;
    }
    report("median", &quiet, &loaded, |waited| waited.0);
    let ratio = report("p99", &quiet, &loaded, |waited| waited.1);
    assert!(ratio <= 1.2, "{ratio}");
}

/// How much longer good clients wait by the medians of the rounds.
fn report(
    name: &str,
    quiet: &[(Duration, Duration)],
    loaded: &[(Duration, Duration)],
    get: fn(&(Duration, Duration)) -> Duration,
) -> f64 {
    let [quiet, loaded] = [quiet, loaded].map(|rounds| spread(rounds.iter().map(get).collect()).0);
    let ratio = loaded.as_secs_f64() / quiet.as_secs_f64();
    println!("{name} of good clients: quiet {quiet:?}, loaded {loaded:?}, ratio {ratio:.2}");
    ratio
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn slow_bodies_and_idle_connections_are_cut_off_in_time() {
    let (gateway, _backend) = gateway().await;
    let kinds = [Attack::Body, Attack::Deaf, Attack::IdleHttp2, Attack::Idle];
    let attackers = attack(&gateway, &kinds, ATTACKERS);
    let good = good_clients(&gateway).await;
    println!("good clients meanwhile: median {:?}, p99 {:?}", good.0, good.1);
    cut_off(attackers).await;
}
