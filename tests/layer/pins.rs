//! Session affinity by a signed cookie.

use std::collections::BTreeMap;
use std::time::SystemTime;

use http::header::{COOKIE, HeaderName, SET_COOKIE};
use tower::{Layer, ServiceExt};
use tower_canary::layer::{Affinity, PinCookie, VersionChoice};
use tower_canary::routing::{Change, Reason, Route};
use tower_canary::{RoutingHandle, VersionName, WeightedVersionLayer};

use crate::support::*;

/// Signs the pins.
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const TENTH: [(&str, f64); 2] = [("http://10.0.0.1", 90.0), ("http://10.0.0.2", 10.0)];
/// Two versions with half of the requests each.
pub(crate) const HALVES: [(&str, f64); 2] = [("http://10.0.0.1", 50.0), ("http://10.0.0.2", 50.0)];

/// Returns a layer that pins users and reports each choice.
pub(crate) fn pinning(handle: &RoutingHandle) -> WeightedVersionLayer {
    fixed(handle).with_pin(PinCookie::new(SECRET).unwrap()).with_choice()
}

/// A user and the cookies of their browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Returns the version that responds, the rule that chose it, and the attributes of the cookie that is set.
    pub(crate) async fn visit(&mut self, layer: &WeightedVersionLayer) -> (String, Reason, Option<String>) {
        let mut request = get("/");
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().insert(COOKIE, pairs.join("; ").parse().unwrap());
        }
        let response = layer.layer(Echo).oneshot(request).await.unwrap();
        let set = response.headers().get(SET_COOKIE).map(|value| value.to_str().unwrap().to_owned());
        if let Some(set) = &set {
            let (name, rest) = set.split_once('=').unwrap();
            self.cookies.insert(name.into(), rest.split(';').next().unwrap().into());
        }
        let choice = response.extensions().get::<VersionChoice>().unwrap().clone();
        (choice.version.to_string(), choice.reason, set)
    }
}

pub(crate) fn publish(handle: &RoutingHandle, change: &Change) {
    let split = handle.route("auth").unwrap().split().apply(change, SystemTime::UNIX_EPOCH).unwrap();
    assert!(handle.publish(Route::compile(split)));
}

fn set_weight(version: &str, percent: &str) -> Change {
    Change::set_weight(version.parse().unwrap(), percent.parse().unwrap())
}

#[tokio::test]
async fn override_then_pin_then_key_then_draw() {
    let handle = auth(&HALVES);
    let ask = HeaderName::from_static("x-version");
    let user = HeaderName::from_static("x-user");
    let drawing = pinning(&handle);
    let layer = drawing
        .clone()
        .with_affinity(Affinity::header(user.clone()))
        .with_override(tower_canary::layer::Override::header(ask.clone(), |_| true));
    let mut browser = Browser::default();
    let pinned = browser.visit(&drawing).await.0;
    let other = if pinned == "v0" { "v1" } else { "v0" };
    let route = handle.route("auth").unwrap();
    let key = (0..100).map(|i| format!("user-{i}"));
    let mut keys = key.filter(|key| route.explain(key.as_bytes()).version.unwrap().name.as_str() == other);
    let key = keys.next().unwrap();
    let (name, value) = browser.cookies.iter().next().unwrap();
    let cookie = (COOKIE, format!("{name}={value}"));
    let user = (user, key);
    let ask = (ask, other.to_owned());
    for (headers, version, reason) in [
        (vec![&cookie, &user, &ask], other, Reason::Override),
        (vec![&cookie, &ask], other, Reason::Override),
        (vec![&user, &ask], other, Reason::Override),
        (vec![&cookie, &user], pinned.as_str(), Reason::Pin),
        (vec![&user], other, Reason::Key),
    ] {
        let mut request = get("/");
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let answer = layer.layer(Echo).oneshot(request).await.unwrap();
        let choice = answer.extensions().get::<VersionChoice>().unwrap();
        assert_eq!((choice.version.as_str(), choice.reason), (version, reason));
        assert!(answer.headers().get(SET_COOKIE).is_none(), "{reason:?} needs no pin");
    }
    let drawn = layer.layer(Echo).oneshot(get("/")).await.unwrap();
    assert_eq!(drawn.extensions().get::<VersionChoice>().unwrap().reason, Reason::Draw);
}

