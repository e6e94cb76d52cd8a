//! Requests, a client without work, and a way to send one to the other.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower_canary::layer::ClientAddress;
use tower_service::Service;

pub(crate) type ClientRequest = Request<Empty<Bytes>>;

/// The users in turn, so that keys fall on several slots.
const USERS: [&str; 8] = ["ada", "alan", "barbara", "claude", "edsger", "grace", "john", "radia"];

/// The headers of a browser.
const MANY: [(&str, &str); 10] = [
    ("connection", "keep-alive"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-language", "en-GB,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("referer", "https://shop.example.com/"),
    ("cookie", "session=0123456789abcdef; theme=dark"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("cache-control", "max-age=0"),
];

/// The name of the header that names a user.
pub(crate) const USER: HeaderName = HeaderName::from_static("x-user");

/// Returns the request number `i`, with two headers.
pub(crate) fn few(i: u64) -> ClientRequest {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from_static("/auth/login?next=home");
    let user = USERS[usize::try_from(i).unwrap_or(0) % USERS.len()];
    request.headers_mut().insert("host", HeaderValue::from_static("shop.example.com"));
    request.headers_mut().insert(USER, HeaderValue::from_static(user));
    request.extensions_mut().insert(ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    request
}

/// The same with 12 headers.
pub(crate) fn many(i: u64) -> ClientRequest {
    let mut request = few(i);
    for (name, value) in MANY {
        request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}

/// A client without work.
#[derive(Clone)]
pub(crate) struct Null;

impl<B> Service<Request<B>> for Null {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request.headers());
        let mut response = Response::new(Full::from("hello, world\n"));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("13"));
        ready(Ok(response))
    }
}

/// Sends a request, reads the response to its end, and returns its head.
pub(crate) fn send<S, B>(service: &mut S, request: ClientRequest) -> http::response::Parts
where
    S: Service<ClientRequest, Response = Response<B>>,
    B: Body,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut response = pin!(service.call(request));
    let Poll::Ready(Ok(response)) = response.as_mut().poll(&mut context) else { panic!("no response") };
    let (head, body) = response.into_parts();
    let mut body = pin!(body);
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        assert!(black_box(frame).is_ok());
    }
    black_box(head)
}
