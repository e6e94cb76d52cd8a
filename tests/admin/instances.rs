//! Versions with several base URLs: every form of a body, the history, previews, and clients that know one URL only.

use axum::body::Body;
use serde_json::{Value, json};
use tower_canary::routing::Instances;

use crate::support::{Answer, Api};

const AUTH: &str = "/deployment/services/auth";
const VERSIONS: &str = "/routing/services/auth/versions";
const V1: &str = "/routing/services/auth/versions/v1.1";

fn url(host: usize) -> String {
    format!("http://10.0.0.{host}:8080")
}

fn urls(hosts: impl IntoIterator<Item = usize>) -> Value {
    hosts.into_iter().map(url).collect()
}

/// The URLs of v1.1 in a response.
#[track_caller]
fn listed(answer: &Answer) -> &Value {
    &answer.is_ok()["versions"][1]["urls"]
}

/// Sends `body` as it is and asserts that nothing changed.
async fn refused(api: &Api, method: &str, path: &str, body: Value) -> Answer {
    let before = api.stored().await;
    let answer = api.send(api.request(method, path, Body::from(body.to_string()))).await;
    assert_eq!(api.stored().await, before, "{method} {path} with {body}: {}", answer.text);
    answer
}

#[tokio::test]
async fn version_is_registered_with_several_urls() {
    let api = Api::new().await;
    let body = json!({"version": "v1.0", "urls": urls([1, 2, 3]), "healthPath": "/up"});
    let created = api.post(VERSIONS, body).await;
    assert_eq!(created.status, 201);
    let version = &created.json["versions"][0];
    assert_eq!((&version["url"], &version["urls"]), (&json!(url(1)), &urls([1, 2, 3])));
    let read = api.get(&format!("{AUTH}/versions")).await;
    assert_eq!(read.is_ok()["versions"][0]["urls"], urls([1, 2, 3]));
    let list = api.get("/deployment/services").await;
    assert_eq!(list.is_ok()["services"][0]["versions"][0]["urls"], urls([1, 2, 3]));
    let history = api.get(&format!("{AUTH}/history")).await;
    assert_eq!(history.is_ok()["history"][0]["after"]["v1.0"]["urls"], urls([1, 2, 3]));
}

#[tokio::test]
async fn urls_are_set_added_and_removed() {
    let api = Api::with_two_versions().await;
    for (body, after) in [
        (json!({"urls": urls([2, 3])}), urls([2, 3])),
        (json!({"addUrls": urls([4, 3])}), urls([2, 3, 4])),
        (json!({"removeUrls": urls([2, 9])}), urls([3, 4])),
        (json!({"addUrls": urls([5]), "active": false}), urls([3, 4, 5])),
        (json!({"removeUrls": urls([3]), "active": true, "reason": "scaled down"}), urls([4, 5])),
        (json!({"url": url(6)}), urls([6])),
        (json!({"urls": urls([7]), "url": null, "addUrls": null, "removeUrls": null}), urls([7])),
    ] {
        let answer = api.put(V1, body.clone()).await;
        assert_eq!(*listed(&answer), after, "{body}");
        assert_eq!(listed(&api.get(&format!("{AUTH}/versions")).await), &after);
    }
}

// One scaler repeats its request, and two have the same idea.
#[tokio::test]
async fn urls_that_are_there_or_gone_change_nothing() {
    let api = Api::with_two_versions().await;
    api.put(V1, json!({"urls": urls([2, 3])})).await.is_ok();
    let before = api.stored().await;
    for body in [
        json!({"addUrls": urls([3])}),
        json!({"addUrls": ["http://10.0.0.3:8080/"]}),
        json!({"removeUrls": urls([9])}),
        json!({"urls": urls([2, 3])}),
    ] {
        let answer = api.put(V1, body.clone()).await;
        assert_eq!((listed(&answer), &answer.json["generation"]), (&urls([2, 3]), &json!(3)), "{body}");
    }
    assert_eq!(api.stored().await, before);
}

