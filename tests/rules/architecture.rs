//! Who may use whom: data runs one way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each room may use of the others. Every room may use `common`.
fn may_use() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("common", &[][..]),
        ("routing", &[]),
        ("traffic", &["routing"]),
        ("handle", &["routing", "traffic"]),
        ("layer", &["routing", "traffic", "handle"]),
        ("proxy", &["layer", "traffic"]),
        ("store", &["routing"]),
        ("deployments", &["routing", "handle", "store", "traffic"]),
        ("metrics", &["routing", "handle", "store", "traffic", "deployments"]),
        ("probe", &["routing", "deployments"]),
        ("api", &["routing", "handle", "store", "traffic", "deployments"]),
        ("admin", &["routing", "handle", "store", "deployments", "traffic", "api"]),
    ])
}

#[test]
fn no_room_of_the_house_uses_one_that_it_may_not() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed = may_use();
    let mut forbidden = Vec::new();
    for path in rust_files(&source) {
        let room = room_of(path.strip_prefix(&source).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        for used in text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(rooms_used) {
            let own =
                allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no place in the house"));
            if used != room && used != "common" && !own.contains(&used.as_str()) {
                forbidden.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert_eq!(forbidden, [""; 0]);
}

fn room_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn rooms_used(line: &str) -> Vec<String> {
    let after = |part: &str| {
        part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    line.split("crate::")
        .skip(1)
        .map(after)
        .filter(|room| room.chars().next().is_some_and(char::is_lowercase))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inside = |path: PathBuf| if path.is_dir() { rust_files(&path) } else { vec![path] };
    entries
        .flat_map(inside)
        .filter(|path| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("lib.rs"))
        .collect()
}