// The cookie is `HttpOnly`, `SameSite=Lax` and `Secure`.
#[tokio::test]
async fn pinned_user_is_drawn_once() {
    let layer = pinning(&auth(&HALVES));
    for _ in 0..20 {
        let mut user = Browser::default();
        let (first, reason, set) = user.visit(&layer).await;
        assert_eq!(reason, Reason::Draw);
        let set = set.unwrap();
        assert!(set.starts_with("canary_auth="), "{set}");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=2592000"] {
            assert!(set.split("; ").any(|part| part == attribute), "{attribute} of {set}");
        }
        for _ in 0..5 {
            assert_eq!(user.visit(&layer).await, (first.clone(), Reason::Pin, None));
        }
    }
}

// 10,000 users, 50 requests each.
#[tokio::test]
async fn pinned_canary_stays_at_10_percent() {
    let handle = auth(&TENTH);
    let layer = pinning(&handle);
    let mut users = vec![Browser::default(); 10_000];
    let mut canary = 0;
    for user in &mut users {
        let (version, ..) = user.visit(&layer).await;
        canary += u32::from(version == "v1");
    }
    println!("first requests: {canary} of 10,000 users");
    assert!(canary.abs_diff(1_000) <= 2, "{canary}");
    // Every hundredth user makes the rest of the 50 requests. One more shows the version of each other user.
    let mut now = 0;
    for (i, user) in users.iter_mut().enumerate() {
        for _ in 0..if i % 100 == 0 { 49 } else { 1 } {
            let (version, reason, _) = user.visit(&layer).await;
            assert_eq!(reason, Reason::Pin);
            now += u32::from(version == "v1" && i % 100 != 0);
        }
    }
    let others = u32::try_from(users.len() / 100).unwrap();
    assert!(now.abs_diff(canary) <= others, "{now} of {canary}");
}

// It lasts also at weight 0.
#[tokio::test]
async fn pin_lasts_until_version_is_inactive() {
    let handle = auth(&HALVES);
    let layer = pinning(&handle);
    let mut users = vec![Browser::default(); 40];
    let mut pinned = Vec::new();
    for user in &mut users {
        pinned.push(user.visit(&layer).await.0);
    }
    publish(&handle, &set_weight("v1", "0"));
    for (user, version) in users.iter_mut().zip(&pinned) {
        assert_eq!(user.visit(&layer).await, (version.clone(), Reason::Pin, None), "draining");
        assert_eq!(Browser::default().visit(&layer).await.0, "v0");
    }
    let version = "v1".parse().unwrap();
    publish(&handle, &Change::deactivate(version));
    for (user, version) in users.iter_mut().zip(&pinned) {
        let (now, reason, set) = user.visit(&layer).await;
        assert_eq!((&*now, set.is_some()), ("v0", reason == Reason::Draw));
        assert_eq!(reason == Reason::Pin, version == "v0");
        assert_eq!(user.visit(&layer).await.1, Reason::Pin, "pinned again");
    }
}

#[tokio::test]
async fn redraw_draws_pinned_users_once() {
    let handle = auth(&HALVES);
    let layer = pinning(&handle);
    let mut user = Browser::default();
    user.visit(&layer).await;
    publish(&handle, &Change::Redraw);
    assert_eq!(user.visit(&layer).await.1, Reason::Draw);
    assert_eq!(user.visit(&layer).await.1, Reason::Pin);
}

// One replica has not loaded the redraw yet.
#[tokio::test]
async fn redraw_happens_once_across_replicas() {
    let [ahead, behind] = [auth(&HALVES), auth(&HALVES)];
    let layers = [pinning(&ahead), pinning(&behind)];
    let mut user = Browser::default();
    user.visit(&layers[0]).await;
    publish(&ahead, &Change::Redraw);
    let (version, reason, _) = user.visit(&layers[0]).await;
    assert_eq!(reason, Reason::Draw);
    for layer in layers.iter().rev().cycle().take(10) {
        assert_eq!(user.visit(layer).await, (version.clone(), Reason::Pin, None));
    }
    publish(&behind, &Change::Redraw);
    assert_eq!(user.visit(&layers[1]).await, (version, Reason::Pin, None));
}

#[tokio::test]
async fn reused_name_invalidates_the_pin() {
    let handle = auth(&[("http://10.0.0.1", 0.0), ("http://10.0.0.2", 100.0)]);
    let layer = pinning(&handle);
    let mut user = Browser::default();
    assert_eq!(user.visit(&layer).await.0, "v1");
    let version: VersionName = "v1".parse().unwrap();
    publish(&handle, &Change::deactivate(version.clone()));
    publish(&handle, &Change::remove(version.clone()));
    publish(&handle, &Change::register(version, "http://10.0.0.3".parse().unwrap()));
    assert_eq!(user.visit(&layer).await.0, "v0");
}

