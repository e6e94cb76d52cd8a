//! Logs at the trace level, including the logs of dependencies.

use std::collections::BTreeMap;

use crate::logged::{CREDENTIAL, FORGED, log_under_attack};

/// Returns the crate that logged `line`, or `none` if it is not recognizable.
fn crate_of(line: &str) -> &str {
    let target = line.split_whitespace().find(|word| is_target(word));
    target.and_then(|target| target.split("::").next()).unwrap_or("none")
}

/// Returns whether `word` has the form of a target at the start of a message, such as `hyper::proto::h1:`.
fn is_target(word: &str) -> bool {
    word.contains("::") && word.ends_with(':') && word.bytes().all(is_target_byte)
}

const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b':')
}

// The lines of this crate and of the gateway have no credential either.
#[tokio::test]
#[ignore = "a campaign"]
async fn full_trace_log_has_no_injection() {
    let log = log_under_attack(Some("trace")).await;
    let mut lines = BTreeMap::<_, usize>::new();
    let mut leaks = BTreeMap::<_, usize>::new();
    for line in log.lines() {
        *lines.entry(crate_of(line)).or_default() += 1;
        let is_forged = line.contains(char::is_control) || line.starts_with(FORGED);
        if is_forged || line.contains(CREDENTIAL) {
            *leaks.entry(crate_of(line)).or_default() += 1;
            println!("{line:?}");
        }
    }
    println!("lines by crate {lines:?}; of them with a secret or a control character {leaks:?}");
    assert!(lines.contains_key("tower_canary"), "{lines:?}");
    assert!(!leaks.contains_key("tower_canary") && !leaks.contains_key("gateway"), "{leaks:?}");
}