#[tokio::test]
async fn change_of_urls_is_in_the_history() {
    let api = Api::with_two_versions().await;
    for (body, kind, before, after) in [
        (json!({"addUrls": urls([3])}), "add-urls", urls([2]), urls([2, 3])),
        (json!({"removeUrls": urls([2])}), "remove-urls", urls([2, 3]), urls([3])),
        (json!({"urls": urls([4, 5])}), "set-urls", urls([3]), urls([4, 5])),
        (json!({"url": url(6)}), "set-urls", urls([4, 5]), urls([6])),
        (json!({"addUrls": urls([7]), "active": false}), "update", urls([6]), urls([6, 7])),
    ] {
        api.put(V1, body).await.is_ok();
        let history = api.get(&format!("{AUTH}/history?limit=1")).await;
        let entry = &history.is_ok()["history"][0];
        assert_eq!((&entry["change"], &entry["version"]), (&json!(kind), &json!("v1.1")));
        assert_eq!(entry["before"]["v1.1"]["urls"], before, "{kind}");
        assert_eq!(entry["after"]["v1.1"]["urls"], after, "{kind}");
    }
}

#[tokio::test]
async fn restore_brings_back_all_urls() {
    let api = Api::with_two_versions().await;
    api.put(V1, json!({"urls": urls([2, 3])})).await.is_ok();
    api.put(V1, json!({"url": url(9)})).await.is_ok();
    let restored = api.post(&format!("{AUTH}/restore"), json!({"generation": 3})).await;
    assert_eq!(*listed(&restored), urls([2, 3]));
}

#[tokio::test]
async fn previews_show_urls_and_store_nothing() {
    let api = Api::with_two_versions().await;
    for (body, after) in [
        (json!({"urls": urls([4, 5])}), urls([4, 5])),
        (json!({"addUrls": urls([3])}), urls([2, 3])),
        (json!({"removeUrls": urls([3]), "active": false}), urls([2])),
    ] {
        let preview = refused(&api, "PUT", &format!("{V1}?dryRun=true"), body).await;
        assert_eq!((listed(&preview), &preview.json["dryRun"]), (&after, &json!(true)));
    }
    let last = json!({"removeUrls": urls([2])});
    refused(&api, "PUT", &format!("{V1}?dryRun=true"), last).await.is_problem(409, "last-instance");
}

#[tokio::test]
async fn urls_in_several_forms_are_422() {
    let api = Api::with_two_versions().await;
    let forms =
        [("url", json!(url(3))), ("urls", urls([3])), ("addUrls", urls([3])), ("removeUrls", urls([3]))];
    for (i, (first, value)) in forms.iter().enumerate() {
        for (second, other) in &forms[i + 1..] {
            for path in [V1.to_owned(), format!("{V1}?dryRun=true"), format!("{V1}?force=true")] {
                let body = json!({*first: value, *second: other, "active": true});
                let answer = refused(&api, "PUT", &path, body).await;
                answer.is_problem(422, "invalid-url");
                let detail = "give one of 'url', 'urls', 'addUrls' and 'removeUrls', not several";
                assert_eq!(answer.json["detail"], detail);
            }
        }
    }
    let both = json!({"version": "v9", "url": url(3), "urls": urls([3])});
    let answer = refused(&api, "POST", VERSIONS, both).await;
    answer.is_problem(422, "invalid-url");
    assert_eq!(answer.json["detail"], "give 'url' or 'urls', not both");
    for neither in [json!({"version": "v9"}), json!({"version": "v9", "url": null, "urls": null})] {
        let answer = refused(&api, "POST", VERSIONS, neither).await;
        answer.is_problem(400, "malformed-body");
        assert_eq!(answer.json["detail"], "give 'url' or 'urls'");
    }
    let form = json!({"version": "v9", "addUrls": urls([3])});
    refused(&api, "POST", VERSIONS, form).await.is_problem(400, "malformed-body");
}

