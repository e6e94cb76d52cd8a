//! What the program writes: answers on stdout, everything else on stderr.

pub(crate) mod figures;
mod progress;
mod screen;
mod table;
mod terminal;

pub(crate) use self::progress::Progress;
pub(crate) use self::screen::Screen;
pub(crate) use self::table::{Cell, Column, Table};
pub(crate) use self::terminal::Terminal;
