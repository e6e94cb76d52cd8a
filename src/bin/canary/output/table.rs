//! Columns of text. Words are left, numbers are right, and two spaces are between.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::escape::escape;

/// The space between two columns.
const GAP: &str = "  ";

/// The most that a column reserves. A longer text stands out of its line, and does not spread the others.
const WIDEST: usize = 64;

/// A table with a line of headings.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// The heading and the side of a column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    is_right: bool,
}

/// A text that is safe to print, and its style.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

// === impl Column ===

impl Column {
    /// A column of words.
    pub(crate) const fn left(heading: &'static str) -> Self {
        Self { heading, is_right: false }
    }

    /// A column of numbers.
    pub(crate) const fn right(heading: &'static str) -> Self {
        Self { heading, is_right: true }
    }
}

// === impl Cell ===

impl Cell {
    /// The name of a service or a version.
    pub(crate) fn name(text: &str) -> Self {
        Self::styled(text, Style::new().bold())
    }

    /// A state in which all is well.
    pub(crate) fn good(text: &str) -> Self {
        Self::styled(text, AnsiColor::Green.on_default())
    }

    /// A state that will pass, or that someone should look at.
    pub(crate) fn watch(text: &str) -> Self {
        Self::styled(text, AnsiColor::Yellow.on_default())
    }

    /// A state that harms requests.
    pub(crate) fn bad(text: &str) -> Self {
        Self::styled(text, AnsiColor::Red.on_default())
    }

    /// Creates a cell, and escapes its text. Every cell is created here, so a table has no text that is not escaped.
    fn styled(text: &str, style: Style) -> Self {
        Self { text: escape(text).into_owned(), style }
    }

    /// Returns the text in its style.
    pub(crate) fn render(&self) -> String {
        if self.style.is_plain() {
            return self.text.clone();
        }
        format!("{0}{1}{0:#}", self.style, self.text)
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text.as_ref(), Style::new())
    }
}

// === impl Table ===

impl Table {
    /// Creates a table without rows.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Returns the lines, each with its line break.
    pub(crate) fn render(&self) -> String {
        let headings = self.columns.iter().map(|column| Cell::from(column.heading)).collect();
        let lines: Vec<&Vec<Cell>> = std::iter::once(&headings).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                lines
                    .iter()
                    .filter_map(|line| line.get(at))
                    .map(|cell| cell.text.width())
                    .max()
                    .unwrap_or(0)
                    .min(WIDEST)
            })
            .collect();
        lines.iter().map(|line| self.line(line, &widths)).collect()
    }

    /// Returns one line. The widths are of the text as it is shown, without the codes of its style.
    fn line(&self, cells: &[Cell], widths: &[usize]) -> String {
        let padded = cells.iter().zip(&self.columns).zip(widths).map(|((cell, column), width)| {
            let spaces = " ".repeat(width.saturating_sub(cell.text.width()));
            let text = cell.render();
            if column.is_right { format!("{spaces}{text}") } else { format!("{text}{spaces}") }
        });
        let line = padded.collect::<Vec<_>>().join(GAP);
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Table};

    #[test]
    fn words_are_left_and_numbers_right() {
        let mut table =
            Table::new(&[Column::left("VERSION"), Column::right("WEIGHT"), Column::left("STATE")]);
        table.row(vec!["v1.0".into(), "90 %".into(), "serving".into()]);
        table.row(vec!["2026.47-long".into(), "–".into(), "东京".into()]);
        let expected =
            "VERSION       WEIGHT  STATE\nv1.0            90 %  serving\n2026.47-long       –  东京\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn long_text_does_not_spread_the_other_lines() {
        let mut table = Table::new(&[Column::left("ACTOR"), Column::left("CHANGE")]);
        table.row(vec!["w".repeat(255).into(), "redraw".into()]);
        table.row(vec!["alice".into(), "switch".into()]);
        let text = table.render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], format!("{}  redraw", "w".repeat(255)));
        assert_eq!(lines[2], format!("{:<66}switch", "alice"));
    }

    #[test]
    fn styles_take_no_width_and_text_is_escaped() {
        let mut table = Table::new(&[Column::left("A"), Column::left("B")]);
        table.row(vec![Cell::name("x\u{1b}[2J"), "y".into()]);
        assert_eq!(table.render(), "A           B\n\u{1b}[1mx\\u{1b}[2J\u{1b}[0m  y\n");
    }
}