#[tokio::test]
async fn lists_that_no_version_can_have_are_422() {
    let api = Api::with_two_versions().await;
    let many = urls(1..=Instances::MAX + 1);
    let twice = json!(["http://10.0.0.3", "http://10.0.0.3/"]);
    for (list, detail) in [
        (json!([]), "name at least one"),
        (many, "65 base URLs are too many"),
        (twice, "http://10.0.0.3/ is named twice"),
        (json!([url(3), "10.0.0.4"]), "\"10.0.0.4\" is not a base URL"),
        (json!([url(3), "http://169.254.169.254"]), "may not be a backend"),
    ] {
        for (method, path, body) in [
            ("POST", VERSIONS, json!({"version": "v9", "urls": list})),
            ("PUT", V1, json!({"urls": list})),
            ("PUT", V1, json!({"addUrls": list})),
            ("PUT", V1, json!({"addUrls": list, "active": true})),
        ] {
            let answer = refused(&api, method, &format!("{path}?force=true"), body).await;
            answer.is_problem(422, "invalid-url");
            assert!(answer.json["detail"].as_str().unwrap().contains(detail), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn version_has_at_most_64_urls() {
    let api = Api::with_two_versions().await;
    let all = urls(101..=100 + Instances::MAX);
    assert_eq!(*listed(&api.put(V1, json!({"urls": all})).await), all);
    refused(&api, "PUT", V1, json!({"addUrls": urls([3])})).await.is_problem(422, "invalid-url");
    assert_eq!(*listed(&api.put(V1, json!({"addUrls": all})).await), all);
}

// Also with force: a version without a URL could not get a request.
#[tokio::test]
async fn last_url_cannot_be_removed() {
    let api = Api::with_two_versions().await;
    api.put(V1, json!({"urls": urls([2, 3])})).await.is_ok();
    for body in [
        json!({"removeUrls": urls([2, 3])}),
        json!({"removeUrls": urls([3, 2, 4])}),
        json!({"removeUrls": urls([2, 3]), "active": false}),
    ] {
        for path in [V1.to_owned(), format!("{V1}?force=true")] {
            let answer = refused(&api, "PUT", &path, body.clone()).await;
            answer.is_problem(409, "last-instance");
            assert!(answer.json["detail"].as_str().unwrap().contains("v1.1"), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn refused_change_of_urls_is_recorded() {
    let api = Api::with_two_versions().await;
    api.put(V1, json!({"removeUrls": urls([2])})).await.is_problem(409, "last-instance");
    let refused = &api.refused().await[0];
    assert_eq!((&refused["change"], &refused["version"]), (&json!("remove-urls"), &json!("v1.1")));
    assert_eq!(refused["split"]["v1.1"]["urls"], urls([2]));
}

// Nothing but `url` is in their bodies, and nothing else of a version has changed its meaning.
#[tokio::test]
async fn client_that_knows_one_url_works() {
    let api = Api::with_two_versions().await;
    let path = format!("{AUTH}/versions");
    let read = api.get(&path).await;
    assert_eq!(
        (&read.is_ok()["versions"][1]["url"], &read.headers["etag"]),
        (&json!(url(2)), &"\"2\"".parse().unwrap())
    );
    api.put(V1, json!({"urls": urls([2, 3])})).await.is_ok();
    assert_eq!(api.get(&path).await.is_ok()["versions"][1]["url"], json!(url(2)));
    let changed = api.put(V1, json!({"url": url(9)})).await;
    assert_eq!((&changed.is_ok()["versions"][1]["url"], listed(&changed)), (&json!(url(9)), &urls([9])));
    api.put(V1, json!({"active": false, "url": url(8)})).await.is_ok();
    let body = json!({"version": "v1.2", "url": url(7)});
    assert_eq!(api.post(VERSIONS, body).await.status, 201);
}

// A response of a release that had one base URL for each version.
#[test]
fn response_of_an_earlier_release_is_read() {
    let response = json!({
        "id": "0199d5a4-5d1c-7c3e-9a55-6f0d5c1b2a3e", "version": "v1.1", "url": "http://10.0.0.2",
        "weight": 12.5, "isActive": true,
        "createdAt": "2026-01-05T09:30:00.000Z", "updatedAt": "2026-01-05T09:31:00.000Z"
    });
    let version: tower_canary::api::VersionView = serde_json::from_value(response).unwrap();
    assert_eq!((version.url.as_str(), version.urls.len(), version.health), ("http://10.0.0.2", 0, None));
    let check = json!({"healthy": true, "status": 200, "latencyMs": 3});
    let check: tower_canary::api::CheckView = serde_json::from_value(check).unwrap();
    assert_eq!((check.healthy, check.probes), (Some(true), Vec::new()));
    let probe = json!({"version": "v1.1", "healthy": false, "cause": "it responded 503"});
    let probe: tower_canary::api::ProbeView = serde_json::from_value(probe).unwrap();
    assert_eq!((probe.url.as_str(), probe.healthy), ("", false));
}
