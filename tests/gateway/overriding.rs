//! Requests that select a version with the override header, from trusted and untrusted clients.

use http::Request;
use serde_json::json;

use crate::backends::Recorder;
use crate::clients::raw;
use crate::harness::{Gateway, HttpClient, client, empty, read};

const REFUSED: &str = "canary-override-refused: ";

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The selected version, which has weight 0.
    Selected,
    /// The version that a request without an override gets, and a header with the reason.
    Refused(&'static str),
    /// The version that a request without an override gets: the header is not valid.
    Ignored,
    /// A 400: the request is malformed.
    Error,
}

/// Header lines, and their results at a gateway that trusts the header.
fn cases() -> Vec<(Vec<u8>, Outcome)> {
    let unknown = Outcome::Refused("unknown-version");
    let ambiguous = Outcome::Refused("ambiguous");
    let long = [&b"x-version: "[..], &[b'v'; 8_192]].concat();
    [
        (&b"x-version: v2"[..], Outcome::Selected),
        (b"X-VERSION:v2", Outcome::Selected),
        (b"x-version: \t v2 \t", Outcome::Selected),
        (b"x-version: v2\r\nx-evil: 1", Outcome::Selected),
        (b"x-version: v2\r\ncookie: x-version=v3", Outcome::Selected),
        (b"x-version: v3", Outcome::Refused("version-inactive")),
        (b"x-version: v7", unknown),
        (b"x-version: v9", unknown),
        (b"x-version: ", unknown),
        (b"x-version: V2", unknown),
        (b"x-version: v2,v1", unknown),
        (b"x-version: \"v2\"", unknown),
        (b"x-version: %76%32", unknown),
        (b"x-version: ../v2", unknown),
        (b"x-version: v2\xff", unknown),
        (b"x-version: v\xc3\xa9", unknown),
        (b"x-version: v2;x=y", unknown),
        (&long, unknown),
        (b"x-version: v2\r\nx-version: v2", ambiguous),
        (b"x-version: v2\r\nX-Version: v1", ambiguous),
        (b"x-version: v2\r\nx-version:", ambiguous),
        (b"x_version: v2", Outcome::Ignored),
        (b"connection: x-version\r\nx-version: v2", Outcome::Ignored),
        (b"x-versions: v2", Outcome::Ignored),
        (b"cookie: x-version=v2", Outcome::Ignored),
        (b"x-version: v2\rx-evil: 1", Outcome::Error),
        (b"x-version: v2\0", Outcome::Error),
        (b"x-version: v2\r\n x", Outcome::Error),
        (b"x-version : v2", Outcome::Error),
    ]
    .map(|(lines, expected)| (lines.to_vec(), expected))
    .into()
}

/// A gateway with four versions: v1 at 100, v2 at 0, v3 inactive, and v9 of another service.
struct OverrideGateway {
    gateway: Gateway,
    backends: [Recorder; 4],
}

impl OverrideGateway {
    async fn new(trusted: bool) -> Self {
        let trust = if trusted { &["--trust-override"][..] } else { &[] };
        let gateway = Gateway::start(&[&["--no-demo", "--override-header", "x-version"], trust].concat());
        let backends = [
            Recorder::start().await,
            Recorder::start().await,
            Recorder::start().await,
            Recorder::start().await,
        ];
        let versions = [("auth", "v1"), ("auth", "v2"), ("auth", "v3"), ("orders", "v9")];
        for ((service, version), backend) in versions.into_iter().zip(&backends) {
            gateway.register(service, version, &backend.url).await;
        }
        let off = json!({ "active": false });
        gateway.admin(http::Method::PUT, "/routing/services/auth/versions/v3", off).await;
        Self { gateway, backends }
    }

    /// Returns the number of requests of each backend since the last call. No backend may see the
    /// override header.
    fn requests_by_backend(&self) -> [usize; 4] {
        self.backends.each_ref().map(|backend| {
            let heads = backend.take();
            assert!(
                heads.iter().all(|head| !head.contains("\nx-version:") && !head.contains("x_version")),
                "{heads:?}"
            );
            heads.len()
        })
    }

    /// Asserts the result of a request with `lines`.
    fn assert_outcome(&self, expected: Outcome, status: &str, refused: Option<&str>, lines: &[u8]) {
        let (backend, code, why) = match expected {
            Outcome::Selected => ([0, 1, 0, 0], "200", None),
            Outcome::Refused(why) => ([1, 0, 0, 0], "200", Some(why)),
            Outcome::Ignored => ([1, 0, 0, 0], "200", None),
            Outcome::Error => ([0; 4], "400", None),
        };
        let lines = String::from_utf8_lossy(lines);
        assert_eq!((self.requests_by_backend(), status, refused), (backend, code, why), "{lines}");
    }
}

/// Returns the result at a gateway that does not trust the header.
const fn untrusted(expected: Outcome) -> Outcome {
    match expected {
        Outcome::Selected | Outcome::Refused(_) => Outcome::Refused("not-trusted"),
        other => other,
    }
}

async fn try_all(trusted: bool) {
    let setup = OverrideGateway::new(trusted).await;
    let all = cases();
    let mut selected = 0;
    for (lines, expected) in &all {
        let expected = if trusted { *expected } else { untrusted(*expected) };
        let request =
            [b"GET /auth/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n", &**lines, b"\r\n\r\n"].concat();
        let response = raw(&setup.gateway.data, &request).await;
        let refused = response.lines().find_map(|line| line.strip_prefix(REFUSED));
        setup.assert_outcome(expected, response.get(9..12).unwrap_or_default(), refused, lines);
        selected += usize::from(expected == Outcome::Selected);
    }
    println!(
        "{} ways to ask, trusted: {trusted}: {selected} got the version, none of the backends saw the header",
        all.len()
    );
}

#[tokio::test]
async fn untrusted_override_selects_nothing() {
    try_all(false).await;
}

#[tokio::test]
async fn trusted_override_selects_or_explains() {
    try_all(true).await;
}

#[tokio::test]
async fn override_works_the_same_over_http2() {
    let client: HttpClient =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .http2_only(true)
            .build_http();
    for trusted in [false, true] {
        let setup = OverrideGateway::new(trusted).await;
        for (value, expected) in [
            (&b"v2"[..], Outcome::Selected),
            (b"v3", Outcome::Refused("version-inactive")),
            (b"v9", Outcome::Refused("unknown-version")),
            (b"", Outcome::Refused("unknown-version")),
            (b"v2\xff", Outcome::Refused("unknown-version")),
        ] {
            let request = Request::get(setup.gateway.url("/auth/")).header("x-version", value);
            let response = read(client.request(request.body(empty()).unwrap()).await.unwrap()).await;
            let refused = response.headers.get("canary-override-refused").map(|why| why.to_str().unwrap());
            let expected = if trusted { expected } else { untrusted(expected) };
            setup.assert_outcome(expected, response.status.as_str(), refused, value);
        }
    }
}

#[tokio::test]
async fn untrusted_overrides_keep_the_split() {
    let setup = OverrideGateway::new(false).await;
    setup.gateway.set_weight("auth", "v2", 10.0).await;
    let client = client();
    for i in 0..1_000 {
        let request = Request::get(setup.gateway.url("/auth/")).header("x-version", ["v2", "v3"][i % 2]);
        read(client.request(request.body(empty()).unwrap()).await.unwrap()).await;
    }
    let [stable, canary, inactive, other] = setup.requests_by_backend();
    assert!(canary.abs_diff(100) <= 2 && (inactive, other) == (0, 0), "{stable}, {canary}");
}
