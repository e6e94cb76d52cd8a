//! A gateway in front of a backend that records its requests.

use http::Request;

use crate::backends::Recorder;
use crate::clients::raw;
use crate::harness::{Gateway, empty};

/// A gateway and its backend.
pub(crate) struct RecordedGateway {
    pub(crate) gateway: Gateway,
    recorder: Recorder,
    base: &'static str,
}

impl RecordedGateway {
    pub(crate) async fn new(options: &[&str], base: &'static str) -> Self {
        let gateway = Gateway::start(options);
        let recorder = Recorder::start().await;
        gateway.register("auth", "v1", &format!("{}{base}", recorder.url)).await;
        Self { gateway, recorder, base }
    }

    /// Starts a gateway with every option that changes requests.
    pub(crate) async fn rewriting() -> Self {
        let options =
            ["--no-demo", "--override-header", "x-version", "--trust-override", "--pin-cookie", "pin"];
        let affinity = ["--affinity-header", "x-user-id", "--affinity-cookie", "session"];
        Self::new(&[&options[..], &affinity].concat(), "/base").await
    }

    /// Returns a pin cookie of the gateway.
    pub(crate) async fn pin(&self) -> String {
        let response = self.gateway.get("/auth/").await;
        self.recorder.take();
        response.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().into()
    }

    /// Asserts that the backend received one canonical request for each 200, and that no byte is left
    /// over in the connection to it.
    pub(crate) async fn assert_one_for_each(&self, successes: usize, name: &str) {
        let heads = self.recorder.take();
        assert_eq!(heads.len(), successes, "{name}: {heads:?}");
        heads.iter().for_each(|head| assert_canonical(head, self.base, name));
        let next = Request::get(self.gateway.url("/auth/next")).header("x-user-id", "next");
        assert_eq!(self.gateway.send(next.body(empty()).unwrap()).await.text, "ok\n", "{name}");
        let next = self.recorder.take();
        assert!(
            next.len() == 1 && next[0].starts_with(&format!("get {}/next http/1.1\r\n", self.base)),
            "{name}"
        );
    }

    /// Takes the request heads that the backend received since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        self.recorder.take()
    }

    pub(crate) async fn try_each(&self, requests: &[(&'static str, Vec<u8>)]) {
        for (name, request) in requests {
            let response = raw(&self.gateway.data, request).await;
            let successes =
                response.matches("HTTP/1.1 200").count() + response.matches("HTTP/1.0 200").count();
            self.assert_one_for_each(successes, name).await;
        }
    }
}

/// Asserts that `head` has only one interpretation.
fn assert_canonical(head: &str, base: &str, name: &str) {
    fn is_token(name: &str) -> bool {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }

    let count = |field: &str| head.lines().filter(|line| line.starts_with(field)).count();
    assert!(count("content-length:") + count("transfer-encoding:") <= 1, "{name}: {head}");
    assert_eq!(count("host:"), 1, "{name}: {head}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{name}: {head:?}");
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let request: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [_, target, "http/1.1"] = request[..] else { panic!("{name}: {head:?}") };
    assert!(target.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')), "{name}: {head:?}");
    assert!(
        lines.all(|line| line.split_once(": ").is_some_and(|(name, _)| is_token(name))),
        "{name}: {head:?}"
    );
    assert_eq!(count("x-version"), 0, "{name}: {head}");
}
