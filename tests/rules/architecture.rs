//! The dependencies between modules: which module may use which, and no cycles between modules or files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The rooms that each room may use. Every room may use `common`, and `docs` may link to all of them.
///
/// `store::sql` is a room of its own: it could leave the crate, since it uses public items only.
fn may_use() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("common", &[][..]),
        ("docs", &[]),
        ("routing", &[]),
        ("health", &["routing"]),
        ("balance", &["routing"]),
        ("traffic", &["routing"]),
        ("handle", &["routing", "traffic", "health", "balance"]),
        ("layer", &["routing", "traffic", "handle", "balance"]),
        ("mirror", &["routing", "traffic", "handle", "layer"]),
        ("proxy", &["layer", "traffic"]),
        ("rollout", &["routing", "traffic"]),
        ("rollout/driver", &["routing", "traffic", "handle", "store", "deployments", "rollout"]),
        ("store", &["routing"]),
        ("store/sql", &["routing", "store"]),
        ("deployments", &["routing", "handle", "health", "store", "traffic"]),
        ("metrics", &["routing", "handle", "health", "store", "traffic", "deployments", "rollout"]),
        ("probe", &["routing", "deployments", "rollout"]),
        ("upstream", &["routing", "probe"]),
        ("api", &["routing", "handle", "health", "store", "traffic", "deployments", "rollout"]),
        ("console", &[]),
        ("admin", &["routing", "handle", "health", "store", "deployments", "traffic", "rollout", "api"]),
    ])
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let allowed = may_use();
    let mut forbidden = Vec::new();
    for file in source_files() {
        let room = file.room();
        let own = allowed.get(room).unwrap_or_else(|| panic!("{room} has no place in the house"));
        for used in file.rooms_used() {
            if used != room && used != "common" && !own.contains(&used.as_str()) {
                forbidden.push(format!("{} uses {used}", file.name));
            }
        }
    }
    assert_eq!(forbidden, [""; 0]);
}

#[test]
fn rooms_form_no_circle() {
    let rooms = may_use();
    let graph =
        rooms.iter().map(|(room, used)| (room.to_string(), used.iter().map(ToString::to_string).collect()));
    assert_eq!(circle(&graph.collect()), None);
}

#[test]
fn files_form_no_circle() {
    let files = source_files();
    let names: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
    let graph = files.iter().map(|file| (file.name.clone(), file.files_used(&names))).collect();
    assert_eq!(circle(&graph), None);
}

/// The command line is a client: the JSON of the API, and the rules for names and weights, are all that it needs.
#[test]
fn program_uses_the_api_and_the_names_alone() {
    for (file, text) in program_files() {
        let used = paths_after(&text, "tower_canary::");
        let others: Vec<_> = used.iter().filter(|room| !matches!(room.as_str(), "api" | "routing")).collect();
        assert!(others.is_empty(), "{file} uses {others:?}");
    }
}

#[test]
fn rooms_of_the_program_form_no_circle() {
    let mut graph = Graph::new();
    for (file, text) in program_files() {
        let room = file.split(['/', '.']).next().unwrap_or_default().to_owned();
        let used = paths_after(&text, "crate::").into_iter().filter(|used| *used != room);
        graph.entry(room.clone()).or_default().extend(used);
    }
    assert_eq!(circle(&graph), None);
}

/// The files of the command line, by their paths below its folder, with their code.
fn program_files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/canary");
    let read = rust_files(&folder).into_iter().map(|path| {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
        (name, production_code(&std::fs::read_to_string(&path).unwrap()))
    });
    read.collect()
}

/// A file that imports a re-export of its own `mod.rs` depends on its parent, which is a cycle.
#[test]
fn files_do_not_use_their_face() {
    let mut upward = Vec::new();
    for file in source_files().iter().filter(|file| !file.name.ends_with("mod.rs")) {
        let siblings = modules_below(parent(&file.name));
        for item in paths_after(&file.text, "super::") {
            if !siblings.contains(&item) && item != "super" {
                upward.push(format!("{} uses super::{item}", file.name));
            }
        }
        let room = file.room();
        let face = format!("crate::{}::", room.replace('/', "::"));
        let modules = modules_below(room);
        for item in paths_after(&file.text, &face) {
            if !modules.contains(&item) {
                upward.push(format!("{} uses {face}{item}", file.name));
            }
        }
    }
    assert_eq!(upward, [""; 0]);
}

