//! The request that the backend gets.

use http::{Request, Version};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use tower_canary::layer::{ForwardPrefix, HostPolicy, ReportRewrite, Rewritten, VersionChoice};
use tower_canary::routing::Reason;
use tower_canary::{Target, WeightedVersionLayer};

use crate::support::*;

#[tokio::test]
async fn path_and_query_keep_their_bytes() {
    let layer = fixed(&auth(&[("http://10.0.0.1:8080", 100.0)]));
    for path in ["/", "/login", "/a%2Fb/../c//d?x=%00&y=[]&z=a+b", "/%61?", "//evil/x", "/;a=b?c?d"] {
        let sent = sent(&layer, get(path)).await.unwrap();
        assert_eq!(sent.uri().to_string(), format!("http://10.0.0.1:8080{path}"));
    }
}

#[tokio::test]
async fn base_path_joins_with_one_slash() {
    for base in ["http://h/api", "http://h/api/"] {
        let layer = fixed(&auth(&[(base, 100.0)]));
        assert_eq!(sent(&layer, get("/login?a=1")).await.unwrap().uri(), "http://h/api/login?a=1");
        assert_eq!(sent(&layer, get("/")).await.unwrap().uri(), "http://h/api/");
    }
}

#[tokio::test]
async fn absolute_uri_goes_to_the_version() {
    let layer = fixed(&auth(&[("https://h:8443", 100.0)]));
    let sent = sent(&layer, get("http://public.example/login")).await.unwrap();
    assert_eq!(sent.uri(), "https://h:8443/login");
}

#[tokio::test]
async fn authority_form_gets_root_path() {
    let layer = fixed(&auth(&[("http://h", 100.0)]));
    let request = Request::connect("example.com:443").body(()).unwrap();
    assert_eq!(sent(&layer, request).await.unwrap().uri(), "http://h/");
}

#[tokio::test]
async fn http_version_is_left_to_client() {
    let layer = fixed(&auth(&[("http://h", 100.0)]));
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let request = Request::get("/").version(version).body(()).unwrap();
        assert_eq!(sent(&layer, request).await.unwrap().version(), Version::HTTP_11);
    }
}

// Two `Host` headers of a request are replaced by one.
#[tokio::test]
async fn host_is_the_backend_by_default() {
    let layer = fixed(&auth(&[("http://h:81", 100.0)]));
    let request = Request::get("/").header("host", "a.example").header("host", "b.example").body(()).unwrap();
    let sent = sent(&layer, request).await.unwrap();
    assert_eq!(sent.headers().get_all("host").iter().collect::<Vec<_>>(), ["h:81"]);
}

#[tokio::test]
async fn missing_host_is_not_added() {
    let layer = fixed(&auth(&[("http://h:81", 100.0)]));
    assert!(!sent(&layer, get("/")).await.unwrap().headers().contains_key("host"));
}

#[tokio::test]
async fn preserved_host_prefers_the_uri() {
    let layer = fixed(&auth(&[("http://h", 100.0)])).with_host(HostPolicy::Preserve);
    let host = async |request| sent(&layer, request).await.unwrap().headers()["host"].clone();
    assert_eq!(host(Request::get("/").header("host", "a.example").body(()).unwrap()).await, "a.example");
    assert_eq!(host(get("http://b.example/")).await, "b.example");
    let both = Request::get("http://b.example/").header("host", "a.example").body(()).unwrap();
    assert_eq!(host(both).await, "b.example");
}

#[tokio::test]
async fn method_and_headers_are_untouched() {
    let layer = fixed(&auth(&[("http://h", 100.0)]));
    let request =
        Request::put("/x").header("cookie", "a=b").header("x-forwarded-for", "1.2.3.4").body(()).unwrap();
    let headers = request.headers().clone();
    let sent = sent(&layer, request).await.unwrap();
    assert_eq!(sent.method(), "PUT");
    assert_eq!(*sent.headers(), headers);
}

// It is in the request and in the response.
#[tokio::test]
async fn choice_extension_is_opt_in() {
    let handle = auth(&[("http://h", 100.0)]);
    let silent = fixed(&handle).layer(Echo).oneshot(get("/")).await.unwrap();
    assert!(silent.extensions().get::<VersionChoice>().is_none());
    let response = fixed(&handle).with_choice().layer(Echo).oneshot(get("/")).await.unwrap();
    let choice = response.extensions().get::<VersionChoice>().unwrap().clone();
    assert_eq!((choice.service.as_str(), choice.version.as_str()), ("auth", "v0"));
    assert_eq!((choice.reason, choice.generation), (Reason::Draw, 1));
    let request = response.into_body().into_inner().unwrap();
    assert_eq!(request.0.extensions().get::<VersionChoice>(), Some(&choice));
}

#[tokio::test]
async fn userinfo_never_becomes_a_host() {
    let layer = fixed(&auth(&[("http://h", 100.0)])).with_host(HostPolicy::Preserve);
    let sent = sent(&layer, get("http://me:pw@b.example:81/")).await.unwrap();
    assert_eq!(sent.headers()["host"], "b.example:81");
}

fn by_path(base: &str) -> WeightedVersionLayer {
    WeightedVersionLayer::new(&auth(&[(base, 100.0)]), Target::path_segment())
}