// An earlier pin takes precedence over the key.
#[tokio::test]
async fn keyed_user_gets_no_pin() {
    let handle = auth(&HALVES);
    let layer = pinning(&handle).with_affinity(Affinity::cookie("session"));
    let mut user = Browser::default();
    user.cookies.insert("session".into(), "alice".into());
    let (_, reason, set) = user.visit(&layer).await;
    assert_eq!((reason, set), (Reason::Key, None));

    let route = handle.route("auth").unwrap();
    let mut visitor = Browser::default();
    let (version, ..) = visitor.visit(&layer).await;
    let name = (0..)
        .map(|i| format!("user-{i}"))
        .find(|name| route.explain(name.as_bytes()).version.unwrap().name.to_string() != version)
        .unwrap();
    visitor.cookies.insert("session".into(), name);
    assert_eq!(
        visitor.visit(&layer).await,
        (version, Reason::Pin, None),
        "who logs in stays where they were"
    );
}

// Prefix and `Secure`. `Debug` hides the secret.
#[tokio::test]
async fn pin_cookie_is_configurable() {
    let handle = auth(&HALVES);
    let pin = PinCookie::new(SECRET).unwrap().with_prefix("v").unwrap().allow_http();
    let (_, _, set) = Browser::default().visit(&fixed(&handle).with_pin(pin.clone()).with_choice()).await;
    let set = set.unwrap();
    assert!(set.starts_with("v_auth=") && !set.contains("Secure"), "{set}");
    assert!(!format!("{pin:?}").contains("0123"), "the secret is not shown");
    for prefix in ["a;b", "a=b", "a b", "a\r\nset-cookie: x", "\u{e9}", "\"a\"", "a,b"] {
        assert!(pin.clone().with_prefix(prefix).is_err(), "{prefix:?} would pin nobody, or somebody else");
    }
}

#[tokio::test]
async fn earlier_secret_moves_no_user() {
    let handle = auth(&HALVES);
    let other = [9; 32];
    let mut user = Browser::default();
    let (version, _, set) = user.visit(&pinning(&handle)).await;
    assert!(set.is_some());
    let with = |pin: PinCookie| fixed(&handle).with_pin(pin).with_choice();
    let rotated = PinCookie::new(&other).unwrap().with_earlier_secret(&[8; 32]).unwrap();
    let rotated = with(rotated.with_earlier_secret(SECRET).unwrap());
    for _ in 0..20 {
        assert_eq!(user.visit(&rotated).await, (version.clone(), Reason::Pin, None));
    }
    // A new user gets the new secret, which is then enough.
    let mut later = Browser::default();
    let (version, ..) = later.visit(&rotated).await;
    let alone = with(PinCookie::new(&other).unwrap());
    assert_eq!(later.visit(&alone).await, (version, Reason::Pin, None));
    assert_ne!(user.visit(&alone).await.1, Reason::Pin, "the earlier secret was dropped");
    assert!(PinCookie::new(SECRET).unwrap().with_earlier_secret(b"short").is_err());
}

#[tokio::test]
async fn pin_is_not_sent_to_the_backend() {
    let layer = pinning(&auth(&HALVES));
    let mut user = Browser::default();
    user.visit(&layer).await;
    for pin in [&*user.cookies["canary_auth"], "forged", ""] {
        for (lines, expected) in [
            (&["canary_auth=*"][..], &[][..]),
            (&["a=1; canary_auth=*; canary_orders=x"], &["a=1; canary_orders=x"]),
            (&["canary_auth=*; b=\"2\" ; c"], &["b=\"2\" ; c"]),
            (&["a=1;;b=2 ", "x=1; canary_auth=*", "canary_auth=*"], &["a=1;;b=2", "x=1"]),
        ] {
            let mut request = get("/");
            for line in lines {
                let line = line.replace('*', pin);
                request.headers_mut().append(COOKIE, line.trim_end().parse().unwrap());
            }
            let response = layer.layer(Echo).oneshot(request).await.unwrap();
            let reason = response.extensions().get::<VersionChoice>().unwrap().reason;
            assert_eq!(reason == Reason::Pin, pin.len() > 10, "it is read before it is removed");
            let sent = response.into_body().into_inner().unwrap().0;
            assert_eq!(sent.headers().get_all(COOKIE).iter().collect::<Vec<_>>(), expected, "{lines:?}");
        }
    }
}
