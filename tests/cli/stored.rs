//! The documents that the program writes, compared with those that are stored here.
//!
//! After a change of the command line, `TRYCMD=overwrite cargo test --all-features --test cli` stores them again.

use std::path::Path;

use crate::program::{canary, finish};

/// Compares a document with the stored one, or stores it.
fn compare(name: &str, document: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stored").join(name);
    if std::env::var("TRYCMD").is_ok_and(|mode| mode == "overwrite") {
        std::fs::write(&file, document).unwrap();
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(document == stored, "{name} differs: see the documentation of this test");
}

fn written(arguments: &[&str]) -> String {
    let run = finish(&mut canary(arguments));
    assert_eq!(run.code, Some(0), "{run:?}");
    run.stdout
}

#[test]
fn man_page_is_the_stored_one() {
    compare("canary.1", &written(&["man"]));
}

#[test]
fn completions_are_the_stored_ones() {
    compare("canary.bash", &written(&["completions", "bash"]));
    compare("canary.fish", &written(&["completions", "fish"]));
}

#[test]
fn completions_for_each_shell_name_the_verbs() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = written(&["completions", shell]);
        assert!(script.contains("rollback") && script.contains("if-generation"), "{shell}");
    }
}

#[test]
fn each_verb_has_a_man_page() {
    let dir = tempfile::tempdir().unwrap();
    written(&["man", dir.path().join("man1").to_str().unwrap()]);
    let pages: Vec<String> = std::fs::read_dir(dir.path().join("man1"))
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["canary.1", "canary-weight.1", "canary-wait-drained.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    let text = std::fs::read_to_string(dir.path().join("man1/canary-weight.1")).unwrap();
    assert!(text.contains("130") && text.contains("canary weight auth v1.1 10"), "{text}");
}
