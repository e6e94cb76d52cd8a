//! Connections to a backend that fall silent without a FIN, as behind a NAT whose entry has expired.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use tokio::task::JoinSet;

use crate::harness::{AnyBody, Gateway, HttpClient, client, full, read};
use crate::relay::Relay;
use crate::streams::by_http2;
use crate::versions::start_version;

/// Number of clients that send one request after the other.
const CLIENTS: usize = 8;

/// Number of requests that must succeed after the limit.
const AFTER: usize = 1_000;

/// Tolerance for a busy machine.
const TOLERANCE: Duration = Duration::from_secs(2);

/// How a request is sent to the backend.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Grpc,
}

impl Protocol {
    fn client(self) -> HttpClient {
        match self {
            Self::Http1 => client(),
            Self::Grpc => by_http2(),
        }
    }

    fn request(self, gateway: &Gateway) -> Request<AnyBody> {
        let request = Request::builder().uri(gateway.url("/auth/some.Service/Call"));
        match self {
            Self::Http1 => request.method(Method::GET).body(full("")),
            Self::Grpc => {
                let request = request.method(Method::POST).header("content-type", "application/grpc");
                request.header("te", "trailers").body(full(Bytes::from_static(&[0; 5])))
            }
        }
        .unwrap()
    }

    /// Sends a request, and returns whether it succeeded.
    async fn succeeds(self, client: &HttpClient, gateway: &Gateway) -> bool {
        let response = read(client.request(self.request(gateway)).await.unwrap()).await;
        let is_grpc = matches!(self, Self::Grpc);
        response.status == StatusCode::OK
            && (!is_grpc || response.trailers.get("grpc-status").is_some_and(|s| s == "0"))
    }
}

/// Sends requests until `end`. Returns the number that failed and the end of the last of them.
async fn requests_until(end: Instant, protocol: Protocol, gateway: &Gateway) -> (usize, Option<Instant>) {
    let client = protocol.client();
    let mut failed = 0;
    let mut last = None;
    while Instant::now() < end {
        if !protocol.succeeds(&client, gateway).await {
            failed += 1;
            last = Some(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (failed, last)
}

/// Returns the total of failures of all clients, and the end of the last.
async fn all_until(end: Instant, protocol: Protocol, gateway: &Arc<Gateway>) -> (usize, Option<Instant>) {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let gateway = Arc::clone(gateway);
        clients.spawn(async move { requests_until(end, protocol, &gateway).await });
    }
    let results = clients.join_all().await;
    (results.iter().map(|(failed, _)| failed).sum(), results.iter().filter_map(|(_, last)| *last).max())
}

/// No request fails later than `limit` after the connections have fallen silent.
async fn silence_ends(protocol: Protocol, options: &[&str], limit: Duration) {
    let backend = start_version("v1").await;
    let relay = Relay::to(backend.url.trim_start_matches("http://").parse().unwrap()).await;
    let gateway = Arc::new(Gateway::start(&[&["--no-demo"], options].concat()));
    gateway.register("auth", "v1", &format!("http://{}", relay.address)).await;
    assert_eq!(all_until(Instant::now() + Duration::from_secs(1), protocol, &gateway).await.0, 0);
    relay.silence();
    let silence = Instant::now();
    let (lost, last) = all_until(silence + limit, protocol, &gateway).await;
    let lasted = last.map(|last| last - silence);
    println!("{protocol:?}: {lost} requests were lost, the last {lasted:?} after the silence began");
    assert!((1..=CLIENTS).contains(&lost), "{lost}");
    assert!(lasted <= Some(limit + TOLERANCE), "{lasted:?}");
    let client = protocol.client();
    let mut failed = 0;
    for _ in 0..AFTER {
        failed += usize::from(!protocol.succeeds(&client, &gateway).await);
    }
    println!("{protocol:?}: {failed} of {AFTER} failed afterwards");
    assert_eq!(failed, 0);
}

// The limits of the PING: an interval of 10 s and 10 s for its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn silent_http2_connections_cost_one_ping_limit() {
    silence_ends(Protocol::Grpc, &[], Duration::from_secs(20)).await;
}

// Longer than idle connections are kept, so each client meets one silent connection at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn silent_http1_connections_cost_one_timeout() {
    silence_ends(Protocol::Http1, &["--response-timeout", "10"], Duration::from_secs(10)).await;
}
