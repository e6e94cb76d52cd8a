//! The Dockerfile and the unit of the gateway: what they build, copy and start is there.

use std::process::Command;

use serde_json::Value;

use crate::launch::bare_command;

const DOCKERFILE: &str = include_str!("../../examples/deploy/Dockerfile");
const UNIT: &str = include_str!("../../examples/deploy/gateway.service");

/// Returns the words of `cargo build` lines after `option`, separated by commas or not.
fn built(option: &str) -> Vec<&'static str> {
    let words: Vec<&str> = DOCKERFILE.split_whitespace().collect();
    let values = words.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1]);
    values.flat_map(|value| value.split(',')).collect()
}

fn manifest() -> Value {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"][0].clone()
}

fn targets(manifest: &Value, kind: &str) -> Vec<String> {
    let targets = manifest["targets"].as_array().unwrap().iter().filter(|target| target["kind"][0] == kind);
    targets.map(|target| target["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn image_is_built_from_what_the_manifest_has() {
    let manifest = manifest();
    for (option, kind) in [("--example", "example"), ("--bin", "bin")] {
        let [name] = built(option)[..] else { panic!("{option}: {:?}", built(option)) };
        assert!(targets(&manifest, kind).iter().any(|target| target == name), "{name}");
        let file = if kind == "example" { format!("examples/{name} ") } else { format!("{name} ") };
        assert!(DOCKERFILE.contains(&format!("/src/target/release/{file}")), "{name} is not copied");
    }
    let features = built("--features");
    assert_eq!(features, ["postgres", "mysql", "cli"]);
    assert!(features.iter().all(|feature| !manifest["features"][feature].is_null()));
    let base = format!("FROM rust:{}-", manifest["rust_version"].as_str().unwrap());
    assert!(DOCKERFILE.starts_with(&base) || DOCKERFILE.contains(&format!("\n{base}")), "{base}");
}

/// The options come before `--help`, which ends the program once all of them are known.
fn are_options(program: &str, words: &[String]) {
    let (first, options) = words.split_first().unwrap();
    assert_eq!(first, program);
    let output = bare_command().args(options).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn image_and_unit_start_the_gateway_with_its_options() {
    let entry = DOCKERFILE.lines().find_map(|line| line.strip_prefix("ENTRYPOINT ")).unwrap();
    are_options("gateway", &serde_json::from_str::<Vec<String>>(entry).unwrap());
    let start = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<String> = start.split_whitespace().map(ToOwned::to_owned).collect();
    are_options("/usr/local/bin/gateway", &words);
}
