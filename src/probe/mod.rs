//! Probing versions over HTTP, and which addresses may be reached at all.
