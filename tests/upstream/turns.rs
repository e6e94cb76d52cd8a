//! Who polls a connection with HTTP/1.1: the request that uses it, or the task of the connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, poll_fn};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::rt::Executor;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::task::coop;
use tokio::time::timeout;
use tower::ServiceExt;
use tower_canary::probe::UrlPolicy;
use tower_canary::upstream::{Client, Task};

use crate::support::{AnyBody, AnyClient, Backend, client, counting_client, expect_ok, fetch, full, send};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(10);

/// An executor that keeps tasks and does not poll them.
#[derive(Clone, Default)]
struct Keeping(Arc<Mutex<Vec<Task>>>);

impl Executor<Task> for Keeping {
    fn execute(&self, task: Task) {
        self.0.lock().unwrap().push(task);
    }
}

fn keeping_client() -> (AnyClient, Keeping) {
    let keeping = Keeping::default();
    (Client::new(UrlPolicy::new().allow_loopback(), keeping.clone()), keeping)
}

/// A body whose frames come from the returned sender.
fn sent_by_hand() -> (mpsc::Sender<Bytes>, AnyBody) {
    let (sender, mut received) = mpsc::channel(1);
    let frames = poll_fn(move |cx| received.poll_recv(cx)).map(|data| Ok(Frame::data(data)));
    (sender, StreamBody::new(frames).boxed_unsync())
}

#[tokio::test]
async fn requests_need_no_other_task() {
    let backend = Backend::start(|connection, _| connection.serve()).await;
    let (client, _tasks) = keeping_client();
    for _ in 0..20 {
        expect_ok(&client, backend.get()).await;
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn large_response_needs_no_other_task() {
    const SIZE: usize = 1 << 20;
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            connection.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n")).await;
            connection.write(&"x".repeat(SIZE)).await;
        }
    })
    .await;
    let (client, _tasks) = keeping_client();
    for _ in 0..3 {
        assert_eq!(fetch(&client, backend.get()).await.unwrap().1.len(), SIZE);
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn request_fails_when_its_task_is_dropped() {
    let backend = Backend::start(|mut connection, _| async move { connection.closed().await }).await;
    let (client, tasks) = keeping_client();
    let sent = tokio::spawn(client.clone().oneshot(backend.get()));
    wait_until(LIMIT, "connected", async || backend.connections() == 1).await;
    // The request is on its way, and waits for its response.
    tokio::time::sleep(Duration::from_millis(50)).await;
    tasks.0.lock().unwrap().clear();
    timeout(LIMIT, sent).await.unwrap().unwrap().unwrap_err();
}

#[tokio::test]
async fn body_fails_when_its_task_is_dropped() {
    let backend = Backend::start(|mut connection, _| async move {
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok").await;
        connection.closed().await;
    })
    .await;
    let (client, tasks) = keeping_client();
    let response = send(&client, backend.get()).await.unwrap();
    let body = tokio::spawn(response.into_body().collect());
    tokio::time::sleep(Duration::from_millis(50)).await;
    tasks.0.lock().unwrap().clear();
    timeout(LIMIT, body).await.unwrap().unwrap().unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_may_be_read_by_another_task() {
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok").await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            connection.write("ok").await;
        }
    })
    .await;
    let client = client();
    for _ in 0..50 {
        let response = send(&client, backend.get()).await.unwrap();
        let body = tokio::spawn(response.into_body().collect());
        assert_eq!(timeout(LIMIT, body).await.unwrap().unwrap().unwrap().to_bytes(), "okok");
    }
    assert_eq!(backend.connections(), 1);
}

