//! What is logged, whoever wants what in the log.

use crate::logged::{CREDENTIAL, FORGED, log_of_attacks};

/// Every line begins with the time, and none has what a terminal obeys or what nobody may know.
fn assert_clean(log: &str) {
    for line in log.lines() {
        assert!(line.starts_with("20") && !line.starts_with(FORGED), "{line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}']), "{line:?}");
        assert!(!line.contains(CREDENTIAL), "{line:?}");
    }
}

#[tokio::test]
async fn by_default_no_line_is_forged_no_terminal_is_steered_and_no_credential_is_told() {
    let log = log_of_attacks(None).await;
    assert_clean(&log);
    assert!(log.contains("a request to a backend failed"), "{log}");
}

#[tokio::test]
async fn nor_where_all_that_the_gateway_and_the_library_have_to_say_is_logged() {
    let log = log_of_attacks(Some("tower_canary=trace,gateway=trace")).await;
    assert_clean(&log);
    for expected in
        ["a request to a backend failed", "split changed", "not authenticated", r"\u{2028}2001-01-01"]
    {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
}
