//! The patterns that clients check their input with, and the parsers of the server.

use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;
use tower_canary::routing::HealthPath;
use tower_canary::{Backend, ServiceName, VersionName};

/// Texts of a pattern. The generator takes no anchors.
fn texts_of(pattern: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
}

proptest! {
    #[test]
    fn texts_of_a_pattern_are_accepted(
        name in texts_of(ServiceName::PATTERN),
        url in texts_of(Backend::PATTERN),
        path in texts_of(HealthPath::PATTERN),
    ) {
        prop_assert!(name.len() > VersionName::MAX_LEN || name.parse::<VersionName>().is_ok(), "{}", name);
        prop_assert!(url.len() > Backend::MAX_LEN || url.parse::<Backend>().is_ok(), "{}", url);
        prop_assert!(path.len() > HealthPath::MAX_LEN || path.parse::<HealthPath>().is_ok(), "{}", path);
    }

    // Short texts of the characters that matter, where both answers are frequent.
    #[test]
    fn names_have_exactly_their_pattern(text in "[a-zA0._\\-/]{0,6}") {
        let pattern = Regex::new(ServiceName::PATTERN).unwrap();
        prop_assert_eq!(pattern.is_match(&text), text.parse::<ServiceName>().is_ok(), "{}", text);
    }
}

#[test]
fn usual_values_have_their_pattern() {
    let url = Regex::new(Backend::PATTERN).unwrap();
    for text in [
        "http://10.0.0.1:8080",
        "https://auth-v2.svc.cluster.local/base/path/",
        "http://[2001:db8::1]:65535",
        "http://app_1:80/.well-known/a%20b",
        "http://4f66ad9a0b2e",
        "http://auth:1",
    ] {
        assert!(url.is_match(text) && text.parse::<Backend>().is_ok(), "{text}");
    }
    let path = Regex::new(HealthPath::PATTERN).unwrap();
    for text in ["/", "/healthz", "/health/ready?deep=1&x=%2F", "/actuator/health/", "/.well-known/health"] {
        assert!(path.is_match(text) && text.parse::<HealthPath>().is_ok(), "{text}");
    }
    for text in [
        "http://h/../x",
        "http://h/%2e%2E/x",
        "http://h/..;a",
        "http://h/a%2f..",
        "http://h/.%23",
        "http://h/..%3Fx",
        "http://h/.%3b",
        "http://h/.%00",
        "http://h/%252e%252e/x",
        "ftp://h",
        "http://u@h",
        "http://0",
        "http://h.1",
        "http://0x1f",
        "http://1.2.3",
        "http://1.2.3.256",
    ] {
        assert!(!url.is_match(text) && text.parse::<Backend>().is_err(), "{text}");
    }
}
