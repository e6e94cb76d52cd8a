//! The request that the backend gets.

use http::{Request, Version};
use tower_canary::layer::{HostPolicy, VersionChoice};
use tower_canary::routing::Reason;

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
    let sent = sent(&layer, request).await.unwrap();
    assert_eq!(sent.method(), "PUT");
    assert_eq!(sent.headers().len(), 2);
}

// It is in the request and in the response.
#[tokio::test]
async fn choice_extension_is_opt_in() {
    use tower::{Layer, ServiceExt};
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
