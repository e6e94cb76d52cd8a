//! Slow clients that hold connections, next to fast ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::attacks::Attack;
use crate::backends::Backend;
use crate::harness::{Gateway, HttpClient, client, empty, read};
use crate::setting;
use crate::support::percentiles;
use crate::versions::start_version;

const ATTACKERS: usize = 500;

/// Duration of each measurement of the fast clients, with and without attackers.
const WINDOW: Duration = Duration::from_secs(8);

/// Number of fast clients, and their interval.
const CLIENTS: usize = 8;
const INTERVAL: Duration = Duration::from_millis(8);

/// Starts `count` attackers, of these kinds in turn.
fn attack(gateway: &Gateway, kinds: &[Attack], count: usize) -> Vec<(Attack, JoinHandle<Duration>)> {
    let kinds = kinds.iter().cycle().take(count);
    kinds.map(|attack| (*attack, attack.begin(&gateway.data))).collect()
}

/// Waits until all attackers are cut off and asserts the limit of each kind.
async fn assert_cut_off(attackers: Vec<(Attack, JoinHandle<Duration>)>) {
    let mut longest = BTreeMap::<_, Duration>::new();
    for (attack, task) in attackers {
        let lasted = task.await.unwrap();
        let longest = longest.entry(attack).or_default();
        *longest = lasted.max(*longest);
    }
    println!("cut off after at most {longest:?}");
    assert!(longest.iter().all(|(attack, lasted)| *lasted <= attack.limit()));
}

/// Returns the median and the 99th percentile of the response times of fast clients.
async fn fast_clients(gateway: &Gateway) -> (Duration, Duration) {
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(fast_client(client(), gateway.url("/auth/good")))).collect();
    let mut waited = Vec::new();
    for client in clients {
        waited.extend(client.await.unwrap());
    }
    let (median, p99, _) = percentiles(waited);
    (median, p99)
}

async fn fast_client(client: HttpClient, url: String) -> Vec<Duration> {
    let mut waited = Vec::new();
    let end = Instant::now() + WINDOW;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        let start = Instant::now();
        let response = read(client.request(Request::get(&url).body(empty()).unwrap()).await.unwrap()).await;
        assert_eq!(response.status, StatusCode::OK);
        waited.push(start.elapsed());
    }
    waited
}

async fn gateway() -> (Gateway, Backend) {
    let backend = start_version("v1").await;
    let gateway = Gateway::start(&[&["--no-demo"], &Attack::OPTIONS[..]].concat());
    gateway.register("auth", "v1", &backend.url).await;
    (gateway, backend)
}

// 500 connections, each cut off within 15 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn slow_heads_do_not_delay_good_clients() {
    let (gateway, _backend) = gateway().await;
    fast_clients(&gateway).await;
    let mut quiet = Vec::new();
    let mut loaded = Vec::new();
    for round in 0..setting("CANARY_CAMPAIGN_ATTACKS", 9) {
        quiet.push(fast_clients(&gateway).await);
        let attackers = attack(&gateway, &Attack::HEADS, ATTACKERS);
        sleep(Duration::from_secs(1)).await;
        loaded.push(fast_clients(&gateway).await);
        println!("round {round}: quiet {:?}, loaded {:?}", quiet.last().unwrap(), loaded.last().unwrap());
        assert_cut_off(attackers).await;
    }
    report("median", &quiet, &loaded, |waited| waited.0);
    let ratio = report("p99", &quiet, &loaded, |waited| waited.1);
    assert!(ratio <= 1.2, "{ratio}");
}

/// Prints and returns the ratio of the response times with and without attackers, by the medians of the
/// rounds.
fn report(
    name: &str,
    quiet: &[(Duration, Duration)],
    loaded: &[(Duration, Duration)],
    get: fn(&(Duration, Duration)) -> Duration,
) -> f64 {
    let [quiet, loaded] = [quiet, loaded].map(|rounds| percentiles(rounds.iter().map(get).collect()).0);
    let ratio = loaded.as_secs_f64() / quiet.as_secs_f64();
    println!("{name} of fast clients: quiet {quiet:?}, loaded {loaded:?}, ratio {ratio:.2}");
    ratio
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn slow_bodies_and_idle_clients_are_cut_off() {
    let (gateway, _backend) = gateway().await;
    let kinds = [Attack::Body, Attack::Deaf, Attack::IdleHttp2, Attack::Idle];
    let attackers = attack(&gateway, &kinds, ATTACKERS);
    let fast = fast_clients(&gateway).await;
    println!("fast clients meanwhile: median {:?}, p99 {:?}", fast.0, fast.1);
    assert_cut_off(attackers).await;
}
