//! Dot segments in paths.

/// Returns whether a server could read a `.` or `..` segment in `path`.
///
/// Servers differ in what they decode before they split a path into segments. So every spelling counts: encoded dots,
/// encoded slashes, backslashes as separators, and parameters behind a `;`.
///
/// ```text
/// /a/../b    yes
/// /..%2fx    yes, an encoded slash
/// /a/..;/b   yes, a segment with parameters
/// /a..b      no
/// ```
pub(super) fn has_dot_segment(path: &str) -> bool {
    if !path.contains(['.', '%']) {
        return false;
    }
    let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    decoded.split(['/', '\\']).any(is_dot_segment)
}

fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split_once(';').map_or(segment, |(name, _parameters)| name);
    matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::has_dot_segment;

    #[test]
    fn every_spelling_of_a_dot_segment_is_found() {
        for path in ["/..", "/a/./b", "/%2E%2e/x", "/..%2fx", "/..%5Cx", "/a/..;v=1/b", "/a\\..\\b", ".."] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["", "/", "/a/b", "/a..b", "/...", "/.well-known/x", "/%2e%2e%2e"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }
}
