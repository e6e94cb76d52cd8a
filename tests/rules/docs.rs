//! The guides name files, suites, atomics and options of the gateway example that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::architecture::{production_code, rust_files};

/// Names that stand for any file in a checklist.
const PLACEHOLDERS: [&str; 2] = ["src/store/sql/xyz.rs", "src/deployments/background/name.rs"];

#[test]
fn atomics_are_on_the_page() {
    let page = read("src/docs/concurrency.rs");
    let listed: BTreeSet<String> = files_named_in(&page).collect();
    let orderings =
        ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"].map(|order| format!("Ordering::{order}"));
    let source = root().join("src");
    let mut found = 0;
    for file in rust_files(&source) {
        let code = production_code(&std::fs::read_to_string(&file).unwrap());
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
        if !name.contains("tests/") && orderings.iter().any(|order| code.contains(order)) {
            assert!(listed.contains(&name), "docs::concurrency has no row for {name}");
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn files_named_in_the_guides_exist() {
    let folders = ["src", "tests", "examples", "benches"];
    let files: Vec<String> = folders.iter().flat_map(|folder| all_files(&root().join(folder))).collect();
    let mut pages = rust_files(&root().join("src/docs"));
    pages.push(root().join("README.md"));
    let mut found = 0;
    for page in pages {
        for name in files_named_in(&std::fs::read_to_string(&page).unwrap()) {
            let is_there = files.iter().any(|file| file.ends_with(&format!("/{name}")));
            assert!(is_there || PLACEHOLDERS.contains(&&*name), "{}: {name}", page.display());
            found += 1;
        }
    }
    assert!(found > 200, "{found}");
}

#[test]
fn each_suite_has_a_row() {
    let page = read("src/docs/testing.rs");
    for entry in std::fs::read_dir(root().join("tests")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("main.rs").exists() {
            let name = folder.file_name().unwrap().to_str().unwrap();
            assert!(page.contains(&format!("//! | `{name}` | ")), "docs::testing has no row for {name}");
        }
    }
}

#[test]
fn options_in_the_guides_exist() {
    let sources = rust_files(&root().join("examples/gateway"));
    let code: String = sources.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut found = 0;
    for page in ["src/docs/operating.rs", "src/docs/wire.rs"] {
        for option in read(page).lines().filter(|line| line.starts_with("//! | `--")).flat_map(options_in) {
            let field = format!("{}: ", option.replace('-', "_"));
            let is_there = code.contains(&field) || code.contains(&format!("long = \"{option}\""));
            assert!(is_there, "{page}: --{option}");
            found += 1;
        }
    }
    assert!(found >= 12, "{found}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The paths of Rust files in code spans and in links: `a/{b,c}.rs` is two.
fn files_named_in(text: &str) -> impl Iterator<Item = String> {
    let spans = text.split(['`', '(', ')']);
    spans.filter(|span| span.ends_with(".rs") && span.chars().all(is_part_of_path)).flat_map(expand)
}

fn is_part_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '{' | '}' | ',' | '.')
}

/// Writes out a path with a group in braces.
fn expand(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let Some((group, after)) = rest.split_once('}') else { return vec![path.to_owned()] };
    group.split(',').map(|name| format!("{before}{name}{after}")).collect()
}

/// The long options in the first cell of a row.
fn options_in(row: &str) -> Vec<String> {
    let cell = row.split('|').nth(1).unwrap_or_default();
    let spans = cell.split('`').filter_map(|span| span.strip_prefix("--"));
    spans.map(|span| span.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn all_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() { all_files(&path) } else { vec![path.to_str().unwrap().replace('\\', "/")] }
        })
        .collect()
}
