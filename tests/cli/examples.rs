//! The examples in the help of each verb run.

use std::process::Command;

use crate::harness::Gateway;
use crate::program::{CANARY, canary, finish};

/// Returns the verbs in the help of `command`, as lists of words.
fn verbs(command: &[&str]) -> Vec<Vec<String>> {
    let help = help(&command.iter().map(ToString::to_string).collect::<Vec<_>>());
    let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(|name| [command, &[name]].concat().iter().map(ToString::to_string).collect()).collect()
}

fn help(words: &[String]) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = finish(&mut canary(&[&words[..], &["--help"]].concat()));
    assert_eq!(run.code, Some(0), "{run:?}");
    run.stdout
}

/// Returns the lines below `Example:` or `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| !matches!(*line, "Example:" | "Examples:")).skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned()).collect()
}

/// Runs lines in a shell with the address and the token of a gateway of their own.
fn run(verb: &[String], lines: &[String]) {
    let gateway = Gateway::start(&[]);
    let folder = std::path::Path::new(CANARY).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-eu", "-c", &lines.join("\n")])
        .env("PATH", path)
        .env("CANARY_URL", &gateway.admin)
        .env("CANARY_TOKEN", &gateway.token)
        .output()
        .unwrap();
    assert!(output.status.success(), "{verb:?} {lines:?} {output:?}");
}

fn check(verb: &[String]) {
    let lines = examples(&help(verb));
    let name = format!("canary {}", verb.join(" "));
    assert!(lines.iter().any(|line| line.starts_with(&name)), "{name} has no example: {lines:?}");
    run(verb, &lines);
}

#[test]
fn every_verb_has_examples_that_run() {
    let groups = ["rollout", "wait"];
    let mut all = verbs(&[]);
    assert!(all.len() >= 20, "{all:?}");
    all.retain(|verb| !groups.contains(&verb[0].as_str()));
    all.extend(groups.iter().flat_map(|group| verbs(&[group])));
    for verb in all {
        check(&verb);
    }
}

#[test]
fn examples_of_the_program_run() {
    let lines = examples(&help(&[]));
    assert_eq!(lines.len(), 3, "{lines:?}");
    // The last one goes back, so something must have moved.
    run(&[], &[&lines[..2], &["canary switch auth v1.1".into()], &lines[2..]].concat());
}
