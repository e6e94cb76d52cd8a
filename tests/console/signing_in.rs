//! Who may see the page, and how it asks for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use serde_json::json;
use tower_canary::admin::{AdminAuth, AuthError, Authenticator, Principal, Scope};

use crate::browser::in_browser;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn token_is_asked_for_and_kept_in_memory() {
    let server = Server::rolling_out().await;
    in_browser("sign-in", async |page| {
        page.open(&server).await;
        page.sees("#token").await;
        page.looks_right("sign-in").await;
        page.enter_token("wrong").await;
        page.reads("[role=alert]", "was not accepted").await;
        page.looks_right("sign-in-rejected").await;
        page.enter_token(&server.token()).await;
        page.reads("h1", "checkout").await;
        page.reads(".who", "alice").await;
        let kept =
            page.eval("JSON.stringify([sessionStorage, localStorage, document.cookie, location.href])").await;
        assert!(!kept.as_str().unwrap().contains("eyJ"), "{kept}");
        page.tab.refresh().await.unwrap();
        page.sees("#token").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn token_lasts_until_the_tab_is_closed() {
    let server = Server::rolling_out().await;
    in_browser("sign-in-stay", async |page| {
        page.open(&server).await;
        page.sees("[name=stay]").await.click().await.unwrap();
        page.enter_token(&server.token()).await;
        page.reads("h1", "checkout").await;
        page.tab.refresh().await.unwrap();
        page.reads("h1", "checkout").await;
        page.press("Sign out").await;
        page.sees("#token").await;
        assert_eq!(page.eval("sessionStorage.length").await, json!(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn draft_stays_when_the_token_expires() {
    let server = Server::rolling_out().await;
    in_browser("sign-in-expired", async |page| {
        page.sign_in(&server).await;
        page.fill("[aria-label='Weight of v2.4.0 in percent']", "40").await;
        page.reads(".draft", "15 % of users move").await;
        server.faults.forgets.store(true, Ordering::SeqCst);
        page.reads("[role=alert]", "has expired").await;
        server.faults.forgets.store(false, Ordering::SeqCst);
        page.enter_token(&server.token()).await;
        page.reads(".draft", "25 % → 40 %").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn scopes_decide_what_can_be_done() {
    let server = Server::rolling_out().await;
    in_browser("scopes", async |page| {
        page.open(&server).await;
        page.enter_token(&server.token_with("canary:read")).await;
        page.reads(".banner", "Read only").await;
        let back = "document.querySelector('.acts .back')";
        page.until(&format!("{back} != null")).await;
        assert_eq!(
            page.eval(&format!("{back}.title")).await,
            json!("This sign-in has no scope canary:write.")
        );
        page.press("Roll back to v2.3.1").await;
        assert_eq!(page.eval("document.querySelector('dialog')").await, json!(null));
        page.looks_right("read-only").await;
        page.press("Sign out").await;
        page.enter_token(&server.token_with("")).await;
        page.reads("main", "no scope canary:read").await;
        page.looks_right("no-scope").await;
    })
    .await;
}

/// An application that signs people in by itself.
#[derive(Debug)]
struct Session(Arc<AtomicBool>);

#[async_trait::async_trait]
impl Authenticator for Session {
    async fn authenticate(&self, _: &Parts) -> Result<Principal, AuthError> {
        if !self.0.load(Ordering::SeqCst) {
            return Err(AuthError::Missing);
        }
        Ok(Principal::new("grace").unwrap().with_scopes([Scope::Read, Scope::Write]))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn session_of_the_application_needs_no_token() {
    let is_signed_in = Arc::new(AtomicBool::new(true));
    let auth = AdminAuth::custom(Session(Arc::clone(&is_signed_in)));
    let server = Server::with(auth, |console| console.with_login("/login").unwrap()).await;
    server.register("checkout", "v1", "http://10.0.4.1:8080").await;
    in_browser("session", async |page| {
        page.open(&server).await;
        page.reads(".who", "grace").await;
        page.reads("h1", "checkout").await;
        assert_eq!(page.eval("document.querySelector('.who a').pathname").await, json!("/login"));
        is_signed_in.store(false, Ordering::SeqCst);
        page.reads("main a", "Sign in").await;
        page.looks_right("sign-in-session").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver: see .ci/run"]
async fn any_prefix_with_a_slash_or_without() {
    let mut server = Server::rolling_out().await;
    for mount in ["/console", "/below/a/prefix/console", "/below/a/prefix/console/"] {
        server = server.at(mount);
        in_browser("prefix", async |page| {
            page.sign_in(&server).await;
            page.reads("h1", "checkout").await;
        })
        .await;
    }
}
