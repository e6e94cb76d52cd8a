//! Probes over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower::service_fn;
use tower_canary::Deployments;
use tower_canary::deployments::{DeployError, Unhealthy, VersionCheck};
use tower_canary::probe::{HttpProbe, UrlPolicy};
use tower_canary::routing::{Change, HealthPath};
use tower_canary::store::{ChangeRequest, Clearance, MemoryStore};

use crate::addresses::ClosedPort;

fn policy() -> UrlPolicy {
    UrlPolicy::new().allow_loopback()
}

async fn probe(probe: &impl VersionCheck, url: &str, path: Option<&str>) -> Result<u16, Unhealthy> {
    let path: Option<HealthPath> = path.map(|path| path.parse().unwrap());
    probe.probe(&url.parse().unwrap(), path.as_ref()).await.map(|healthy| healthy.unwrap().status)
}

/// Serves statuses at `/base/<status>` and a redirect, and counts the requests to its target.
async fn backend() -> (String, Arc<AtomicUsize>) {
    async fn status(axum::extract::Path(status): axum::extract::Path<u16>) -> (StatusCode, &'static str) {
        (StatusCode::from_u16(status).unwrap(), "secret body")
    }

    let followed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&followed);
    let app = Router::new()
        .route("/base/{status}", get(status))
        .route("/base/away", get(async || Redirect::temporary("/base/target")))
        .route("/base/target", get(async move || _ = count.fetch_add(1, Ordering::SeqCst)))
        .route("/base/slow", get(async || tokio::time::sleep(Duration::from_secs(60)).await));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, followed)
}

#[tokio::test]
async fn health_path_requires_2xx() {
    let (url, _) = backend().await;
    let http = HttpProbe::new(policy());
    for status in [200, 204, 299] {
        assert_eq!(probe(&http, &url, Some(&format!("/{status}"))).await, Ok(status));
    }
    for status in [304, 404, 401, 500, 503] {
        let seen = probe(&http, &url, Some(&format!("/{status}"))).await;
        assert_eq!(seen, Err(Unhealthy::Status(status)));
    }
}

