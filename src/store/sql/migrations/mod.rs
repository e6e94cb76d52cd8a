//! Creating the tables, and bringing them up to date.
//!
//! Each migration is one statement, because MySQL commits after every statement that defines something. There a process
//! may end between a table and the record that it was created, so each migration can be repeated. None says
//! `IF NOT EXISTS`: a table that these migrations did not create is reported, not used.

mod columns;
mod list;
mod run;
mod step;
mod tables;

pub use self::list::migrations;
pub use self::run::Migrations;
pub(crate) use self::run::prepare;
