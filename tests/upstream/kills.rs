//! Every request resolves, whenever its backend is killed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::frames::Frames;
use crate::support::{AnyBody, AnyClient, Backend, Connection, client, empty, expect_ok, full, send};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(10);

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a request and reads its response, with any result.
async fn resolve(client: &AnyClient, request: http::Request<AnyBody>) -> bool {
    match send(client, request).await {
        Ok(response) => {
            timeout(Duration::from_secs(10), response.into_body().collect()).await.unwrap().is_ok()
        }
        Err(_) => false,
    }
}

/// Reads `read` bytes, writes `written` bytes of a response, and ends.
async fn die(mut connection: Connection, read: usize, written: usize, by_reset: bool) {
    let mut request = vec![0; read];
    // Not every request has that many bytes.
    let reading = timeout(Duration::from_millis(20), connection.stream.read_exact(&mut request));
    if matches!(reading.await, Ok(Ok(_))) {
        let _ = connection.stream.write_all(&RESPONSE[..written]).await;
    }
    if by_reset {
        connection.reset();
    }
}

#[tokio::test]
async fn http1_resolves_at_every_byte() {
    let client = client();
    for by_reset in [false, true] {
        for read in 0..30 {
            let backend = Backend::start(move |connection, _| die(connection, read, 0, by_reset)).await;
            assert!(!resolve(&client, backend.get()).await);
            assert!(!resolve(&client, backend.post(full("body"))).await);
        }
        for written in 0..RESPONSE.len() {
            let backend = Backend::start(move |connection, _| die(connection, 40, written, by_reset)).await;
            assert!(!resolve(&client, backend.get()).await, "{written}");
            assert!(!resolve(&client, backend.post(full("body"))).await, "{written}");
        }
    }
}

#[tokio::test]
async fn http2_resolves_at_every_byte() {
    let client = client();
    for by_reset in [false, true] {
        for read in 0..200 {
            let backend = Backend::start(move |mut connection, _| async move {
                // Settings, so that the client sends its request.
                let _ = connection.stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
                die(connection, read, 0, by_reset).await;
            })
            .await;
            assert!(!resolve(&client, backend.call(full("body"))).await);
        }
    }
}

/// Serves HTTP/1.1 or HTTP/2 for a random number of requests, and dies at a random moment.
async fn die_at_random(mut connection: Connection, _: usize) {
    let life = Duration::from_micros(rand::random_range(0..4_000));
    let serving = async {
        let mut first = [0; 1];
        if !connection.stream.get_ref().peek(&mut first).await.is_ok_and(|count| count == 1) {
            return;
        }
        if &first == b"P" {
            if let Some(frames) = Frames::accept(connection, Some(20)).await {
                frames.serve().await;
            }
            return;
        }
        while connection.head().await.is_some() {
            connection.ok("").await;
        }
    };
    let _ = timeout(life, serving).await;
}

/// The threads of the runtime make the client send while hyper's end of a connection is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_under_kills() {
    let backend = Backend::start(die_at_random).await;
    let client = client();
    let workers = (0..16).map(|worker| {
        let client = client.clone();
        let requests: Vec<_> = (0..100)
            .map(|i| match (worker + i) % 3 {
                0 => backend.call(empty()),
                1 => backend.call(full("body")),
                _ => backend.get(),
            })
            .collect();
        tokio::spawn(async move {
            for request in requests {
                resolve(&client, request).await;
            }
        })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    drop(backend);
    wait_until(LIMIT, "nothing is in use", async || client.connections()[0].in_use == 0).await;
}

/// The requests that arrived, other than safe ones, the connections that have ended, and whether connections live.
#[derive(Default)]
struct Arrivals {
    posts: Mutex<Vec<String>>,
    ended: AtomicUsize,
    is_healthy: AtomicBool,
}

impl Arrivals {
    fn record(&self, post: String) {
        self.posts.lock().unwrap().push(post);
    }

    fn count(&self) -> usize {
        self.posts.lock().unwrap().iter().filter(|post| !post.is_empty()).count()
    }

    /// Serves HTTP/1.1 or HTTP/2, and dies at a random moment unless it is healthy.
    async fn serve(self: Arc<Self>, mut connection: Connection) {
        let is_healthy = self.is_healthy.load(Ordering::SeqCst);
        let serving = async {
            // `P` alone may be the begin of `POST`.
            let mut first = [0; 3];
            if !connection.stream.get_ref().peek(&mut first).await.is_ok_and(|count| count == 3) {
                return;
            }
            if &first == b"PRI" {
                let Some(mut frames) = Frames::accept(connection, Some(2)).await else { return };
                while let Some((stream, body)) = frames.request().await {
                    self.record(String::from_utf8(body).unwrap());
                    frames.ok(stream).await;
                }
                return;
            }
            while let Some(head) = connection.head().await {
                if head.starts_with("post") {
                    self.record(head.lines().next().unwrap().to_owned());
                }
                connection.ok("").await;
            }
        };
        let life = Duration::from_micros(rand::random_range(0..8_000));
        let _ = timeout(if is_healthy { Duration::MAX } else { life }, serving).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// The requests of a client, each with a name of its own.
fn requests(backend: &Backend, round: usize, worker: usize) -> Vec<http::Request<AnyBody>> {
    let request = |i: usize| match (worker + i) % 3 {
        0 => backend.call(full(format!("{round}-{worker}-{i}"))),
        1 => backend.request(Method::POST, &format!("/{round}-{worker}-{i}")),
        _ => backend.get(),
    };
    (0..60).map(request).collect()
}

/// Sends requests, and gives each up at a random moment.
async fn give_up(client: AnyClient, requests: Vec<http::Request<AnyBody>>) {
    for request in requests {
        let patience = Duration::from_micros(rand::random_range(0..10_000));
        let _ = timeout(patience, resolve(&client, request)).await;
    }
}

/// Few places, both protocols, dying connections, and clients that give up: no place is lost, and no POST is sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_place_is_lost_and_no_post_repeated() {
    let arrivals = Arc::new(Arrivals::default());
    let serving = Arc::clone(&arrivals);
    let backend = Backend::start(move |connection, _| Arc::clone(&serving).serve(connection)).await;
    let client = client().with_max_connections(3).with_connect_timeout(Duration::from_secs(1));
    // On a slow machine most clients give up before their requests arrive.
    let mut round = 0;
    while round == 0 || arrivals.count() <= 100 {
        assert!(round < 100, "{} requests arrive", arrivals.count());
        let workers =
            (0..24).map(|worker| tokio::spawn(give_up(client.clone(), requests(&backend, round, worker))));
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        round += 1;
    }
    wait_until(LIMIT, "the connections have ended", async || {
        client.connections()[0].open == 0 && arrivals.ended.load(Ordering::SeqCst) == backend.connections()
    })
    .await;
    arrivals.is_healthy.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        expect_ok(&client, backend.get()).await;
        expect_ok(&client, backend.call(empty())).await;
    }
    let mut posts: Vec<_> =
        arrivals.posts.lock().unwrap().iter().filter(|post| !post.is_empty()).cloned().collect();
    posts.sort();
    let unique = posts.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(posts.len(), unique, "{posts:?}");
}
