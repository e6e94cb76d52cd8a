//! Log lines under attack.

use crate::logged::{CREDENTIAL, FORGED, log_under_attack};

/// Every line starts with the time and contains no control character and no secret.
fn assert_clean(log: &str) {
    for line in log.lines() {
        assert!(line.starts_with("20") && !line.starts_with(FORGED), "{line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}']), "{line:?}");
        assert!(!line.contains(CREDENTIAL), "{line:?}");
    }
}

// The log is also free of credentials.
#[tokio::test]
async fn default_log_is_free_of_injection() {
    let log = log_under_attack(None).await;
    assert_clean(&log);
    assert!(log.contains("a request to a backend failed"), "{log}");
    assert!(log.contains("split changed"), "{log}");
}

// The log is also free of credentials.
#[tokio::test]
async fn trace_log_is_free_of_injection() {
    let log = log_under_attack(Some("tower_canary=trace,gateway=trace")).await;
    assert_clean(&log);
    for expected in
        ["a request to a backend failed", "split changed", "not authenticated", r"\u{2028}2001-01-01"]
    {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
}
