//! Cookies that are no pins of the service: foreign, expired, forged, or no text.

use std::time::Duration;

use http::header::{COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderValue, Request};
use proptest::prelude::*;
use tower::{Layer, ServiceExt};
use tower_canary::WeightedVersionLayer;
use tower_canary::layer::{PinCookie, VersionChoice};
use tower_canary::routing::{Change, Reason};

use crate::pins::{Browser, HALVES, SECRET, pinning, publish};
use crate::support::*;

// Foreign: of another service, or signed with another secret.
#[tokio::test]
async fn foreign_or_expired_pin_is_ignored() {
    let handle = handle(&[split("auth", &HALVES), split("orders", &HALVES)]);
    let layer = pinning(&handle);
    let orders = WeightedVersionLayer::new(&handle, tower_canary::Target::service("orders".parse().unwrap()));
    let orders = orders.with_pin(PinCookie::new(SECRET).unwrap()).with_choice();
    let mut user = Browser::default();
    user.visit(&orders).await;
    let stolen = user.cookies["canary_orders"].clone();
    user.cookies.insert("canary_auth".into(), stolen);
    assert_eq!(user.visit(&layer).await.1, Reason::Draw, "of another service");
    assert_eq!(
        (user.visit(&layer).await.1, user.visit(&orders).await.1),
        (Reason::Pin, Reason::Pin),
        "both are kept"
    );

    let other = fixed(&handle).with_pin(PinCookie::new(&[7; 32]).unwrap()).with_choice();
    assert_eq!(user.visit(&other).await.1, Reason::Draw, "of another secret");

    let brief = PinCookie::new(SECRET).unwrap().with_lifetime(Duration::ZERO);
    let brief = fixed(&handle).with_pin(brief).with_choice();
    let mut user = Browser::default();
    assert!(user.visit(&brief).await.2.unwrap().contains("Max-Age=0"));
    assert_eq!(user.visit(&layer).await.1, Reason::Draw, "expired");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No content of the cookie chooses an inactive version or fails a request.
    #[test]
    fn tampered_pin_is_redrawn(cut in 0..200_usize, at in 0..200_usize, sign in "[ -~]{0,3}", copies in 1..3_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let handle = auth(&[("http://10.0.0.1", 50.0), ("http://10.0.0.2", 50.0), ("http://10.0.0.3", 0.0)]);
            publish(&handle, &Change::deactivate("v2".parse().unwrap()));
            let layer = pinning(&handle);
            let mut user = Browser::default();
            user.visit(&layer).await;
            let good = user.cookies["canary_auth"].clone();
            let mut value = good.clone();
            value.truncate(cut);
            let at = at.min(value.len());
            value.insert_str(at, &sign);
            let request = Request::get("/").header(COOKIE, vec![format!("canary_auth={value}"); copies].join("; "));
            let Ok(request) = request.body(()) else { return };
            let response = layer.layer(Echo).oneshot(request).await.unwrap();
            let choice = response.extensions().get::<VersionChoice>().unwrap();
            assert!(choice.version.as_str() != "v2" && response.status() == 200);
            assert_eq!(choice.reason == Reason::Pin, value.trim() == good || value.starts_with(&format!("{good};")), "{value}");
        });
    }
}

#[tokio::test]
async fn binary_cookie_fails_no_request() {
    let layer = pinning(&auth(&HALVES));
    let bytes = HeaderValue::from_bytes(b"canary_auth=\xff\xfe").unwrap();
    let request =
        Request::get("/").header(COOKIE, bytes).header(HeaderName::from_static("x"), "y").body(()).unwrap();
    let choice = sent(&layer.with_choice(), request).await;
    assert!(
        choice.is_err_and(|response| response.status() == 200 && response.headers().contains_key(SET_COOKIE))
    );
}

#[tokio::test]
async fn pin_works_beside_binary_cookies() {
    let layer = pinning(&auth(&HALVES));
    let mut user = Browser::default();
    let (version, ..) = user.visit(&layer).await;
    let pin = format!("canary_auth={}", user.cookies["canary_auth"]);
    for others in [&b"city=M\xc3\xbcnchen"[..], b"city=M\xfcnchen", b"canary_auth=\xff"] {
        let cookies = [others, b"; ", pin.as_bytes()].concat();
        let cookies = HeaderValue::from_bytes(&cookies).unwrap();
        let sent = sent(&layer, Request::get("/").header(COOKIE, cookies).body(()).unwrap()).await.unwrap();
        let choice = sent.extensions().get::<VersionChoice>().unwrap();
        assert_eq!((choice.reason, choice.version.to_string()), (Reason::Pin, version.clone()));
    }
}

// It is not found behind a whole head of forgeries.
#[tokio::test]
async fn pin_is_found_behind_few_forgeries() {
    let layer = pinning(&auth(&HALVES));
    let mut user = Browser::default();
    user.visit(&layer).await;
    let good = user.cookies["canary_auth"].clone();
    let forged = format!("canary_auth={}; ", "x".repeat(good.len()));
    for (copies, reason) in [(7, Reason::Pin), (1_000, Reason::Draw)] {
        let cookies = format!("{}canary_auth={good}", forged.repeat(copies));
        let request = Request::get("/").header(COOKIE, cookies).body(()).unwrap();
        let response = layer.layer(Echo).oneshot(request).await.unwrap();
        assert_eq!(response.extensions().get::<VersionChoice>().unwrap().reason, reason);
    }
}
