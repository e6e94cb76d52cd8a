//! The response with the page, without a browser.

use std::io::Read;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use http::Request;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tower::ServiceExt;
use tower_canary::console::{self, Console};

/// The most that the response may have with gzip, and without it.
const LIMITS: [usize; 2] = [29 * 1024, 86 * 1024];

fn console() -> Console {
    Console::new("../api/v1/admin").unwrap()
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    let app: Router = Router::new().nest_service("/console", console::router::<()>(&console()));
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn page() -> String {
    let response = get("/console/", &[("accept-encoding", "identity")]).await;
    assert_eq!(response.headers().get("content-encoding"), None);
    String::from_utf8(text(response).await).unwrap()
}

#[tokio::test]
async fn one_response_of_bounded_size() {
    let response = get("/console/", &[("accept-encoding", "gzip, deflate, br")]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = text(response).await;
    let mut unpacked = String::new();
    GzDecoder::new(&*bytes).read_to_string(&mut unpacked).unwrap();
    println!("{} bytes with gzip, {} without", bytes.len(), unpacked.len());
    assert!(bytes.len() <= LIMITS[0], "{} bytes with gzip", bytes.len());
    assert!(unpacked.len() <= LIMITS[1], "{} bytes", unpacked.len());
    assert_eq!(unpacked, page().await);
    for needle in [" src=", " href=\"http", " url(", ":url(", "@import", "import("] {
        assert!(!unpacked.contains(needle), "the page loads something: {needle}");
    }
}

#[tokio::test]
async fn with_a_slash_at_the_end_and_without() {
    for path in ["/console", "/console/"] {
        let response = get(path, &[]).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    }
    assert_eq!(get("/console/other", &[]).await.status(), 404);
}

#[tokio::test]
async fn headers_of_the_page() {
    let response = get("/console/", &[("origin", "https://elsewhere.example")]).await;
    let headers = response.headers();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-robots-tag", "noindex"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
}

#[tokio::test]
async fn policy_has_the_hashes_of_the_page() {
    let policy = console().policy();
    assert_eq!(get("/console/", &[]).await.headers()["content-security-policy"], policy);
    let page = page().await;
    let [script, style] = ["script", "style"].map(|tag| {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (content, rest) = rest.split_once(&format!("</{tag}>")).unwrap();
        assert!(!rest.contains(&format!("<{tag}")), "there is another {tag}");
        STANDARD.encode(Sha256::digest(content))
    });
    let expected = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    assert_eq!(policy, expected);
}

#[tokio::test]
async fn known_page_is_not_sent_again() {
    for coding in ["gzip", "identity"] {
        let tag = get("/console/", &[("accept-encoding", coding)]).await.headers()["etag"].clone();
        let tag = tag.to_str().unwrap();
        for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".into()] {
            let again = get("/console/", &[("accept-encoding", coding), ("if-none-match", &known)]).await;
            assert_eq!(again.status(), 304, "{coding} {known}");
            assert_eq!(again.headers()["etag"], tag);
            assert_eq!(text(again).await, b"");
        }
        let other = get("/console/", &[("accept-encoding", coding), ("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status(), 200);
    }
}

#[tokio::test]
async fn paths_are_in_the_page() {
    let console = Console::new("/ops/admin/").unwrap().with_login("/login").unwrap();
    let app: Router = console::router(&console);
    let request = Request::get("/").header("accept-encoding", "identity").body(Body::empty()).unwrap();
    let page = String::from_utf8(text(app.oneshot(request).await.unwrap()).await).unwrap();
    assert!(page.contains(r#"<meta name="canary-api" content="/ops/admin">"#));
    assert!(page.contains(r#"<meta name="canary-login" content="/login">"#));
}

#[test]
fn other_sites_and_markup_are_no_paths() {
    for path in
        ["", "//elsewhere.example", "https://elsewhere.example", "a\"><script>", "a b", "?x", "{style}"]
    {
        let error = Console::new(path).unwrap_err().to_string();
        assert!(error.contains("is not a path of this site"), "{path}: {error}");
        assert!(console().with_login(path).is_err(), "{path}");
    }
}

/// Words that could make markup or code of a text.
const FORBIDDEN: [&str; 15] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "srcdoc",
    "dangerouslySetInnerHTML",
    "javascript:",
    "createContextualFragment",
    "DOMParser",
    "setHTML",
    " style=",
    " onclick=\"",
    "localStorage",
];

#[test]
fn scripts_make_no_markup_of_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console");
    let files = files_below(&folder);
    assert!(files.len() > 20, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_script = path.extension().is_some_and(|extension| extension == "js");
        for word in FORBIDDEN.iter().filter(|_| is_script) {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
        assert!(!text.contains("</script") || !is_script, "{} ends its own element", path.display());
        assert!(
            text.lines().count() <= 200 || path.extension().is_none_or(|it| it == "rs"),
            "{} is long",
            path.display()
        );
    }
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
