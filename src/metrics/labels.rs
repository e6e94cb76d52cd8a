//! Labels of series.

use metrics::{Label, SharedString};

/// Creates a label with a value of the store.
pub(super) fn label(name: &'static str, value: &str) -> Label {
    Label::new(SharedString::const_str(name), value.to_owned())
}