#[tokio::test]
async fn base_url_probe_accepts_below_500() {
    let (url, _) = backend().await;
    let http = HttpProbe::new(policy());
    for (at, seen) in [("404", Ok(404)), ("200", Ok(200)), ("500", Err(Unhealthy::Status(500)))] {
        assert_eq!(probe(&http, &format!("{url}{at}"), None).await, seen);
    }
    assert_eq!(probe(&http, &url, None).await, Ok(404));
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let (url, followed) = backend().await;
    let http = HttpProbe::new(policy());
    assert_eq!(probe(&http, &url, Some("/away")).await, Err(Unhealthy::Status(307)));
    assert_eq!(probe(&http, &format!("{url}away"), None).await, Ok(307));
    assert_eq!(followed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn timeout_covers_the_whole_probe() {
    let (url, _) = backend().await;
    let limit = Duration::from_millis(50);
    let http = HttpProbe::new(policy()).with_timeout(limit);
    let asked = Instant::now();
    assert_eq!(probe(&http, &url, Some("/slow")).await, Err(Unhealthy::TimedOut(limit)));
    // Accepts connections and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    assert_eq!(probe(&http, &url, None).await, Err(Unhealthy::TimedOut(limit)));
    assert!(asked.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn causes_are_short_and_leak_nothing() {
    let gone = ClosedPort::new();
    let http = HttpProbe::new(policy());
    let cause = async |url: &str| match probe(&http, url, None).await {
        Err(Unhealthy::Unreachable(cause)) => cause,
        other => panic!("{url}: {other:?}"),
    };
    assert_eq!(cause(&gone.url()).await, "connection refused");
    assert_eq!(cause("http://no-such-host.invalid").await, "no such host");
    assert_eq!(cause("https://127.0.0.1:1").await, "it is https, and this gateway has no TLS for backends");
    let allowed = probe(&HttpProbe::new(policy().allow_https()), "https://127.0.0.1:1", None).await;
    let unsupported = "the probe of this gateway does not support https";
    assert_eq!(allowed, Err(Unhealthy::Unreachable(unsupported.to_owned())));

    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", rude.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = rude.accept().await.unwrap();
        stream.write_all(b"220 secret banner\r\n\r\n").await.unwrap();
    });
    assert_eq!(cause(&url).await, "it gave no response in HTTP");
}

// This also applies to a version that is registered already.
#[tokio::test]
async fn denied_url_is_not_probed() {
    let (url, _) = backend().await;
    let strict = HttpProbe::new(UrlPolicy::new());
    assert!(matches!(probe(&strict, &url, Some("/200")).await, Err(Unhealthy::Unreachable(_))));
    let client = service_fn(|_: Request<_>| async {
        panic!("asked anyway");
        #[expect(unreachable_code, reason = "it says what the client would answer")]
        Ok::<_, std::convert::Infallible>(Response::new(()))
    });
    let own = HttpProbe::with_client(UrlPolicy::new(), client);
    for url in ["http://169.254.169.254", "http://[::ffff:a9fe:a9fe]", "https://metadata.google.internal"] {
        assert!(matches!(probe(&own, url, None).await, Err(Unhealthy::Unreachable(_))), "{url}");
    }
}

#[tokio::test]
async fn custom_client_probes_https() {
    let client = service_fn(|request: Request<http_body_util::Empty<bytes::Bytes>>| async move {
        assert_eq!(request.uri().to_string(), "https://10.0.0.1:8443/api/healthz");
        Ok::<_, std::convert::Infallible>(Response::new(()))
    });
    let own = HttpProbe::with_client(UrlPolicy::new().allow_https(), client);
    assert_eq!(probe(&own, "https://10.0.0.1:8443/api/", Some("/healthz")).await, Ok(200));
}

#[tokio::test]
async fn switch_needs_a_healthy_version() {
    fn switch(name: &str) -> Change {
        Change::switch(name.parse().unwrap())
    }

    let (url, _) = backend().await;
    let deployments = Deployments::start(MemoryStore::new(), HttpProbe::new(policy())).await.unwrap();
    let service = "auth".parse().unwrap();
    let apply = async |change: Change| {
        let mut request = ChangeRequest::new(change, "alice");
        request.clearance = Clearance::Only(Vec::new());
        deployments.apply(&service, request).await
    };
    for (name, url) in [("v1", url.clone()), ("v2", format!("{url}500")), ("v3", format!("{url}200"))] {
        apply(Change::register(name.parse().unwrap(), url.parse().unwrap())).await.unwrap();
    }
    let refused = apply(switch("v2")).await.unwrap_err();
    let DeployError::Unhealthy { causes, .. } = &refused else { panic!("{refused}") };
    assert!(matches!(causes[..], [(_, Unhealthy::Status(500))]), "{refused}");
    apply(switch("v3")).await.unwrap();
}

/// Accepts one connection, responds to its request, and reads until it is closed. Returns the request.
async fn record(listener: TcpListener, response: &'static [u8]) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ends early");
    }
    stream.write_all(response).await.unwrap();
    // A reset is an end as well: the body was not read.
    let closed = timeout(Duration::from_secs(20), stream.read(&mut [0])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    String::from_utf8(request).unwrap()
}

#[tokio::test]
async fn probe_closes_its_connection() {
    let responses: [&[u8]; 3] =
        [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\npart", b"HTTP/1.0 204 \r\n\r\n"];
    for response in responses {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let recorded = tokio::spawn(record(listener, response));
        let http = HttpProbe::new(policy()).with_timeout(Duration::from_secs(1));
        let probed = probe(&http, &format!("http://{host}/base"), Some("/healthz?full=1")).await;
        assert_eq!(probed.is_ok(), !response.is_empty(), "{probed:?}");
        let request = recorded.await.unwrap().to_lowercase();
        assert!(request.starts_with("get /base/healthz?full=1 http/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nhost: {host}\r\n")), "{request}");
        assert!(request.contains("\r\nuser-agent: tower-canary/"), "{request}");
    }
}
