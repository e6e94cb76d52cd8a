//! Values read from text: names, weights, base URLs, health paths, and the texts that each refuses.

use proptest::prelude::*;
use tower_canary::routing::{HealthPath, Reason};
use tower_canary::{Backend, ServiceName, VersionName, Weight};

#[test]
fn hostile_names_are_refused() {
    let long = "a".repeat(64);
    for name in [
        "",
        "../etc",
        "a/b",
        "a%2fb",
        "%00",
        "a\0b",
        "%2e%2e",
        "a..b",
        "..",
        ".",
        "-a",
        "a-",
        ".a",
        "a.",
        "_a",
        "Auth",
        "аuth",
        "auth ",
        " auth",
        "a b",
        "a\nb",
        "a\r\nX: y",
        "a;drop table",
        "a'b",
        "a\"b",
        "{x}",
        "\u{1b}[31m",
        &long,
        "é",
    ] {
        assert!(name.parse::<ServiceName>().is_err(), "{name:?}");
        let error = name.parse::<VersionName>().unwrap_err().to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    for name in ["a", "0", "auth", "v1.1", "auth.example.com", "a_b-c.d", &"a".repeat(63)] {
        assert_eq!(name.parse::<ServiceName>().unwrap().to_string(), name);
    }
}

#[test]
fn weights_have_two_decimals() {
    for (text, hundredths) in [
        ("0", 0),
        ("0.01", 1),
        ("10", 1_000),
        ("33.33", 3_333),
        ("99.99", 9_999),
        ("100.00", 10_000),
        ("1e1", 1_000),
    ] {
        assert_eq!(text.parse::<Weight>().unwrap().hundredths(), hundredths);
    }
    for text in [
        "-0.01",
        "100.01",
        "0.001",
        "33.333",
        "NaN",
        "10.000000001",
        "100.000000001",
        "-1e-9",
        "inf",
        "-inf",
        "",
        "ten",
        "1e999",
        "10%",
    ] {
        assert!(text.parse::<Weight>().is_err(), "{text}");
    }
    assert!(Weight::from_hundredths(10_001).is_err());
}

#[test]
fn base_url_syntax_is_checked() {
    for (text, authority, base) in [
        ("http://a", "a", ""),
        ("http://a/", "a", ""),
        ("HTTP://a:80/x/", "a:80", "/x"),
        ("https://[::1]:8443/a/b", "[::1]:8443", "/a/b"),
        ("http://10.0.0.1:9001//x", "10.0.0.1:9001", "//x"),
    ] {
        let backend: Backend = text.parse().unwrap();
        assert_eq!(
            (backend.authority().as_str(), backend.base_path(), backend.as_str()),
            (authority, base, text)
        );
    }
    let long = format!("http://a/{}", "x".repeat(2_048));
    for text in [
        "",
        "a",
        "a:80",
        "/x",
        "//a",
        "ftp://a",
        "file:///etc/passwd",
        "gopher://a",
        "javascript:alert(1)",
        "http://",
        "http:///x",
        "http://me@a",
        "http://me:pw@a",
        "http://a?x=1",
        "http://a/?",
        "http://a#x",
        "http://a/x#",
        "http://a:0",
        "http://a:",
        "http://a:65536",
        "http://a:x",
        "http://a/../b",
        "http://a/%2e%2E/b",
        "http://a b",
        "http://a/\r\nX: y",
        "http://\u{e9}",
        &long,
    ] {
        assert!(text.parse::<Backend>().is_err(), "{text:?}");
    }
}

#[test]
fn health_path_is_only_a_path() {
    for text in ["/", "/healthz", "/a/b?deep=1"] {
        assert_eq!(text.parse::<HealthPath>().unwrap().as_str(), text);
    }
    for text in [
        "",
        "healthz",
        "//evil/x",
        "http://a/",
        "/a b",
        "/a#b",
        "/../x",
        "/a\r\nX: y",
        "@evil",
        &format!("/{}", "x".repeat(256)),
    ] {
        assert!(text.parse::<HealthPath>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn parsers_never_panic(text in "\\PC{0,80}") {
        _ = text.parse::<ServiceName>();
        _ = text.parse::<Weight>();
        _ = text.parse::<Backend>();
        _ = text.parse::<HealthPath>();
        _ = text.parse::<tower_canary::routing::SlotMap>();
        _ = text.parse::<tower_canary::routing::VersionId>();
    }

    #[test]
    fn weights_round_trip(hundredths in 0u16..=10_000) {
        let weight = Weight::from_hundredths(hundredths).unwrap();
        prop_assert_eq!(weight.to_string().parse::<Weight>(), Ok(weight));
        prop_assert_eq!(Weight::try_from(weight.percent()), Ok(weight));
    }
}

#[test]
fn host_and_port_must_be_canonical() {
    for text in [
        "http://a_b.c-d.e",
        "http://a.",
        "http://1.a",
        "http://0x7g",
        "http://[2001:db8::1]:80",
        "http://[::ffff:127.0.0.1]",
        "http://127.0.0.1:1",
    ] {
        assert!(text.parse::<Backend>().is_ok(), "{text}");
    }
    for text in [
        "http://a:+80",
        "http://a:080",
        "http://.",
        "http://..",
        "http://-",
        "http://a..b",
        "http://a-",
        "http://a%41",
    ] {
        assert!(text.parse::<Backend>().is_err(), "{text}");
    }
    assert!(format!("http://{}", "a".repeat(64)).parse::<Backend>().is_err());
    assert!(format!("http://{}", ["a"; 127].join(".")).parse::<Backend>().is_ok());
    assert!(format!("http://{}", ["a"; 128].join(".")).parse::<Backend>().is_err());
}

// Clients differ in how they read them: as an address, or as a name that does not exist.
#[test]
fn unusual_addresses_are_refused() {
    for host in [
        "127.0.0.1.",
        "127.1",
        "127.0.0.1.1",
        "256.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "10.0.0.01",
        "0x7f000001",
        "0X7F.1",
        "0x",
        "0x.",
        "auth.1",
        "auth.0x1",
        "[]",
        "[x]",
        "[1]",
        "[::1",
        "[::1]x",
        "[fe80::1%25eth0]",
        "[v1.x]",
    ] {
        assert!(format!("http://{host}").parse::<Backend>().is_err(), "{host}");
        assert!(format!("https://{host}:8443/x").parse::<Backend>().is_err(), "{host}");
    }
}

// They are refused in health paths and base paths, in any encoding.
#[test]
fn dot_segments_are_refused() {
    for path in ["/%2e%2e/x", "/..%2fx", "/a/..;/b", "/a/%2E/b", "/a%2f..", "/..%5cx"] {
        assert!(path.parse::<HealthPath>().is_err(), "{path}");
        assert!(format!("http://a{path}").parse::<Backend>().is_err(), "{path}");
    }
    assert!("/a..b/x?y=../z".parse::<HealthPath>().is_ok());
}

/// A text that could hold a password is left out of the error, and the error says so.
#[test]
fn url_errors_hide_passwords() {
    fn error(text: &str) -> String {
        text.parse::<Backend>().unwrap_err().to_string()
    }

    let hidden = error("http://me:secret@10.0.0.7");
    assert!(hidden.starts_with("a text with '@', not shown here, is not a base URL: "), "{hidden}");
    assert!(!hidden.contains("secret"), "{hidden}");
    assert!(error("ftp://a").starts_with(r#""ftp://a" is not a base URL: "#));
}

#[test]
fn values_convert_from_and_to_text() {
    let url = "http://a:1/b";
    let backend = Backend::try_from(url).unwrap();
    assert_eq!((backend.as_ref(), backend.to_string().as_str()), (url, url));
    assert_eq!(Backend::try_from(url.to_owned()), url.parse());
    let path = HealthPath::try_from("/healthz").unwrap();
    assert_eq!((path.as_ref(), path.to_string().as_str()), ("/healthz", "/healthz"));
    assert_eq!(HealthPath::try_from("/healthz".to_owned()), "/healthz".parse());
    let name = VersionName::try_from("v1").unwrap();
    assert_eq!((name.as_ref(), VersionName::try_from("v1".to_owned())), ("v1", "v1".parse()));
    assert_eq!(ServiceName::try_from("Auth"), "Auth".parse());
    assert_eq!(Weight::try_from("12.5"), Weight::try_from(12.5));
    assert_eq!(Weight::try_from("12.555"), "12.555".parse());
}

#[test]
fn whole_percentages_are_constants() {
    const TENTH: Weight = Weight::from_percent(10);
    assert_eq!((TENTH.hundredths(), Weight::from_percent(0)), (1_000, Weight::ZERO));
    assert_eq!(Weight::from_percent(100), Weight::FULL);
    assert!(std::panic::catch_unwind(|| Weight::from_percent(101)).is_err());
}

#[test]
fn equal_backends_hash_alike() {
    let spellings = ["http://a/b", "HTTP://A/b/", "http://a/b//"].map(|url| url.parse::<Backend>().unwrap());
    assert_eq!(std::collections::HashSet::from(spellings).len(), 1);
}

#[test]
fn reasons_are_read_back() {
    for reason in Reason::ALL {
        assert_eq!(reason.to_string().parse(), Ok(*reason));
    }
    assert!("Key".parse::<Reason>().is_err());
}
