//! Versions for requests that the application sends by itself.

use http::StatusCode;
use http::header::HeaderName;
use tower_canary::handle::ChooseError;
use tower_canary::layer::{Affinity, VersionChoice};
use tower_canary::routing::{Change, Reason, Route, RoutingTable};
use tower_canary::traffic::{Activity, Outcome};
use tower_canary::{Draw, RoutingHandle};

use tower::{Layer, ServiceExt};

use crate::support::*;

fn total(handle: &RoutingHandle, version: usize) -> Activity {
    handle.traffic("auth").unwrap().versions[version].total.clone()
}

#[tokio::test]
async fn the_draw_is_the_one_of_the_layer() {
    fn picks(handle: &RoutingHandle) -> u64 {
        handle.picks("auth", "v1", Reason::Draw).unwrap()
    }

    let versions = [("http://h", 70.0), ("http://i", 30.0)];
    let chosen = auth(&versions);
    let layered = auth(&versions);
    assert_eq!(chosen.draw(), Draw::Seeded(1));
    let layer = fixed(&layered);
    for _ in 0..200 {
        let sent = sent(&layer, get("/")).await.unwrap();
        let choice = chosen.choose("auth", None).unwrap();
        assert_eq!(choice.backend().authority().host(), sent.uri().host().unwrap());
        assert_eq!((choice.reason(), choice.generation()), (Reason::Draw, 3));
    }
    assert_eq!(picks(&chosen), picks(&layered));
    assert!((59..=61).contains(&picks(&chosen)));
}

#[tokio::test]
async fn a_key_gets_the_version_it_gets_from_the_layer() {
    let handle = auth(&[("http://h", 50.0), ("http://i", 50.0)]);
    let user = HeaderName::from_static("x-user");
    let layer = fixed(&handle).with_affinity(Affinity::header(user.clone())).with_choice().layer(Echo);
    for i in 0..100 {
        let key = format!("user-{i}");
        let request = http::Request::get("/").header(&user, &key).body(()).unwrap();
        let response = layer.clone().oneshot(request).await.unwrap();
        let expected = response.extensions().get::<VersionChoice>().unwrap();
        let chosen = handle.choose("auth", Some(key.as_bytes())).unwrap();
        assert_eq!((chosen.version(), chosen.reason()), (&expected.version, Reason::Key));
    }
    assert_eq!(handle.choose("auth", Some(b"")).unwrap().reason(), Reason::Draw);
}

#[test]
fn a_chosen_version_drains_when_its_guard_ends() {
    let handle = auth(&[("http://h", 100.0), ("http://i", 0.0)]);
    let chosen = handle.choose("auth", None).unwrap();
    let split = handle.route("auth").unwrap().split().clone();
    let at = std::time::SystemTime::UNIX_EPOCH;
    let switched = split.apply(&Change::switch("v1".parse().unwrap()), at).unwrap();
    assert!(handle.publish(Route::compile(switched)));
    assert!(!handle.is_drained("auth", "v0"));
    handle.replace(&RoutingTable::default());
    assert_eq!(handle.in_flight("auth", "v0"), 1);
    chosen.finish(Outcome::Success);
    assert_eq!(handle.in_flight("auth", "v0"), 0);
}

#[test]
fn each_end_of_a_chosen_version_is_counted() {
    let handle = auth(&[("http://h", 100.0)]);
    let choose = || handle.choose("auth", None).unwrap();
    drop(choose());
    choose().finish(Outcome::Error);
    choose().finish(Outcome::Success);
    let mut failing = choose();
    failing.record_status(StatusCode::BAD_GATEWAY);
    assert_eq!(handle.in_flight("auth", "v0"), 1);
    drop(failing);
    let mut broken = choose();
    broken.record_status(StatusCode::OK);
    broken.finish(Outcome::Error);
    let mut whole = choose();
    whole.record_status(StatusCode::OK);
    whole.finish(Outcome::Success);

    let total = total(&handle, 0);
    let counted: Vec<_> =
        Outcome::ALL.iter().map(|outcome| (outcome.as_str(), total.outcome(*outcome))).collect();
    let expected = [
        ("1xx", 0),
        ("2xx", 2),
        ("3xx", 0),
        ("4xx", 0),
        ("5xx", 1),
        ("error", 2),
        ("abandoned", 1),
        ("cancelled", 0),
    ];
    assert_eq!(counted, expected);
    // One each for the query without a status and the three statuses.
    assert_eq!((total.latencies.count(), handle.in_flight("auth", "v0")), (4, 0));
}

#[test]
fn without_a_version_the_error_says_why() {
    let handle = auth(&[("http://h", 100.0)]);
    let unknown = ChooseError::UnknownService("orders".into());
    assert_eq!(handle.choose("orders", None).unwrap_err(), unknown);
    let split = handle.route("auth").unwrap().split().clone();
    let gone = Change::force_deactivate("v0".parse().unwrap());
    let inactive = split.apply(&gone, std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(handle.publish(Route::compile(inactive)));
    let error = handle.choose("auth", Some(b"alice")).unwrap_err();
    assert_eq!(error, ChooseError::NoActiveVersion("auth".parse().unwrap()));
    assert_eq!(handle.traffic("auth").unwrap().unserved, 1);
    handle.replace(&RoutingTable::default());
    assert_eq!(handle.choose("auth", None).unwrap_err(), ChooseError::UnknownService("auth".into()));
    assert_eq!(handle.unknown_service_requests(), 2);
}