/// Returns the `X-Forwarded-Prefix` lines that the backend gets for `path`.
async fn prefixes(layer: &WeightedVersionLayer, path: &str, earlier: &[&str]) -> Vec<String> {
    let mut request = get(path);
    for line in earlier {
        request.headers_mut().append("x-forwarded-prefix", line.parse().unwrap());
    }
    request.extensions_mut().insert(ForwardPrefix);
    let sent = sent(layer, request).await.unwrap();
    let lines = sent.headers().get_all("x-forwarded-prefix").iter();
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn stripped_segment_is_forwarded() {
    let layer = by_path("http://h");
    assert_eq!(prefixes(&layer, "/auth/login", &[]).await, ["/auth"]);
    assert_eq!(prefixes(&layer, "/auth?x=/a", &[]).await, ["/auth"]);
    assert_eq!(prefixes(&layer, "http://public/auth/x", &[]).await, ["/auth"]);
    assert_eq!(prefixes(&layer, "/auth/x", &["/shop"]).await, ["/shop/auth"]);
    assert_eq!(prefixes(&layer, "/auth/x", &["/", "/shop/"]).await, ["/shop/auth"]);
    assert_eq!(prefixes(&fixed(&auth(&[("http://h", 100.0)])), "/auth/x", &["/a/"]).await, ["/a/"]);
}

#[tokio::test]
async fn prefix_and_report_are_opt_in() {
    let mut request = get("/auth/login");
    request.headers_mut().insert("x-forwarded-prefix", "/shop".parse().unwrap());
    let response = by_path("http://h").layer(Echo).oneshot(request).await.unwrap();
    assert!(response.extensions().get::<Rewritten>().is_none());
    let sent = response.into_body().into_inner().unwrap().0;
    assert_eq!(sent.headers()["x-forwarded-prefix"], "/shop");
}

#[tokio::test]
async fn rewrite_is_reported_on_request() {
    let fallback = "https://monolith/app/".parse().unwrap();
    let layer = by_path("http://h:81/api").with_fallback(&fallback);
    let report = async |path: &str| {
        let mut request = get(path);
        request.extensions_mut().insert(ReportRewrite);
        let response = layer.layer(Echo).oneshot(request).await.unwrap();
        let Rewritten { stripped, scheme, authority, base_path, .. } =
            response.extensions().get::<Rewritten>().unwrap().clone();
        format!("{stripped} {scheme}://{authority}{base_path}")
    };
    assert_eq!(report("/auth/login").await, "/auth http://h:81/api");
    assert_eq!(report("/other/login").await, " https://monolith/app");
}

/// Spellings of paths outside of the base path.
const DOTS: [&str; 12] = [
    "/../b/x",
    "/a/./b",
    "/%2e%2e/b/x",
    "/%2E./b",
    "/..%2fb/x",
    "/..%5Cb/x",
    "/a\\..\\b",
    "/..;v=1/b",
    "/..%3b/b",
    "/..",
    "/a/..?x=1",
    "/%252e%252e/b",
];

/// Returns the status and type of a rejection.
async fn rejected(layer: &WeightedVersionLayer, request: Request<()>) -> String {
    let response = sent(layer, request).await.unwrap_err();
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&text).unwrap();
    format!("{status} {}", problem["type"].as_str().unwrap())
}

#[tokio::test]
async fn dot_segments_stay_below_a_base_path() {
    let fixed = fixed(&auth(&[("http://h/a", 100.0)]));
    for path in DOTS {
        assert_eq!(rejected(&fixed, get(path)).await, "400 dot-segment", "{path}");
        let absolute = get(&format!("http://public{path}"));
        assert_eq!(rejected(&fixed, absolute).await, "400 dot-segment", "{path}");
        let below = get(&format!("/auth{path}"));
        assert_eq!(rejected(&by_path("http://h/a/"), below).await, "400 dot-segment", "{path}");
    }
    let grpc = Request::post("/../b").header("content-type", "application/grpc").body(()).unwrap();
    assert_eq!(sent(&fixed, grpc).await.unwrap_err().headers()["grpc-status"], "3");
}

#[tokio::test]
async fn other_dots_pass_a_base_path() {
    let layer = fixed(&auth(&[("http://h/a", 100.0)]));
    for path in
        ["/...", "/a..b/.c/d.", "/%2e%2e%2e", "/x?next=/../y&z=%2e%2e/", "/.well-known/a;v=1", "/%2fa%25"]
    {
        assert_eq!(sent(&layer, get(path)).await.unwrap().uri(), &*format!("http://h/a{path}"));
    }
}

#[tokio::test]
async fn dot_segments_pass_without_a_base_path() {
    for path in DOTS {
        let expected = format!("http://h{path}");
        assert_eq!(sent(&by_path("http://h"), get(&format!("/auth{path}"))).await.unwrap().uri(), &*expected);
        assert_eq!(sent(&fixed(&auth(&[("http://h/", 100.0)])), get(path)).await.unwrap().uri(), &*expected);
    }
}

// The encoded segment is the name of no service, so the request goes to the fallback, as it is.
#[tokio::test]
async fn encoded_dots_name_no_service() {
    let paths = ["/%2e%2e/auth/x", "/./auth", "/..%2fauth/x", "/auth%2f..%2fother/x"];
    for path in paths {
        let layer = by_path("http://h/a");
        assert_eq!(rejected(&layer, get(path)).await, "404 unknown-service", "{path}");
        let based = layer.clone().with_fallback(&"http://monolith/app".parse().unwrap());
        assert_eq!(rejected(&based, get(path)).await, "400 dot-segment", "{path}");
        let plain = layer.with_fallback(&"http://monolith".parse().unwrap());
        assert_eq!(sent(&plain, get(path)).await.unwrap().uri(), &*format!("http://monolith{path}"));
    }
}
