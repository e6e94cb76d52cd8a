//! The health of instances as `GET …/versions` shows it: states, events, and the tag of the response.

use std::time::Duration;

use axum::body::Body;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_canary::api::{SplitView, Timestamp};
use tower_canary::health::Health;

use crate::observed::{A, AUTH, B, Observed, V1, VERSIONS};
use crate::support::{Answer, Api};

fn seconds_between(from: &Value, to: &Value) -> u64 {
    let [from, to] = [from, to].map(|at| {
        let at: Timestamp = serde_json::from_value(at.clone()).unwrap();
        at.system_time()
    });
    to.duration_since(from).unwrap().as_secs()
}

/// Returns the names of the fields of an object, sorted.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(start_paused = true)]
async fn instance_that_passes_is_up() {
    let gateway = Observed::new(Health::new()).await;
    let version = gateway.version().await;
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(2), &json!(false)));
    let instance = &version["instances"][0];
    assert_eq!(fields(instance), ["check", "ejections", "since", "state", "url"]);
    assert_eq!((&instance["url"], &instance["state"]), (&json!(A), &json!("up")));
    let check = &instance["check"];
    assert_eq!(fields(check), ["at", "ok", "status", "tookMs"]);
    assert_eq!((&check["ok"], &check["status"], &check["tookMs"]), (&json!(true), &json!(200), &json!(3)));
    assert_eq!(version["instances"][1]["url"], json!(B));
}

// Time passes between two reads, and the times of a state do not change with it.
#[tokio::test(start_paused = true)]
async fn two_reads_say_the_same_times() {
    let gateway = Observed::new(Health::new()).await;
    gateway.eject_b().await;
    let first = gateway.version().await;
    assert_eq!(fields(&first["instances"][1]), ["check", "ejections", "since", "state", "until", "url"]);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_micros(700));
        assert_eq!(gateway.version().await["instances"], first["instances"]);
    }
    sleep(Duration::from_secs(90)).await;
    let returned = gateway.version().await;
    assert_eq!(returned["instances"][1]["state"], json!("up"));
    assert_ne!(returned["instances"][1]["since"], first["instances"][1]["since"]);
    assert_eq!(returned["instances"][0]["since"], first["instances"][0]["since"]);
}

#[tokio::test(start_paused = true)]
async fn instance_that_fails_its_checks_is_down() {
    let gateway = Observed::new(Health::new()).await;
    gateway.set_sick(B, true).await;
    let version = gateway.version().await;
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(1), &json!(false)));
    assert_eq!(version["instances"][0]["state"], json!("up"));
    let down = &version["instances"][1];
    assert_eq!((&down["state"], &down["check"]["ok"]), (&json!("down"), &json!(false)));
    assert_eq!(down["check"]["status"], json!(503));
    assert_eq!(down["check"]["cause"], json!("it responded 503"));
    gateway.set_sick(A, true).await;
    let version = gateway.version().await;
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(0), &json!(true)));
    gateway.set_sick(A, false).await;
    assert_eq!(gateway.version().await["noneUsable"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn ejected_instance_shows_its_end() {
    let gateway = Observed::new(Health::new()).await;
    gateway.eject_b().await;
    let ejected = gateway.instance(1).await;
    assert_eq!(fields(&ejected), ["check", "ejections", "since", "state", "until", "url"]);
    assert_eq!((&ejected["state"], &ejected["ejections"]), (&json!("ejected"), &json!(1)));
    assert!((26..=34).contains(&seconds_between(&ejected["since"], &ejected["until"])), "{ejected}");
    sleep(Duration::from_secs(40)).await;
    let returned = gateway.instance(1).await;
    assert_eq!((&returned["state"], &returned["trial"]), (&json!("up"), &json!(true)));
    assert_eq!((&returned["ejections"], returned.get("until")), (&json!(1), None));
}

// Nothing checks it, and requests cannot eject it.
#[tokio::test(start_paused = true)]
async fn only_instance_without_checks_is_not_observed() {
    let gateway = Observed::without_versions(Health::new()).await;
    gateway.api.post(VERSIONS, json!({"version": "v1.0", "url": A})).await.is_ok();
    gateway.send(20, &[A]).await;
    let read = gateway.read().await;
    let version = &read.json["versions"][0];
    assert_eq!(version["instances"], json!([{"url": A, "state": "up", "ejections": 0}]));
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(1), &json!(false)));
    assert_eq!(read.headers[ETAG], "\"1\"");
}

#[tokio::test]
async fn gateway_without_health_shows_instances() {
    let api = Api::with_two_versions().await;
    let read = api.get(AUTH).await;
    let version = &read.is_ok()["versions"][1];
    assert_eq!(version["instances"], json!([{"url": B, "state": "up", "ejections": 0}]));
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(1), &json!(false)));
}