/// The response comes before the end of the request, and the caller does not read its body.
#[tokio::test]
async fn upload_goes_on_while_its_response_is_not_read() {
    let received = Arc::new(Mutex::new(String::new()));
    let record = Arc::clone(&received);
    let backend = Backend::start(move |mut connection, _| {
        let record = Arc::clone(&record);
        async move {
            connection.head().await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
            while !record.lock().unwrap().ends_with("0\r\n\r\n") {
                let mut line = String::new();
                tokio::io::AsyncBufReadExt::read_line(&mut connection.stream, &mut line).await.unwrap();
                record.lock().unwrap().push_str(&line);
            }
            connection.write("ok").await;
        }
    })
    .await;
    let (sender, body) = sent_by_hand();
    let client = client();
    let response = send(&client, backend.post(body)).await.unwrap();
    for _ in 0..100 {
        timeout(LIMIT, sender.send(Bytes::from_static(b"part"))).await.unwrap().unwrap();
    }
    drop(sender);
    wait_until(LIMIT, "sent", async || received.lock().unwrap().matches("part").count() == 100).await;
    let body = timeout(LIMIT, response.into_body().collect()).await.unwrap().unwrap();
    assert_eq!(body.to_bytes(), "ok");
}

#[tokio::test]
async fn connection_closed_while_idle_leaves_the_pool() {
    let backend = Backend::start(|mut connection, _| async move {
        for _ in 0..3 {
            connection.head().await;
            connection.ok("").await;
        }
        // The response has left for long when the end follows.
        tokio::time::sleep(Duration::from_millis(50)).await;
    })
    .await;
    let (client, tasks) = counting_client();
    let client = client.with_idle_timeout(Duration::from_secs(3_600));
    for _ in 0..3 {
        expect_ok(&client, backend.get()).await;
    }
    assert_eq!(client.connections()[0].open, 1);
    wait_until(LIMIT, "closed", async || client.connections()[0].open == 0 && tasks.running() == 0).await;
}

#[tokio::test]
async fn request_with_a_body_needs_no_other_task() {
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            let mut body = [0; 4];
            connection.stream.read_exact(&mut body).await.unwrap();
            connection.ok("").await;
        }
    })
    .await;
    let (client, _tasks) = keeping_client();
    for _ in 0..5 {
        expect_ok(&client, backend.post(full("body"))).await;
    }
    assert_eq!(backend.connections(), 1);
}

/// A task that has used up its budget gets no result from channels of tokio until it is polled again.
#[tokio::test]
async fn response_arrives_though_the_budget_is_used_up() {
    let backend = Backend::start(|mut connection, _| async move {
        while connection.head().await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            connection
                .write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
                .await;
        }
    })
    .await;
    let client = client();
    for spent in 100..=127 {
        let mut sent = std::pin::pin!(client.clone().oneshot(backend.get()));
        let response = std::future::poll_fn(|cx| {
            for _ in 0..spent {
                if let Poll::Ready(budget) = coop::poll_proceed(cx) {
                    budget.made_progress();
                }
            }
            sent.as_mut().poll(cx)
        });
        // Only what woke the task polls it.
        let mut sending = FuturesUnordered::from_iter([response]);
        let response = timeout(LIMIT, sending.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
}

/// hyper has the whole request, and the backend has taken a part of it.
#[tokio::test]
async fn buffered_request_goes_on_while_its_response_is_not_read() {
    const SIZE: usize = 16 << 20;
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    let backend = Backend::start(move |mut connection, _| {
        let count = Arc::clone(&count);
        async move {
            connection.head().await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
            let mut part = vec![0; 64 * 1024];
            while count.load(Ordering::SeqCst) < SIZE {
                let read = connection.stream.read(&mut part).await.unwrap();
                count.fetch_add(read, Ordering::SeqCst);
            }
            connection.write("ok").await;
        }
    })
    .await;
    let client = client();
    let response = send(&client, backend.post(full(vec![0; SIZE]))).await.unwrap();
    wait_until(LIMIT, "sent", async || received.load(Ordering::SeqCst) == SIZE).await;
    let body = timeout(LIMIT, response.into_body().collect()).await.unwrap().unwrap();
    assert_eq!(body.to_bytes(), "ok");
}
