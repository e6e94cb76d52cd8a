//! A split as text.

use tower_canary::api::{SplitView, VersionView};

use crate::escape::escape;
use crate::output::figures::ago;
use crate::output::{Cell, Column, Table};

/// Returns the title and the versions.
pub(crate) fn text(split: &SplitView) -> String {
    title(split) + &table(split)
}

/// Returns a line with the service, its generation and who changed it last.
pub(crate) fn title(split: &SplitView) -> String {
    let service = Cell::name(&split.service).render();
    let changed = match &split.last_change {
        Some(last) => format!("  changed by {} {}", escape(&last.actor), ago(last.at)),
        None => String::new(),
    };
    format!("{service}  generation {}{changed}\n", split.generation)
}

/// Returns the versions with their weights and URLs.
pub(crate) fn table(split: &SplitView) -> String {
    let mut table = Table::new(&[
        Column::left("VERSION"),
        Column::right("WEIGHT"),
        Column::left("STATE"),
        Column::left("URLS"),
    ]);
    for version in &split.versions {
        let state = if version.is_active { Cell::good("active") } else { Cell::watch("inactive") };
        table.row(vec![Cell::name(&version.version), weight(version).into(), state, urls(version).into()]);
    }
    table.render()
}

/// Returns a weight in percent.
pub(crate) fn weight(version: &VersionView) -> String {
    format!("{} %", version.weight)
}

/// Returns the first URL and the number of others.
fn urls(version: &VersionView) -> String {
    match version.urls.len() {
        0 | 1 => version.url.clone(),
        count => format!("{} and {} more", version.url, count - 1),
    }
}