// They would cost a lock for each instance of thousands of services, and no tag covers them.
#[tokio::test(start_paused = true)]
async fn other_responses_have_no_health() {
    let gateway = Observed::new(Health::new()).await;
    let list = gateway.api.get("/deployment/services").await;
    let changed = gateway.api.put(V1, json!({"addUrls": ["http://10.0.0.3"]})).await;
    for version in [&list.is_ok()["services"][0]["versions"][0], &changed.is_ok()["versions"][0]] {
        for field in ["instances", "usable", "noneUsable"] {
            assert_eq!(version.get(field), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn state_outlives_changes_of_the_split() {
    fn states(version: &Value) -> Vec<&Value> {
        version["instances"].as_array().unwrap().iter().map(|instance| &instance["state"]).collect()
    }

    let gateway = Observed::new(Health::new()).await;
    gateway.set_sick(B, true).await;
    let body = json!({"version": "v1.1", "url": "http://10.0.0.9"});
    gateway.api.post(VERSIONS, body).await.is_ok();
    let weights = json!({"weights": {"v1.0": 60, "v1.1": 40}});
    gateway.api.put("/deployment/services/auth/weights", weights).await.is_ok();
    gateway.api.put(V1, json!({"addUrls": ["http://10.0.0.3"]})).await.is_ok();
    assert_eq!(states(&gateway.version().await), ["up", "down", "new"]);
    gateway.api.put(V1, json!({"removeUrls": [A]})).await.is_ok();
    assert_eq!(states(&gateway.version().await)[0], "down");
    gateway.api.put(V1, json!({"removeUrls": [B]})).await.is_ok();
    gateway.api.put(&format!("{V1}?force=true"), json!({"addUrls": [B]})).await.is_ok();
    assert_eq!(states(&gateway.version().await)[1], "new", "it was added again");
}

async fn read_if_none_match(gateway: &Observed, tag: &str) -> Answer {
    let mut request = gateway.api.request("GET", AUTH, Body::empty());
    request.headers_mut().insert(IF_NONE_MATCH, tag.parse().unwrap());
    gateway.api.send(request).await
}

#[tokio::test(start_paused = true)]
async fn tag_follows_the_health() {
    let gateway = Observed::new(Health::new()).await;
    let tag = gateway.read().await.headers[ETAG].to_str().unwrap().to_owned();
    assert!(tag.starts_with("\"1-") && tag.len() == 20, "{tag}");
    let known = read_if_none_match(&gateway, &tag).await;
    assert_eq!((known.status.as_u16(), known.headers[ETAG].to_str().unwrap()), (304, &*tag));
    assert_eq!(read_if_none_match(&gateway, "\"1\"").await.status, 200);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(read_if_none_match(&gateway, &tag).await.status, 200, "there was another check");
    let tag = gateway.read().await.headers[ETAG].clone();
    gateway.eject_b().await;
    assert_eq!(read_if_none_match(&gateway, tag.to_str().unwrap()).await.status, 200, "one is ejected");
}

// A change is made for a split, whatever its instances do.
#[tokio::test(start_paused = true)]
async fn change_ignores_the_health_in_a_tag() {
    let gateway = Observed::new(Health::new()).await;
    let tag = gateway.read().await.headers[ETAG].clone();
    gateway.set_sick(B, true).await;
    let write = async || {
        let mut request = gateway.api.request("PUT", V1, Body::from(json!({"urls": [A]}).to_string()));
        request.headers_mut().insert(IF_MATCH, tag.clone());
        gateway.api.send(request).await
    };
    write().await.is_ok();
    write().await.is_problem(412, "generation-conflict");
}

/// Kind, version and URL of each event.
async fn events(gateway: &Observed) -> Value {
    let answer = gateway.api.get(&format!("{AUTH}?events=true")).await;
    let events = answer.is_ok()["events"].as_array().unwrap().iter();
    events.map(|event| json!([event["kind"], event["version"], event["url"]])).collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_one_for_each_transition() {
    let gateway = Observed::new(Health::new()).await;
    let other = json!({"version": "v1", "urls": [A, B], "healthPath": "/up"});
    gateway.api.post("/routing/services/other/versions", other).await.is_ok();
    let up = json!([["up", "v1.0", A], ["up", "v1.0", B]]);
    let mut first = events(&gateway).await;
    first.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(first, up);
    gateway.set_sick(B, true).await;
    gateway.set_sick(A, true).await;
    sleep(Duration::from_secs(60)).await;
    gateway.set_sick(A, false).await;
    let events = events(&gateway).await;
    let kinds: Vec<_> =
        events.as_array().unwrap().iter().rev().skip(2).map(|event| event[0].clone()).collect();
    assert_eq!(kinds, ["down", "down", "none-usable", "up", "some-usable"]);
    assert_eq!(events[2], json!(["none-usable", "v1.0", null]));
}

#[tokio::test(start_paused = true)]
async fn event_has_its_cause() {
    let gateway = Observed::new(Health::new()).await;
    gateway.eject_b().await;
    let answer = gateway.api.get(&format!("{AUTH}?events=true")).await;
    let ejected = &answer.is_ok()["events"][0];
    assert_eq!(fields(ejected), ["at", "cause", "kind", "until", "url", "version"]);
    assert!((26..=34).contains(&seconds_between(&ejected["at"], &ejected["until"])), "{ejected}");
    assert_eq!((&ejected["kind"], &ejected["url"]), (&json!("ejected"), &json!(B)));
    assert!(ejected["cause"].as_str().unwrap().contains("503"), "{ejected}");
    let read: SplitView = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), answer.text);
    assert_eq!(gateway.read().await.json.get("events"), None);
    for query in ["events=yes", "events", "event=true", "events=true&events=true"] {
        gateway.api.get(&format!("{AUTH}?{query}")).await.is_problem(400, "malformed-query");
    }
}
