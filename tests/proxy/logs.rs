//! The log lines of failed requests.

use std::future::ready;
use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{ServiceExt, service_fn};
use tower_canary::proxy::{Proxy, RequestBody};

use crate::log::Log;

// One log line, without the credentials of the request.
#[tokio::test]
async fn error_text_is_escaped_and_not_sent() {
    let log = Log::of_this_thread();
    let failing = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        let evil = "no route to /\r\nERROR forged line \u{1b}[31m";
        ready(Err::<Response<Full<Bytes>>, _>(io::Error::other(evil)))
    });
    let request = Request::get("/").header("host", "shop").header("authorization", "Bearer hunter2");
    let request = request.header("cookie", "session=hunter2").body(Empty::new()).unwrap();
    let answer = Proxy::new(failing).oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    let log = log.text();
    assert!(log.contains("WARN") && log.contains(r"\r\nERROR forged line \u{1b}"), "{log}");
    assert!(log.lines().count() == 1 && !log.contains(['\r', '\u{1b}']), "{log:?}");
    assert!(!log.contains("hunter2"), "{log}");
    assert!(!format!("{head:?}{body:?}").contains("forged"), "{head:?} {body:?}");
}
