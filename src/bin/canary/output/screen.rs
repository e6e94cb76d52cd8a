//! The whole screen of a terminal, painted again with each event.

use super::terminal::Terminal;

/// The alternate screen without a cursor. Long lines are cut.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// Gives the terminal back: lines wrap again, the cursor is shown, and the text from before returns.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Shows one picture after the other. On a terminal they replace each other, elsewhere they follow each other.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    terminal: &'a Terminal,
    is_whole: bool,
}

impl<'a> Screen<'a> {
    /// Takes the whole screen, if stdout is a terminal. Otherwise each frame is written below the one before.
    pub(crate) fn open(terminal: &'a Terminal) -> Self {
        let is_whole = terminal.is_interactive();
        if is_whole {
            terminal.raw(ENTER);
        }
        Self { terminal, is_whole }
    }

    /// Paints a picture in one write, so that no half of one is seen.
    pub(crate) fn paint(&self, picture: &str) {
        if self.is_whole {
            let rows = console::Term::stdout().size_checked().map_or(usize::MAX, |(rows, _)| rows.into());
            self.terminal.raw(&frame(&coloured(picture), rows));
        } else {
            self.terminal.print(picture);
        }
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.is_whole {
            self.terminal.raw(LEAVE);
        }
    }
}

/// Removes the styles if they are not wanted. The sequences that move the cursor are needed in any case.
fn coloured(picture: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(picture).to_string(),
        _ => picture.to_owned(),
    }
}

/// Returns what paints the first `rows` lines of `picture`: cursor home, each line to its end, then clear the rest.
fn frame(picture: &str, rows: usize) -> String {
    let mut frame = String::from("\x1b[H");
    for (at, line) in picture.lines().take(rows).enumerate() {
        frame.push_str(if at == 0 { "" } else { "\r\n" });
        frame.push_str(line);
        frame.push_str("\x1b[K");
    }
    frame.push_str("\x1b[J");
    frame
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn frame_replaces_the_one_before() {
        assert_eq!(frame("a\nb\nc\n", 2), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
        assert_eq!(frame("", 24), "\x1b[H\x1b[J");
    }
}
