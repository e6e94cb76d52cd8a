//! The base URL of a version.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_canary::Backend;

fuzz_target!(|text: &str| {
    let Ok(backend) = text.parse::<Backend>() else { return };
    assert!(matches!(backend.scheme().as_str(), "http" | "https"));
    assert!(!backend.authority().as_str().contains('@'), "user information is kept");
    assert_eq!(backend.host_header().as_bytes(), backend.authority().as_str().as_bytes());
    let path = backend.base_path();
    assert!(path.is_empty() || (path.starts_with('/') && !path.ends_with('/')), "base path {path:?}");
    assert!(!path.contains(['?', '#']), "base path {path:?}");

    let again: Backend = backend.as_str().parse().expect("a URL that was read can be read again");
    assert_eq!((again.authority(), again.base_path()), (backend.authority(), backend.base_path()));
    let joined = format!("{}://{}{path}/orders?id=1", backend.scheme(), backend.authority());
    assert!(joined.parse::<http::Uri>().is_ok(), "{joined:?} is no URI");
});
