//! Requests of users through the layers of gateways, while a rollout is under way.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use http_body_util::Empty;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::{PinCookie, VersionChoice};
use tower_canary::{Target, WeightedVersionLayer};

use crate::fleet::{Fleet, auth};

const SHORT: &str = r#"{"version": "v1.1", "steps": [10, 50], "hold": "1m", "bake": {"hold": "1m"}}"#;

/// A user with the cookie that pins them.
#[derive(Debug, Default)]
struct User {
    cookie: Option<String>,
}

impl User {
    /// Sends a request. Returns the version that responds.
    async fn visit(&mut self, layer: &WeightedVersionLayer) -> String {
        let mut request = Request::new(());
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        }
        let backend = service_fn(|_: Request<()>| {
            ready(Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new())))
        });
        let response = layer.layer(backend).oneshot(request).await.unwrap();
        if let Some(set) = response.headers().get(SET_COOKIE) {
            self.cookie = Some(set.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        response.extensions().get::<VersionChoice>().unwrap().version.to_string()
    }

    /// Sends first requests until one is chosen for the canary.
    async fn of_canary(layer: &WeightedVersionLayer) -> Self {
        for _ in 0..100 {
            let mut user = Self::default();
            if user.visit(layer).await == "v1.1" {
                return user;
            }
        }
        panic!("one request in ten goes to the canary");
    }
}

#[tokio::test(start_paused = true)]
async fn pinned_users_stay_until_the_way_back() {
    let fleet = Fleet::start(&[auth()]).await;
    let layers: Vec<_> = fleet
        .gateways
        .iter()
        .map(|gateway| {
            let layer = WeightedVersionLayer::new(gateway.deployments.handle(), Target::service(auth()));
            layer.with_pin(PinCookie::new(&[7; 32]).unwrap()).with_choice()
        })
        .collect();
    let id = fleet.begin(SHORT).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 60).await;
    sleep(Duration::from_secs(2)).await;
    let mut user = User::of_canary(&layers[2]).await;
    fleet.wait_for(&id, "holding", 2, 600).await;
    for _ in 0..20 {
        assert_eq!(user.visit(&layers[2]).await, "v1.1");
    }
    fleet.fail(&auth(), 1_000);
    assert_eq!(fleet.wait_over(&id, 120).await, "rolled-back");
    assert_eq!(user.visit(&layers[2]).await, "v1.0", "the pin has ended");
}

/// Sends a request of a user. Nothing listens at the canary if it `is_gone`. Returns whether there is a response.
async fn send(layer: &WeightedVersionLayer, is_gone: &AtomicBool) -> bool {
    let backend = service_fn(|request: Request<()>| {
        let is_canary = request.extensions().get::<VersionChoice>().unwrap().version.as_str() == "v1.1";
        let is_refused = is_canary && is_gone.load(Ordering::Relaxed);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        ready(if is_refused { Err(refused) } else { Ok(Response::new(Empty::<bytes::Bytes>::new())) })
    });
    layer.layer(backend).oneshot(Request::new(())).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn canary_whose_backends_are_gone_is_taken_back() {
    let fleet = Fleet::start(&[auth()]).await;
    fleet.traffic.stop();
    let handle = fleet.gateways[2].deployments.handle();
    let layer = WeightedVersionLayer::new(handle, Target::service(auth())).with_choice();
    let is_gone = Arc::new(AtomicBool::new(false));
    let (users, gone) = (layer.clone(), Arc::clone(&is_gone));
    let users = tokio::spawn(async move {
        loop {
            send(&users, &gone).await;
            sleep(Duration::from_millis(10)).await;
        }
    });
    let id = fleet.begin(SHORT).await.stored.id;
    fleet.wait_for(&id, "holding", 1, 60).await;
    sleep(Duration::from_secs(30)).await;
    is_gone.store(true, Ordering::Relaxed);
    assert_eq!(fleet.wait_over(&id, 120).await, "rolled-back");
    users.abort();
    let why = fleet.read(&id).await.stored.why.unwrap();
    assert!(why.starts_with("failed: "), "{why}");
    for _ in 0..100 {
        assert!(send(&layer, &is_gone).await, "only the canary is gone");
    }
}
