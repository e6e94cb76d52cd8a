//! Streams of events about rollouts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::HeaderValue;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;
use tower_canary::api::{RolloutDetails, RolloutList};

use crate::rollout_support::{CURRENT, ROLLOUTS, driven, kinds, plan};
use crate::support::Api;

/// Opens a stream.
async fn events(api: &Api, path: &str) -> Body {
    let mut request = api.request("GET", path, Body::empty());
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let response = api.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    response.into_body()
}

/// The data of the next event, which has this name. `None`: the stream has ended.
async fn next(body: &mut Body, name: &str) -> Option<Value> {
    let frame = body.frame().await?.unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    let data = text.strip_prefix(&format!("event: {name}\ndata: ")).unwrap();
    Some(serde_json::from_str(data.trim_end()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn events_come_every_2_s_in_their_order_until_it_is_over() {
    let api = driven().await;
    api.send_users(false);
    api.roll_out(plan()).await;
    let mut body = events(&api, CURRENT).await;
    let start = Instant::now();
    let mut seen: Vec<Value> = Vec::new();
    let mut last_at = Duration::ZERO;
    while let Some(event) = next(&mut body, "rollout").await {
        if seen.len() == 60 {
            api.order("promote", json!({})).await.is_ok();
        }
        if seen.len() == 80 {
            api.order("abort", json!({})).await.is_ok();
        }
        seen.push(event);
        last_at = start.elapsed();
    }
    let last = seen.last().unwrap();
    assert_eq!((seen.len(), &last["phase"], &last["outcome"]), (82, &json!("over"), &json!("aborted")));
    assert_eq!(last_at.as_secs(), 2 * 81);
    let steps: Vec<u64> = seen.iter().map(|event| event["step"].as_u64().unwrap()).collect();
    assert!(steps.is_sorted(), "{steps:?}");
    for two in seen.windows(2) {
        let earlier = kinds(&two[0]);
        let later = kinds(&two[1]);
        assert!(later.starts_with(&earlier), "events are added at the end: {earlier:?}, {later:?}");
        assert!(two[0]["at"].as_str() <= two[1]["at"].as_str());
    }
    serde_json::from_value::<RolloutDetails>(last.clone()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn stream_ends_after_five_minutes() {
    let api = driven().await;
    api.roll_out(plan()).await;
    let mut body = events(&api, CURRENT).await;
    let mut received = 0;
    while next(&mut body, "rollout").await.is_some() {
        received += 1;
    }
    assert!((150..=151).contains(&received), "{received}");
}

#[tokio::test(start_paused = true)]
async fn stream_keeps_to_its_rollout() {
    let api = driven().await;
    let first = api.roll_out(plan()).await;
    let mut body = events(&api, CURRENT).await;
    next(&mut body, "rollout").await.unwrap();
    api.order("abort", json!({})).await.is_ok();
    let second = api.roll_out(plan()).await;
    let last = next(&mut body, "rollout").await.unwrap();
    assert_eq!((&last["id"], &last["phase"]), (&json!(first), &json!("over")));
    assert!(next(&mut body, "rollout").await.is_none());
    let mut over = events(&api, &format!("{ROLLOUTS}/{first}")).await;
    assert_eq!(next(&mut over, "rollout").await.unwrap()["id"], json!(first));
    assert!(next(&mut over, "rollout").await.is_none(), "one event of a rollout that is over");
    assert_eq!(api.get(CURRENT).await.json["id"], json!(second));
}

#[tokio::test(start_paused = true)]
async fn stream_outlives_an_outage_of_the_store() {
    let api = driven().await;
    api.roll_out(plan()).await;
    let mut body = events(&api, CURRENT).await;
    next(&mut body, "rollout").await.unwrap();
    api.store.down.store(true, Ordering::SeqCst);
    assert!(timeout(Duration::from_secs(60), next(&mut body, "rollout")).await.is_err(), "silence");
    api.store.down.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut body, "rollout").await.unwrap()["service"], "auth");
}

#[tokio::test(start_paused = true)]
async fn unknown_rollout_is_a_problem_and_no_stream() {
    let api = driven().await;
    let mut request = api.request("GET", CURRENT, Body::empty());
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    api.send(request).await.is_problem(404, "unknown-rollout");
}

#[tokio::test(start_paused = true)]
async fn live_rollouts_have_a_stream() {
    let api = driven().await;
    let mut body = events(&api, "/deployment/rollouts").await;
    assert_eq!(next(&mut body, "rollouts").await.unwrap()["rollouts"], json!([]));
    let id = api.roll_out(plan()).await;
    let list = next(&mut body, "rollouts").await.unwrap();
    assert_eq!(list["rollouts"][0]["id"], json!(id));
    serde_json::from_value::<RolloutList>(list).unwrap();
    api.order("abort", json!({})).await.is_ok();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(next(&mut body, "rollouts").await.unwrap()["rollouts"], json!([]));
}
