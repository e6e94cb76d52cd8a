//! Layers over clients that send nothing.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::mirror::{Mirror, MirrorBody, prepare};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::traffic::{CopyTraffic, Unsent, VersionTraffic};
use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};

pub(crate) type Body = MirrorBody<Empty<Bytes>>;

/// A client of mocks: it responds with an empty body.
pub(crate) type Mock = BoxCloneSyncService<Request<Body>, Response<Full<Bytes>>, &'static str>;

/// The heads of the requests that a mock got, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<request::Parts>>>);

impl Seen {
    /// Returns the heads of the requests to `host`.
    pub(crate) fn at(&self, host: &str) -> Vec<request::Parts> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|head| head.uri.host() == Some(host)).cloned().collect()
    }

    /// A client that records each request and responds with the status that `answer` returns for its host.
    pub(crate) fn client(&self, answer: impl Fn(&str) -> StatusCode + Clone + Send + Sync + 'static) -> Mock {
        let seen = self.clone();
        BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
            let (head, body) = request.into_parts();
            let status = answer(head.uri.host().unwrap());
            seen.0.lock().unwrap().push(head);
            async move {
                body.collect().await.unwrap();
                let mut response = Response::new(Full::default());
                *response.status_mut() = status;
                Ok(response)
            }
        }))
    }
}

pub(crate) fn apply(split: &Split, change: &Change) -> Split {
    split.apply(change, SystemTime::UNIX_EPOCH).unwrap()
}

/// A split of `auth` with `v0` at 100 and the others at 0, each at its URL.
pub(crate) fn split(urls: &[&str]) -> Split {
    let empty = Split::new("auth".parse().unwrap(), 7);
    urls.iter().enumerate().fold(empty, |split, (i, url)| {
        apply(&split, &Change::register(format!("v{i}").parse().unwrap(), url.parse().unwrap()))
    })
}

/// The same with a mirror of `percent` to the last version.
pub(crate) fn mirrored(urls: &[&str], percent: &str) -> Split {
    let last = format!("v{}", urls.len() - 1).parse().unwrap();
    apply(&split(urls), &Change::set_mirror(last, percent.parse().unwrap()))
}

pub(crate) fn publish(split: &Split) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(Draw::Seeded(1));
    assert!(handle.publish(Route::compile(split.clone())));
    handle
}

pub(crate) fn fixed(handle: &RoutingHandle) -> WeightedVersionLayer {
    WeightedVersionLayer::new(handle, Target::service("auth".parse().unwrap()))
}

pub(crate) fn mirror() -> Mirror {
    Mirror::new(TokioExecutor::new())
}

pub(crate) fn get(path: &str) -> Request<Body> {
    prepare(Request::get(path).body(Empty::new()).unwrap())
}

/// Sends `request` and reads the response. Returns its status.
pub(crate) async fn send(
    layer: &WeightedVersionLayer<Mirror>,
    client: &Mock,
    request: Request<Body>,
) -> Result<StatusCode, &'static str> {
    let response = layer.layer(client.clone()).oneshot(request).await?;
    let status = response.status();
    let ended: Result<_, Infallible> = response.into_body().collect().await;
    ended.unwrap();
    Ok(status)
}

/// Lets the copies run that were spawned.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn version(handle: &RoutingHandle, name: &str) -> VersionTraffic {
    let traffic = handle.traffic("auth").unwrap();
    traffic.versions.into_iter().find(|version| version.version.as_str() == name).unwrap()
}

pub(crate) fn copies(handle: &RoutingHandle, name: &str) -> CopyTraffic {
    version(handle, name).copies
}

/// Returns why requests were not copied, with their numbers.
pub(crate) fn unsent(copies: &CopyTraffic) -> Vec<(Unsent, u64)> {
    let all = Unsent::ALL.iter().map(|why| (*why, copies.unsent(*why)));
    all.filter(|(_, count)| *count > 0).collect()
}
