//! The store in a SQL database.
