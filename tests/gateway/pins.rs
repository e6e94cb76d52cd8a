//! Pin cookies and the secrets that sign them, over restarts of the gateway.

use std::path::Path;
use std::time::Duration;

use http::Request;

use crate::backends::{Backend, named_backend};
use crate::harness::{Gateway, empty};
use crate::launch::command;

const TOKENS: &str = "tokens tokens tokens tokens tokens";
const OTHER_TOKENS: &str = "others others others others others";
const PINS: &str = "pins, which has a comma, at least 32 bytes";

/// Starts a gateway that pins users, with these variables.
fn pinning(dir: &Path, variables: &[(&str, &str)]) -> Gateway {
    let mut command = command(dir);
    command.envs(variables.iter().copied());
    Gateway::run(command, &["--no-demo", "--pin-cookie", "pin"])
}

/// Splits requests evenly between two versions.
async fn split(gateway: &Gateway) -> Vec<Backend> {
    let mut backends = Vec::new();
    for name in ["v1", "v2"] {
        let backend = named_backend(name, Duration::ZERO).await;
        gateway.register("auth", name, &backend.url).await;
        backends.push(backend);
    }
    gateway.set_weight("auth", "v2", 50.0).await;
    backends
}

/// Returns the cookie that a user gets.
async fn pinned(gateway: &Gateway) -> String {
    let set = gateway.get("/auth/").await.headers["set-cookie"].to_str().unwrap().to_owned();
    set.split(';').next().unwrap().to_owned()
}

/// Returns whether the cookie still pins its user.
async fn holds(gateway: &Gateway, cookie: &str) -> bool {
    let request = Request::get(gateway.url("/auth/")).header("cookie", cookie).body(empty()).unwrap();
    !gateway.send(request).await.headers.contains_key("set-cookie")
}

#[tokio::test]
async fn new_secrets_move_no_pinned_user() {
    let dir = tempfile::tempdir().unwrap();
    let first = pinning(dir.path(), &[("CANARY_JWT_SECRET", TOKENS)]);
    let _backends = split(&first).await;
    let of_tokens = pinned(&first).await;
    drop(first);

    let file = dir.path().join("pins");
    std::fs::write(&file, format!("{PINS}\n")).unwrap();
    let file = file.to_str().unwrap();
    let variables = [("CANARY_PIN_SECRET_FILE", file), ("CANARY_EARLIER_PIN_SECRETS", TOKENS)];
    let second = pinning(dir.path(), &variables);
    assert!(holds(&second, &of_tokens).await);
    let of_pins = pinned(&second).await;
    drop(second);

    let variables = [("CANARY_JWT_SECRET", OTHER_TOKENS), ("CANARY_PIN_SECRET", PINS)];
    let third = pinning(dir.path(), &variables);
    assert!(holds(&third, &of_pins).await && !holds(&third, &of_tokens).await);
    drop(third);

    let both = format!("{OTHER_TOKENS},{TOKENS}");
    let variables = [("CANARY_EARLIER_PIN_SECRETS", &*both), ("CANARY_EARLIER_PIN_SECRET_FILES", file)];
    let fourth = pinning(dir.path(), &variables);
    assert!(holds(&fourth, &of_pins).await && holds(&fourth, &of_tokens).await);
}