#[test]
fn faces_only_declare_and_re_export() {
    let mut defined = Vec::new();
    for file in source_files().iter().filter(|file| file.name.ends_with("mod.rs")) {
        for line in file.text.lines() {
            let words = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let defines =
                ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<", "const ", "static ", "type "];
            if defines.iter().any(|keyword| words.starts_with(keyword)) {
                defined.push(format!("{}: {}", file.name, line.trim()));
            }
        }
    }
    assert_eq!(defined, [""; 0]);
}

/// A source file without its comments and inline tests, named by its path below `src`.
struct SourceFile {
    name: String,
    text: String,
}

impl SourceFile {
    fn room(&self) -> &str {
        match self.name.split('/').collect::<Vec<_>>()[..] {
            ["store", "sql", ..] => "store/sql",
            ["rollout", "driver", ..] => "rollout/driver",
            [room, ..] => room,
            [] => "",
        }
    }

    fn rooms_used(&self) -> BTreeSet<String> {
        let in_store = paths_after(&self.text, "crate::store::").contains("sql");
        let used = paths_after(&self.text, "crate::").into_iter();
        used.filter(|room| room.starts_with(char::is_lowercase))
            .chain(in_store.then(|| "store/sql".to_owned()))
            .collect()
    }

    /// The files of its room that it names. A `mod.rs` declares its children and does not use them.
    fn files_used(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        if self.name.ends_with("mod.rs") {
            return BTreeSet::new();
        }
        let folder = parent(&self.name);
        let room = self.room();
        let beside =
            paths_after(&self.text, "super::").into_iter().map(|module| format!("{folder}/{module}"));
        let above = paths_after(&self.text, "super::super::");
        let above = above.into_iter().map(|module| format!("{}/{module}", parent(folder)));
        let by_name = paths_after(&self.text, &format!("crate::{}::", room.replace('/', "::")));
        let by_name = by_name.into_iter().map(|module| format!("{room}/{module}"));
        let modules = beside.chain(above).chain(by_name);
        let files = modules.flat_map(|module| [format!("{module}.rs"), format!("{module}/mod.rs")]);
        files.filter(|name| names.contains(name) && *name != self.name).collect()
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn source_files() -> Vec<SourceFile> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source)
        .into_iter()
        .filter(|path| !path.ends_with("lib.rs") && !path.starts_with(source.join("bin")));
    let read = files.map(|path| SourceFile {
        name: path.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/"),
        text: production_code(&std::fs::read_to_string(&path).unwrap()),
    });
    read.collect()
}

/// The lines without comments and documentation, up to the inline tests at the end.
pub(super) fn production_code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines =
        code.lines().filter(|line| !line.trim_start().starts_with("//") && !line.contains("doc = \""));
    lines.collect::<Vec<_>>().join("\n")
}

fn modules_below(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The first name of each path after `prefix`, also in a group in braces.
fn paths_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let is_inner = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            _ if is_inner => {}
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

/// The first names of the entries of a group, without the groups inside of it.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut entry_starts = true;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => entry_starts = true,
            _ if entry_starts && !character.is_whitespace() => {
                heads.extend(head(&group[at..]));
                entry_starts = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> Option<String> {
    let name = path.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The members of the cycles of `graph`: removes files that use nothing or are used by nothing until none is left to remove.
fn circle(graph: &Graph) -> Option<BTreeSet<String>> {
    let mut left: BTreeSet<String> = graph.keys().cloned().collect();
    loop {
        let used: BTreeSet<&String> = left.iter().flat_map(|name| &graph[name]).collect();
        let in_circle = left
            .iter()
            .filter(|name| used.contains(name) && graph[*name].iter().any(|other| left.contains(other)));
        let next: BTreeSet<String> = in_circle.cloned().collect();
        if next.len() == left.len() {
            return (!left.is_empty()).then_some(left);
        }
        left = next;
    }
}

pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path: PathBuf| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}
