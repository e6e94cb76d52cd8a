//! How to fix what does not pass by itself, where several errors have the same remedy.

/// For a server that accepts no changes.
pub(super) const READ_ONLY: &str =
    "it is read-only: name the primary server, or wait until the address leads to the new one";

/// For a database that has no room left.
pub(super) const DISK_FULL: &str = "the disk is full: make room";

/// For a database without the tables of the store.
pub(super) const TABLES: &str =
    "its tables are missing or were changed: run the migrations, and check the schema that the URL selects";

/// For a database that does not store all characters.
pub(super) const UNSTORABLE: &str = "it does not store all characters: create it with the encoding UTF-8";

/// For a connection whose encryption cannot be set up.
pub(super) const TLS: &str =
    "TLS failed: check the certificate of the server, and that the CA file of the URL has its issuer";

/// For files that are read to set up the encryption.
pub(super) const TLS_FILES: &str =
    "check that the CA, certificate and key files that the URL names exist, can be read and belong together";
