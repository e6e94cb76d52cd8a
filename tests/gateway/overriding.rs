//! Requests that ask for a version, from those who may and from the Internet.

use http::Request;
use serde_json::json;

use crate::backends::Recorder;
use crate::harness::{Gateway, HttpClient, client, empty, raw, read};

const REFUSED: &str = "canary-override-refused: ";

/// What a request gets that asks like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// The version, which has weight 0, from those who may.
    Version,
    /// What everybody gets, and told why.
    Refused(&'static str),
    /// What everybody gets: it does not ask.
    Nothing,
    /// An error, as it is no HTTP.
    Error,
}

/// Header lines, and what they get from a gateway that trusts them.
fn asks() -> Vec<(Vec<u8>, Gets)> {
    let (unknown, ambiguous) = (Gets::Refused("unknown-version"), Gets::Refused("ambiguous"));
    let long = [&b"x-version: "[..], &[b'v'; 8_192]].concat();
    [
        (&b"x-version: v2"[..], Gets::Version),
        (b"X-VERSION:v2", Gets::Version),
        (b"x-version: \t v2 \t", Gets::Version),
        (b"x-version: v2\r\nx-evil: 1", Gets::Version),
        (b"x-version: v2\r\ncookie: x-version=v3", Gets::Version),
        (b"x-version: v3", Gets::Refused("version-inactive")),
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
        (b"x_version: v2", Gets::Nothing),
        (b"connection: x-version\r\nx-version: v2", Gets::Nothing),
        (b"x-versions: v2", Gets::Nothing),
        (b"cookie: x-version=v2", Gets::Nothing),
        (b"x-version: v2\rx-evil: 1", Gets::Error),
        (b"x-version: v2\0", Gets::Error),
        (b"x-version: v2\r\n x", Gets::Error),
        (b"x-version : v2", Gets::Error),
    ]
    .map(|(lines, gets)| (lines.to_vec(), gets))
    .into()
}

/// A gateway with a version that has everything, one at weight 0, one that is out of service, and one of another service.
struct Asked {
    gateway: Gateway,
    backends: [Recorder; 4],
}

impl Asked {
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

    /// Which backends were asked since the last time. None may have seen the header.
    fn asked(&self) -> [usize; 4] {
        self.backends.each_ref().map(|backend| {
            let heads = backend.take();
            assert!(
                heads.iter().all(|head| !head.contains("\nx-version:") && !head.contains("x_version")),
                "{heads:?}"
            );
            heads.len()
        })
    }

    /// That a request which asked like `lines` got what it `gets`, and was told as much.
    fn assert_got(&self, gets: Gets, status: &str, refused: Option<&str>, lines: &[u8]) {
        let (backend, code, why) = match gets {
            Gets::Version => ([0, 1, 0, 0], "200", None),
            Gets::Refused(why) => ([1, 0, 0, 0], "200", Some(why)),
            Gets::Nothing => ([1, 0, 0, 0], "200", None),
            Gets::Error => ([0; 4], "400", None),
        };
        let lines = String::from_utf8_lossy(lines);
        assert_eq!((self.asked(), status, refused), (backend, code, why), "{lines}");
    }
}

/// What one gets from a gateway that trusts nobody, who would get that from one that trusts.
const fn untrusted(gets: Gets) -> Gets {
    match gets {
        Gets::Version | Gets::Refused(_) => Gets::Refused("not-trusted"),
        other => other,
    }
}

async fn ask_all(trusted: bool) {
    let (asked, all) = (Asked::new(trusted).await, asks());
    let mut selected = 0;
    for (lines, gets) in &all {
        let gets = if trusted { *gets } else { untrusted(*gets) };
        let request =
            [b"GET /auth/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n", &**lines, b"\r\n\r\n"].concat();
        let answer = raw(&asked.gateway.data, &request).await;
        let refused = answer.lines().find_map(|line| line.strip_prefix(REFUSED));
        asked.assert_got(gets, answer.get(9..12).unwrap_or_default(), refused, lines);
        selected += usize::from(gets == Gets::Version);
    }
    println!(
        "{} ways to ask, trusted: {trusted}: {selected} got the version, none of the backends saw the header",
        all.len()
    );
}

#[tokio::test]
async fn nobody_on_the_internet_gets_a_version_by_asking_in_whatever_way() {
    ask_all(false).await;
}

#[tokio::test]
async fn who_is_trusted_gets_what_they_ask_for_by_its_name_or_is_told_why_not() {
    ask_all(true).await;
}

#[tokio::test]
async fn by_http_2_it_is_the_same() {
    let client: HttpClient =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .http2_only(true)
            .build_http();
    for trusted in [false, true] {
        let asked = Asked::new(trusted).await;
        for (value, gets) in [
            (&b"v2"[..], Gets::Version),
            (b"v3", Gets::Refused("version-inactive")),
            (b"v9", Gets::Refused("unknown-version")),
            (b"", Gets::Refused("unknown-version")),
            (b"v2\xff", Gets::Refused("unknown-version")),
        ] {
            let request = Request::get(asked.gateway.url("/auth/")).header("x-version", value);
            let answer = read(client.request(request.body(empty()).unwrap()).await.unwrap()).await;
            let refused = answer.headers.get("canary-override-refused").map(|why| why.to_str().unwrap());
            let gets = if trusted { gets } else { untrusted(gets) };
            asked.assert_got(gets, answer.status.as_str(), refused, value);
        }
    }
}

#[tokio::test]
async fn at_any_rate_of_asking_the_split_is_that_of_those_who_do_not_ask() {
    let asked = Asked::new(false).await;
    asked.gateway.set_weight("auth", "v2", 10.0).await;
    let client = client();
    for i in 0..1_000 {
        let request = Request::get(asked.gateway.url("/auth/")).header("x-version", ["v2", "v3"][i % 2]);
        read(client.request(request.body(empty()).unwrap()).await.unwrap()).await;
    }
    let [stable, canary, inactive, other] = asked.asked();
    assert!(canary.abs_diff(100) <= 2 && (inactive, other) == (0, 0), "{stable}, {canary}");
}
