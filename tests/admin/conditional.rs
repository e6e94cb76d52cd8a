//! Entity tags, pages of services, and changes that expect that nothing is there.

use axum::body::Body;
use http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::support::{Answer, Api};

const LIST: &str = "/deployment/services";
const SPLIT: &str = "/deployment/services/auth/versions";

async fn read(api: &Api, path: &str, known: &str) -> Answer {
    let mut request = api.request("GET", path, Body::empty());
    request.headers_mut().insert(IF_NONE_MATCH, known.parse().unwrap());
    api.send(request).await
}

async fn register(api: &Api, service: &str) {
    let body = json!({"version": "v1", "url": "http://10.0.0.1"});
    api.post(&format!("/routing/services/{service}/versions"), body).await.is_ok();
}

fn names(answer: &Answer) -> Vec<&str> {
    let services = answer.is_ok()["services"].as_array().unwrap();
    services.iter().map(|split| split["service"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn known_tag_gets_304() {
    let api = Api::with_two_versions().await;
    for path in [LIST, SPLIT] {
        let tag = api.get(path).await.headers[ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let answer = read(&api, path, &known).await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{known}");
            assert_eq!(
                (&answer.headers[ETAG], &answer.headers[CACHE_CONTROL]),
                (&tag.parse().unwrap(), &"no-store".parse().unwrap())
            );
        }
        for other in ["\"x\"", "W/\"x\""] {
            assert_eq!(read(&api, path, other).await.status, 200);
        }
        read(&api, path, "2").await.is_problem(400, "malformed-header");
        api.put("/deployment/services/auth/weights", json!({"weights": {"v1.0": 60, "v1.1": 40}}))
            .await
            .is_ok();
        assert_eq!(read(&api, path, &tag).await.status, 200, "the split has changed");
        api.put("/deployment/services/auth/weights", json!({"weights": {"v1.0": 100}})).await.is_ok();
    }
}

// A service that was removed and registered again has another salt, so another tag.
#[tokio::test]
async fn list_tag_follows_services_and_pages() {
    let api = Api::new().await;
    let tag = async |path: &str| api.get(path).await.headers[ETAG].clone();
    let mut tags = vec![tag(LIST).await];
    for service in ["a", "b", "c"] {
        register(&api, service).await;
        tags.push(tag(LIST).await);
    }
    tags.push(tag("/deployment/services?limit=2").await);
    tags.push(tag("/deployment/services?after=a").await);
    let count = tags.len();
    tags.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    tags.dedup();
    assert_eq!(tags.len(), count);
}

#[tokio::test]
async fn services_are_listed_by_page() {
    let api = Api::new().await;
    for service in ["shop", "auth", "catalog", "auth-admin", "search"] {
        register(&api, service).await;
    }
    let all = api.get(LIST).await;
    assert_eq!(names(&all), ["auth", "auth-admin", "catalog", "search", "shop"]);
    assert_eq!(all.json["nextAfter"], Value::Null);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = api.get(&format!("{LIST}?limit=2&after={after}")).await;
        seen.extend(names(&page).into_iter().map(ToOwned::to_owned));
        let Some(next) = page.json["nextAfter"].as_str() else { break };
        next.clone_into(&mut after);
    }
    assert_eq!(seen, ["auth", "auth-admin", "catalog", "search", "shop"]);
    assert_eq!(names(&api.get(&format!("{LIST}?q=auth")).await), ["auth", "auth-admin"]);
    assert_eq!(names(&api.get(&format!("{LIST}?q=a&limit=1&after=auth")).await), ["auth-admin"]);
    assert_eq!(names(&api.get(&format!("{LIST}?q=%2F")).await), [""; 0]);
    for limit in ["0", "1001", "-1", "x", ""] {
        api.get(&format!("{LIST}?limit={limit}")).await.is_problem(400, "malformed-query");
    }
}

#[tokio::test]
async fn star_creates_only() {
    let api = Api::new().await;
    let register = async |conditions: &[(http::HeaderName, &str)]| {
        let body = json!({"version": "v1", "url": "http://10.0.0.1"}).to_string();
        let mut request = api.request("POST", "/routing/services/auth/versions", Body::from(body));
        for (name, value) in conditions {
            request.headers_mut().insert(name.clone(), value.parse().unwrap());
        }
        api.send(request).await
    };
    register(&[(IF_NONE_MATCH, "\"1\"")]).await.is_problem(400, "malformed-header");
    register(&[(IF_NONE_MATCH, "*"), (IF_MATCH, "\"1\"")]).await.is_problem(412, "generation-conflict");
    register(&[(IF_NONE_MATCH, "*"), (IF_MATCH, "*")]).await.is_problem(412, "generation-conflict");
    assert!(api.stored().await.splits.is_empty());
    assert_eq!(register(&[(IF_NONE_MATCH, "*"), (IF_MATCH, "\"0\"")]).await.status, 201);
    let again = register(&[(IF_NONE_MATCH, "*")]).await;
    again.is_problem(412, "generation-conflict");
    assert_eq!((&again.json["expectedGeneration"], &again.json["currentGeneration"]), (&json!(0), &json!(1)));
    let remove = api.request("DELETE", "/routing/services/auth?force=true", Body::empty());
    api.send(remove).await.is_ok();
    let returned = register(&[(IF_NONE_MATCH, "*")]).await;
    assert_eq!((returned.status.as_u16(), &returned.json["generation"]), (201, &json!(3)));
}

// The second request is the first one, sent again because its response was lost.
#[tokio::test]
async fn repeated_redraw_with_a_tag_draws_once() {
    let api = Api::with_two_versions().await;
    let redraw = async || {
        let mut request = api.request("POST", "/deployment/services/auth/redraw", Body::empty());
        request.headers_mut().insert(IF_MATCH, "\"2\"".parse().unwrap());
        api.send(request).await
    };
    redraw().await.is_ok();
    redraw().await.is_problem(412, "generation-conflict");
    assert_eq!(api.stored().await.splits[0].pin_epoch(), 1);
}

#[tokio::test]
async fn explain_under_other_weights() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let explain =
        async |query: &str| api.get(&format!("/deployment/services/auth/explain?key=alice{query}")).await;
    assert_eq!(explain("").await.is_ok()["version"], json!("v1.0"));
    let other = explain("&weights=v1.0:0,v1.1:100").await;
    assert_eq!((&other.is_ok()["version"], &other.json["weight"]), (&json!("v1.1"), &json!(100)));
    assert_eq!(other.json["generation"], json!(3));
    // The same version as after the change.
    let half = explain("&weights=v1.0:50,v1.1:50").await.json["version"].clone();
    assert_eq!(api.stored().await, before);
    let weights = json!({"weights": {"v1.0": 50, "v1.1": 50}});
    api.put("/deployment/services/auth/weights", weights).await.is_ok();
    assert_eq!(explain("").await.json["version"], half);
    for (weights, status, kind) in [
        ("v1.1", 400, "malformed-query"),
        ("", 400, "malformed-query"),
        ("v1.1:50,v1.1:50", 422, "invalid-split"),
        ("v1.1:x", 422, "invalid-weight"),
        ("V:100", 422, "invalid-name"),
        ("v1.1:50", 422, "invalid-split"),
        ("v9:100", 404, "unknown-version"),
    ] {
        explain(&format!("&weights={weights}")).await.is_problem(status, kind);
    }
}
