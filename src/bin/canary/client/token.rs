//! The token of the sender.

use std::io::{Read, stdin};
use std::path::Path;

use reqwest::header::HeaderValue;

use crate::failure::Failure;

/// The variable with the token itself.
const VARIABLE: &str = "CANARY_TOKEN";

/// The longest token that is read.
const MAX_LEN: u64 = 64 * 1024;

/// Returns the value of `Authorization`. `None`: there is no token.
///
/// With `file_overrides_variable` a token in `CANARY_TOKEN` is ignored if there is a file. Without, both are a wrong usage.
pub(super) fn authorization(
    file: Option<&Path>,
    file_overrides_variable: bool,
) -> Result<Option<HeaderValue>, Failure> {
    let variable = std::env::var_os(VARIABLE).filter(|token| !token.is_empty());
    let token = match (file, variable) {
        (Some(_), Some(_)) if !file_overrides_variable => {
            return Err(Failure::usage("CANARY_TOKEN and CANARY_TOKEN_FILE are both set: use one of them"));
        }
        (Some(file), _) => read(file)?,
        (None, Some(token)) => token.into_string().map_err(|_| unusable())?,
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Creates the failure for a token that no header can have. The token is not repeated.
fn unusable() -> Failure {
    Failure::usage("the token has a character that a token cannot have")
}

/// Reads a token from a file, or from stdin for `-`. A file that is much longer than a token is not read to
/// its end.
fn read(file: &Path) -> Result<String, Failure> {
    let mut token = String::new();
    let result = if file == Path::new("-") {
        stdin().take(MAX_LEN).read_to_string(&mut token)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MAX_LEN).read_to_string(&mut token))
    };
    result
        .map_err(|error| Failure::usage(format!("cannot read the token from {}: {error}", file.display())))?;
    if token.trim().is_empty() {
        return Err(Failure::usage(format!("{} has no token", file.display())));
    }
    Ok(token)
}
