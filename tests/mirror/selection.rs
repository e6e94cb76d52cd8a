//! Which requests are copied, and how many.

use http::header::{HeaderName, TRAILER, UPGRADE};
use http::{Method, StatusCode};
use tower_canary::layer::Override;
use tower_canary::routing::{Change, Reason, Route};

use crate::mocks::*;

const URLS: [&str; 2] = ["http://stable", "http://canary"];

async fn send_all(percent: &str, count: usize) -> (u64, usize) {
    let handle = publish(&mirrored(&URLS, percent));
    let layer = fixed(&handle).with_mirror(mirror());
    let seen = Seen::default();
    let client = seen.client(|_| StatusCode::OK);
    for _ in 0..count {
        assert_eq!(send(&layer, &client, get("/")).await, Ok(StatusCode::OK));
        settle().await;
    }
    assert_eq!(seen.at("stable").len(), count, "each request is served once");
    assert_eq!(handle.picks("auth", "v1", Reason::Mirror), Some(copies(&handle, "v1").sent()));
    (copies(&handle, "v1").sent(), seen.at("canary").len())
}

#[tokio::test]
async fn share_is_exact_to_one() {
    for (percent, expected) in
        [("0.5", 5), ("1", 10), ("10", 100), ("33.33", 333), ("50", 500), ("100", 1_000)]
    {
        let (sent, arrived) = send_all(percent, 1_000).await;
        assert!(sent.abs_diff(expected) <= 1, "{percent}: {sent}");
        assert_eq!(arrived as u64, sent);
    }
}

// The copies have a draw of their own, so each request gets the version that it gets without a mirror.
#[tokio::test]
async fn copies_change_no_choice() {
    let weights = Change::set_weights([
        ("v0".parse().unwrap(), "70".parse().unwrap()),
        ("v1".parse().unwrap(), "30".parse().unwrap()),
    ]);
    let plain = apply(&split(&["http://stable", "http://other", "http://canary"]), &weights);
    let mirrored = apply(&plain, &Change::set_mirror("v2".parse().unwrap(), "50".parse().unwrap()));
    let mut choices = Vec::new();
    for split in [plain, mirrored] {
        let handle = publish(&split);
        let layer = fixed(&handle).with_mirror(mirror());
        let seen = Seen::default();
        let client = seen.client(|_| StatusCode::OK);
        for i in 0..200 {
            send(&layer, &client, get(&format!("/{i}"))).await.unwrap();
            settle().await;
        }
        let copied = if split.mirror().is_some() { 100_usize } else { 0 };
        assert!(seen.at("canary").len().abs_diff(copied) <= 1);
        choices.push(seen.at("other").into_iter().map(|head| head.uri.path().to_owned()).collect::<Vec<_>>());
    }
    assert!(choices[0].len().abs_diff(60) <= 1);
    assert_eq!(choices[0], choices[1]);
}

/// Sends a request that is changed by `change` while everything is copied. Returns the number of copies.
async fn copies_of(change: impl FnOnce(&mut http::Request<Body>)) -> usize {
    let handle = publish(&mirrored(&URLS, "100"));
    let testers = Override::header(HeaderName::from_static("x-version"), |_| true);
    let layer = fixed(&handle).with_override(testers).with_mirror(mirror());
    let seen = Seen::default();
    let mut request = get("/");
    change(&mut request);
    send(&layer, &seen.client(|_| StatusCode::OK), request).await.unwrap();
    settle().await;
    let sent = copies(&handle, "v1").sent();
    assert_eq!(unsent(&copies(&handle, "v1")), []);
    sent as usize
}

#[tokio::test]
async fn requests_that_change_something_are_not_copied() {
    for (method, expected) in [
        (Method::GET, 1),
        (Method::HEAD, 1),
        (Method::POST, 0),
        (Method::PUT, 0),
        (Method::DELETE, 0),
        (Method::OPTIONS, 0),
        (Method::CONNECT, 0),
    ] {
        let copies = copies_of(|request| *request.method_mut() = method.clone()).await;
        assert_eq!(copies, expected, "{method}");
    }
}

#[tokio::test]
async fn special_requests_are_not_copied() {
    for (name, value) in [
        (HeaderName::from_static("x-canary-mirror"), "1"),
        (HeaderName::from_static("x-canary-mirror"), "anything"),
        (UPGRADE, "websocket"),
        (TRAILER, "x-checksum"),
        (HeaderName::from_static("x-version"), "v0"),
    ] {
        let copies =
            copies_of(|request| _ = request.headers_mut().insert(&name, value.parse().unwrap())).await;
        assert_eq!(copies, 0, "{name}: {value}");
    }
    // An override that is refused leaves a request like others.
    let refused =
        copies_of(|request| _ = request.headers_mut().insert("x-version", "v9".parse().unwrap())).await;
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn requests_of_the_version_itself_are_not_copied() {
    let split =
        apply(&mirrored(&URLS, "100"), &Change::set_weight("v1".parse().unwrap(), "40".parse().unwrap()));
    let handle = publish(&split);
    let layer = fixed(&handle).with_mirror(mirror());
    let seen = Seen::default();
    let client = seen.client(|_| StatusCode::OK);
    for _ in 0..100 {
        send(&layer, &client, get("/")).await.unwrap();
        settle().await;
    }
    let own = handle.picks("auth", "v1", Reason::Draw).unwrap();
    assert!(own.abs_diff(40) <= 1, "{own}");
    assert_eq!(copies(&handle, "v1").sent(), 100 - own);
    assert_eq!(seen.at("canary").len(), 100);
}

#[tokio::test]
async fn mirror_follows_the_split() {
    let plain = split(&URLS);
    let handle = publish(&plain);
    let layer = fixed(&handle).with_mirror(mirror());
    let seen = Seen::default();
    let client = seen.client(|_| StatusCode::OK);
    let on = apply(&plain, &Change::set_mirror("v1".parse().unwrap(), "100".parse().unwrap()));
    let off = apply(&on, &Change::remove_mirror());
    for (split, expected) in [(&plain, 0), (&on, 1), (&off, 1)] {
        let _ = handle.publish(Route::compile(split.clone()));
        send(&layer, &client, get("/")).await.unwrap();
        settle().await;
        assert_eq!(seen.at("canary").len(), expected);
    }
}

// A request that its own version refuses is no original: nothing was sent that a copy could be compared with.
#[tokio::test]
async fn refused_request_is_not_copied() {
    let handle = publish(&mirrored(&["http://stable/base", "http://canary"], "100"));
    let layer = fixed(&handle).with_mirror(mirror());
    let seen = Seen::default();
    let client = seen.client(|_| StatusCode::OK);
    assert_eq!(send(&layer, &client, get("/a/../b")).await, Ok(StatusCode::BAD_REQUEST));
    settle().await;
    assert_eq!((seen.at("canary").len(), copies(&handle, "v1").is_empty()), (0, true));

    let handle = publish(&mirrored(&["http://stable", "http://canary/base"], "100"));
    let layer = fixed(&handle).with_mirror(mirror());
    assert_eq!(send(&layer, &client, get("/a/../b")).await, Ok(StatusCode::OK));
    settle().await;
    assert_eq!(unsent(&copies(&handle, "v1")), [(tower_canary::traffic::Unsent::Refused, 1)]);
}
