//! Hostile names, URLs and bodies: each is refused and changes nothing.

use axum::body::Body;
use serde_json::json;

use crate::support::Api;

const NAMES: [&str; 26] = [
    "..",
    ".",
    "%2e%2e",
    "%2E",
    "..%2f..%2fetc%2fpasswd",
    "a%2fb",
    "a%5cb",
    "%00",
    "a%00",
    "a%0d%0aX:%20y",
    "%1b%5b2J",
    "AUTH",
    "Auth",
    "a..b",
    "-a",
    "a-",
    ".a",
    "a.",
    "_a",
    "a%20b",
    "%d0%b0uth",
    "%ef%bd%81uth",
    "%ff",
    "a%27--",
    "a%22%3b",
    "*",
];

const URLS: [&str; 43] = [
    "http://169.254.169.254",
    "http://169.254.169.254.",
    "http://0xa9fea9fe",
    "http://2852039166",
    "http://0251.0376.0251.0376",
    "http://[::ffff:169.254.169.254]",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://[fd00:ec2::254]",
    "http://[fe80::1]",
    "http://100.100.100.200",
    "http://metadata.google.internal",
    "http://METADATA.google.internal.",
    "http://instance-data",
    "http://metadata",
    "http://0.0.0.0",
    "http://[::]",
    "http://224.0.0.1",
    "http://255.255.255.255",
    "http://127.0.0.1",
    "http://127.1",
    "http://0x7f000001",
    "http://2130706433",
    "http://017700000001",
    "http://localhost",
    "http://LOCALHOST.",
    "http://x.localhost",
    "http://[::1]",
    "http://[::ffff:127.0.0.1]",
    "http://user@10.0.0.1",
    "http://10.0.0.1?x",
    "http://10.0.0.1#x",
    "file:///etc/passwd",
    "gopher://10.0.0.1",
    "javascript:alert(1)",
    "//10.0.0.1",
    "10.0.0.1",
    "",
    "http://",
    "http://10.0.0.1:0",
    "http://10.0.0.1:99999",
    "http://10.0.0.1/../x",
    "http://10.0.0.1\\@x",
    "http://10.0.0.1\r\nX: y",
];

#[tokio::test]
async fn hostile_names_are_422() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let long = "a".repeat(300);
    for name in NAMES.into_iter().chain([long.as_str(), "%61%61%2f"]) {
        for (method, path, body) in [
            ("GET", format!("/deployment/services/{name}/versions"), ""),
            ("PUT", format!("/deployment/services/{name}/versions/v1.1/weight"), r#"{"weight":10}"#),
            ("PUT", format!("/deployment/services/auth/versions/{name}/weight"), r#"{"weight":10}"#),
            ("POST", format!("/deployment/services/auth/versions/{name}/switch"), ""),
            (
                "POST",
                format!("/routing/services/{name}/versions"),
                r#"{"version":"v1","url":"http://10.0.0.1"}"#,
            ),
            ("DELETE", format!("/routing/services/auth/versions/{name}"), ""),
        ] {
            api.send(api.request(method, &path, Body::from(body))).await.is_problem(422, "invalid-name");
        }
    }
    for name in ["../x", "", "a b", "V1", "v1\n", "v1\0", "аuth", "v1/..", "v1\u{202e}", &long] {
        let body = json!({"version": name, "url": "http://10.0.0.1"});
        api.post("/routing/services/auth/versions", body).await.is_problem(422, "invalid-name");
    }
    assert_eq!(api.stored().await, before);
}

// Both a registration and a change of the URL are refused, also with `force`.
#[tokio::test]
async fn forbidden_urls_are_422() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    for url in URLS {
        let register = json!({"version": "v9", "url": url});
        api.post("/routing/services/auth/versions?force=true", register).await.is_problem(422, "invalid-url");
        for body in [json!({"url": url}), json!({"url": url, "active": true})] {
            api.put("/routing/services/auth/versions/v1.1", body).await.is_problem(422, "invalid-url");
        }
    }
    assert_eq!(api.stored().await, before);
}

#[tokio::test]
async fn huge_and_deep_bodies_are_refused() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let deep = "[".repeat(8_000);
    let nested = format!("{}1{}", r#"{"weight":"#.repeat(1_000), "}".repeat(1_000));
    let digits = format!(r#"{{"weight":{}}}"#, "9".repeat(10_000));
    let huge = format!(r#"{{"weight":1,"reason":"{}"}}"#, "a".repeat(4 << 20));
    let many: String = (0..900).map(|i| format!(r#""v{i}":0,"#)).collect();
    let many = format!(r#"{{"weights":{{{many}"v1.0":99}}}}"#);
    for body in [deep, nested, digits, huge, many] {
        for (method, path) in [
            ("PUT", "/deployment/services/auth/versions/v1.1/weight"),
            ("PUT", "/deployment/services/auth/weights"),
            ("POST", "/routing/services/auth/versions"),
            ("POST", "/deployment/services/auth/restore"),
            ("DELETE", "/routing/services/auth/versions/v1.1"),
        ] {
            let answer = api.send(api.request(method, path, Body::from(body.clone()))).await;
            assert!(answer.status.is_client_error() && answer.text.len() < 1_000, "{}", answer.text);
        }
    }
    assert_eq!(api.stored().await, before);
}

#[tokio::test]
async fn non_object_body_is_400() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    for (method, path, body) in [
        ("PUT", "/deployment/services/auth/versions/v1.1/weight", r#"[10,"reason"]"#),
        ("PUT", "/deployment/services/auth/weights", r#"[{"v1.0":100},"reason"]"#),
        ("POST", "/deployment/services/auth/versions/v1.1/switch", r#" ["why"]"#),
        ("POST", "/deployment/services/auth/restore", "[1,null]"),
        ("POST", "/routing/services/auth/versions", r#"["v9","http://10.0.0.9",null,false,null,null]"#),
        ("PUT", "/deployment/services/auth/versions/v1.1/weight", "null"),
    ] {
        api.send(api.request(method, path, Body::from(body))).await.is_problem(400, "malformed-body");
    }
    assert_eq!(api.stored().await, before);
}
