//! The page as one text, its policy and its entity tag.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page.html");

/// The order decides between rules of the same weight.
const STYLE: &str = concat!(
    include_str!("style/tokens.css"),
    include_str!("style/base.css"),
    include_str!("style/frame.css"),
    include_str!("style/service.css"),
    include_str!("style/narrow.css"),
);

/// Joined in one function, so that no name is global. Each file uses names of those before it when it is read, and of all
/// when it runs.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("script/dom.js"),
    include_str!("script/format.js"),
    include_str!("script/derive.js"),
    include_str!("script/change.js"),
    include_str!("script/api.js"),
    include_str!("script/state.js"),
    include_str!("script/send.js"),
    include_str!("script/draft.js"),
    include_str!("script/act.js"),
    include_str!("script/read.js"),
    include_str!("script/live.js"),
    include_str!("script/view/parts.js"),
    include_str!("script/view/frame.js"),
    include_str!("script/view/notices.js"),
    include_str!("script/view/door.js"),
    include_str!("script/view/split.js"),
    include_str!("script/view/rail.js"),
    include_str!("script/view/rollout.js"),
    include_str!("script/view/weight.js"),
    include_str!("script/view/draft.js"),
    include_str!("script/view/versions.js"),
    include_str!("script/view/aside.js"),
    include_str!("script/view/dialogs.js"),
    include_str!("script/view/forms.js"),
    include_str!("script/main.js"),
    "})();\n",
);

/// The page of one console, made once when it is mounted. So the hashes of the policy always fit the text.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: Bytes,
    /// `None` only if the text could not be compressed.
    pub(super) gzipped: Option<Bytes>,
    pub(super) policy: String,
    /// A hash of the text, for entity tags.
    pub(super) hash: String,
}

impl Page {
    /// Makes the page for the admin API at `api`, and the application's page to sign in at `login`, if that is not empty.
    pub(super) fn new(api: &str, login: &str) -> Self {
        let style = without_spaces(&without_layout(STYLE));
        let script = without_layout(SCRIPT);
        let html = HTML
            .replace('\r', "")
            .replace("{api}", api)
            .replace("{login}", login)
            .replace("{style}", &style)
            .replace("{script}", &script);
        Self {
            gzipped: gzip(html.as_bytes()),
            policy: policy(&style, &script),
            hash: URL_SAFE_NO_PAD.encode(Sha256::digest(&html)),
            html: html.into(),
        }
    }
}

/// Returns the text without indentation, blank lines, lines that are a comment, and line ends after a mark that needs none,
/// which only a reader of the sources needs.
///
/// This is safe because no string and no comment of the sources continues in the next line, which a test checks. The line ends
/// become `\n`, whatever they are in a checkout: a browser normalizes them before it compares the hash of the policy.
fn without_layout(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_comment(line));
    lines.flat_map(|line| [line, if is_continued(line) { "" } else { "\n" }]).collect()
}

/// Returns whether the next line may follow on the same one: no statement ends here without a semicolon, and no comment.
fn is_continued(line: &str) -> bool {
    line.ends_with(['{', '(', '[', ',', ';']) && !line.contains("//")
}

/// Returns whether the whole line is a comment of a script or of a style.
fn is_comment(line: &str) -> bool {
    line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"))
}

/// Returns the style without the spaces and line ends beside its marks, and without the last mark of a rule.
///
/// This is safe because no selector ends in a colon, and no string has a mark, which a test checks.
fn without_spaces(style: &str) -> String {
    let mut text = style.replace('\n', " ");
    for mark in ["{", "}", ";", ",", ">"] {
        text = text.replace(&format!(" {mark}"), mark).replace(&format!("{mark} "), mark);
    }
    text.replace(": ", ":").replace(";}", "}")
}

/// Returns the content security policy. It allows the style and the script of this page by their hashes, and
/// nothing else: an injected script does not run.
fn policy(style: &str, script: &str) -> String {
    let [style, script] = [style, script].map(|text| STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    )
}

/// Compresses the page, once for all requests.
fn gzip(text: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).ok()?;
    Some(encoder.finish().ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::{SCRIPT, STYLE, without_layout, without_spaces};

    #[test]
    fn layout_is_left_out() {
        let source =
            "// A comment.\r\n\r\n  if (a) {\r\n\treturn \"// no comment\"; // a remark;\n  }\n\tb();\n";
        assert_eq!(without_layout(source), "if (a) {return \"// no comment\"; // a remark;\n}\nb();");
        let style = "/* Colours. */\n.a { color: red; } /* a remark */\n";
        assert_eq!(without_layout(style), ".a { color: red; } /* a remark */\n");
    }

    #[test]
    fn spaces_beside_marks_are_left_out() {
        let style = ".a > b:not(.c) .d,\n:root .e { margin: 0 calc(1px + 2px); content: \"\"; }\n@media (width: 1px) {\n.f { top: 0; }\n}\n";
        let expected =
            ".a>b:not(.c) .d,:root .e{margin:0 calc(1px + 2px);content:\"\"}@media (width:1px){.f{top:0}}";
        assert_eq!(without_spaces(style), expected);
    }

    #[test]
    fn no_string_of_the_style_has_a_mark_and_a_space() {
        for string in STYLE.split('"').skip(1).step_by(2) {
            assert!(!string.contains(|mark| "{};,>:".contains(mark)), "{string}");
        }
        for line in STYLE.lines() {
            assert!(!line.trim_end().ends_with(':'), "{line}");
        }
    }

    #[test]
    fn no_string_and_no_comment_has_two_lines() {
        for line in SCRIPT.lines() {
            assert!(!line.ends_with('\\'), "{line}");
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
            assert!(!line.contains("/*") && !line.contains("*/"), "{line}");
        }
        for line in STYLE.lines() {
            assert!(!line.ends_with('\\'), "{line}");
            assert_eq!(line.matches("/*").count(), line.matches("*/").count(), "{line}");
        }
    }
}
