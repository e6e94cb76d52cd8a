//! Tasks end with their client, and dropped requests give back what they had.

use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt;
use hyper::rt::Executor;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tower_canary::probe::UrlPolicy;
use tower_canary::upstream::{Client, Task};

use crate::frames::{END_STREAM, Frames};
use crate::support::{AnyClient, Backend, counting_client, empty, expect_ok, fetch, send};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(10);

/// HTTP/1.1 and HTTP/2, by the first byte. `/slow` gets no end of its response, and `/never` no response.
async fn both() -> Backend {
    Backend::start(|mut connection, _| async move {
        let mut first = [0; 1];
        if !connection.stream.get_ref().peek(&mut first).await.is_ok_and(|count| count == 1) {
            return;
        }
        if &first == b"P" {
            let Some(mut frames) = Frames::accept(connection, Some(10)).await else { return };
            while let Some(frame) = frames.read().await {
                // Requests without a body are echoed at once, and those with a body not at all.
                if frame.kind == crate::frames::HEADERS && frame.flags & END_STREAM != 0 {
                    frames.ok(frame.stream).await;
                }
            }
            return;
        }
        while let Some(head) = connection.head().await {
            if head.contains("/slow") {
                connection.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok").await;
                sleep(Duration::from_millis(300)).await;
                connection.write("ok").await;
            } else if head.contains("/never") {
                return connection.closed().await;
            } else {
                connection.ok("").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn tasks_end_with_the_client() {
    let backend = both().await;
    let (client, tasks) = counting_client();
    let client = client.with_idle_timeout(Duration::from_secs(60));
    join_all((0..5).map(|_| expect_ok(&client, backend.get()))).await;
    expect_ok(&client, backend.call(empty())).await;
    assert!(tasks.running() >= 2);
    let clone = client.clone();
    drop(client);
    sleep(Duration::from_millis(50)).await;
    assert!(tasks.running() >= 2, "a clone is left");
    drop(clone);
    wait_until(LIMIT, "no task is left", async || tasks.running() == 0).await;
}

#[tokio::test]
async fn responses_outlive_the_client() {
    let backend = both().await;
    let (client, tasks) = counting_client();
    let response = send(&client, backend.request(Method::GET, "/slow")).await.unwrap();
    let future = client.clone().oneshot(backend.get());
    drop(client);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "okok");
    timeout(LIMIT, future).await.unwrap().unwrap();
    wait_until(LIMIT, "no task is left", async || tasks.running() == 0).await;
}

#[tokio::test]
async fn idle_connections_end_in_time() {
    let backend = both().await;
    let (client, tasks) = counting_client();
    let client = client.with_idle_timeout(Duration::from_secs(2));
    expect_ok(&client, backend.get()).await;
    expect_ok(&client, backend.call(empty())).await;
    assert_eq!(tasks.running(), 2);
    wait_until(LIMIT, "closed", async || tasks.running() == 0).await;
    let figures = client.connections();
    assert_eq!((figures[0].open, figures[0].idle), (0, 0));
}

#[tokio::test]
async fn dropped_responses_end_their_connections() {
    let backend = both().await;
    let (client, tasks) = counting_client();
    for _ in 0..10 {
        let request = backend.request(Method::GET, "/never");
        assert!(timeout(Duration::from_millis(10), client.clone().oneshot(request)).await.is_err());
    }
    wait_until(LIMIT, "closed", async || tasks.running() == 0 && client.connections()[0].open == 0).await;
}

/// Drops requests at random moments, with so few connections that most of them wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_requests_lose_no_place() {
    let backend = both().await;
    let (client, _tasks) = counting_client();
    let client = client.with_max_connections(2).with_connect_timeout(Duration::from_secs(5));
    for _ in 0..20 {
        let requests = (0..50).map(|i| {
            let request = if i % 3 == 0 { backend.call(empty()) } else { backend.get() };
            let limit = Duration::from_micros(rand::random_range(0..3_000));
            timeout(limit, fetch(&client, request))
        });
        for result in join_all(requests).await {
            assert!(!matches!(result, Ok(Err(_))), "{result:?}");
        }
    }
    wait_until(LIMIT, "nothing is in use", async || client.connections()[0].in_use == 0).await;
    join_all((0..20).map(|_| expect_ok(&client, backend.get()))).await;
    join_all((0..20).map(|_| expect_ok(&client, backend.call(empty())))).await;
    let figures = client.connections();
    assert!(figures[0].open <= 2 && figures[0].streams == 0, "{figures:?}");
}

/// The one that makes the connection is dropped. Others that wait for it make another one.
#[tokio::test]
async fn dropped_connects_pass_on() {
    let backend = Backend::start(|connection, number| async move {
        if number == 0 {
            return pending().await;
        }
        if let Some(frames) = Frames::accept(connection, None).await {
            frames.serve().await;
        }
    })
    .await;
    let (client, _tasks) = counting_client();
    let first = tokio::spawn(client.clone().oneshot(backend.call(empty())));
    wait_until(LIMIT, "connected", async || backend.connections() == 1).await;
    let second = tokio::spawn(client.clone().oneshot(backend.call(empty())));
    sleep(Duration::from_millis(20)).await;
    assert!(!second.is_finished() && backend.connections() == 1);
    first.abort();
    assert!(timeout(LIMIT, second).await.unwrap().unwrap().is_ok());
}

/// An executor that drops every task, as a runtime does at its end.
#[derive(Clone)]
struct Dropping;

impl Executor<Task> for Dropping {
    fn execute(&self, task: Task) {
        drop(task);
    }
}

#[tokio::test]
async fn dropped_tasks_fail_their_requests() {
    let backend = both().await;
    let client: AnyClient = Client::new(UrlPolicy::new().allow_loopback(), Dropping);
    for request in [backend.get(), backend.call(empty())] {
        let error = send(&client, request).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
    assert_eq!(client.connections()[0].open, 0);
}
