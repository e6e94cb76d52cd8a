//! The console sessions of the manual, each against a gateway of its own.

use crate::harness::Gateway;
use crate::program::CANARY;

fn run(session: &str) {
    let gateway = Gateway::start(&["--name", "gateway-1"]);
    let cases = trycmd::TestCases::new();
    cases.env("CANARY_URL", &gateway.admin).env("CANARY_TOKEN", &gateway.token);
    cases.env("NO_COLOR", "1");
    cases.register_bin("canary", std::path::PathBuf::from(CANARY));
    cases.case(format!("tests/cli/{session}.md"));
    cases.run();
}

#[test]
fn canary_by_hand() {
    run("by_hand");
}

#[test]
fn new_version() {
    run("new_version");
}

#[test]
fn scripts() {
    run("scripts");
}

#[test]
fn refusals() {
    run("refusals");
}

#[test]
fn rollout() {
    run("rollout");
}

#[test]
fn help() {
    run("help");
}
