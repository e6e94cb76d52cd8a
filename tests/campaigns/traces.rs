//! The most that can be logged, that of the crates beneath included.

use std::collections::BTreeMap;

use crate::logged::{CREDENTIAL, FORGED, log_under_attack};

/// The crate that logged `line`; none, where nobody can tell.
fn crate_of(line: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte);
    let is_target = |word: &&str| word.contains("::") && word.ends_with(':') && word.bytes().all(is_plain);
    let target = line.split_whitespace().find(is_target);
    target.and_then(|target| target.split("::").next()).unwrap_or("none")
}

#[tokio::test]
#[ignore = "a campaign"]
async fn at_the_level_of_traces_the_log_has_nothing_of_an_attacker_as_it_was_sent_and_no_credential_of_ours()
{
    let log = log_under_attack(Some("trace")).await;
    let (mut lines, mut told) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
    for line in log.lines() {
        *lines.entry(crate_of(line)).or_default() += 1;
        let is_evil = line.contains(char::is_control) || line.starts_with(FORGED);
        if is_evil || line.contains(CREDENTIAL) {
            *told.entry(crate_of(line)).or_default() += 1;
            println!("{line:?}");
        }
    }
    println!("lines by crate {lines:?}; of them with a credential or what steers a terminal {told:?}");
    assert!(lines.contains_key("tower_canary"), "{lines:?}");
    assert!(!told.contains_key("tower_canary") && !told.contains_key("gateway"), "{told:?}");
}
