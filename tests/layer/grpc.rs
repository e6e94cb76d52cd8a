//! The status of gRPC responses.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::client::conn::http2;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::*;

type Frames = Vec<Result<Frame<Bytes>, io::Error>>;

fn data() -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from("data")))
}

fn trailers(lines: &[(&'static str, &'static str)]) -> Result<Frame<Bytes>, io::Error> {
    let lines = lines.iter().map(|line| (HeaderName::from_static(line.0), HeaderValue::from_static(line.1)));
    Ok(Frame::trailers(lines.collect()))
}

/// A response of gRPC over HTTP/2.
fn grpc<B>(body: B) -> Response<B> {
    let response =
        Response::builder().version(Version::HTTP_2).header("content-type", "application/grpc+proto");
    response.body(body).unwrap()
}

fn stream(frames: Frames) -> impl Body<Data = Bytes, Error = io::Error> {
    StreamBody::new(futures_util::stream::iter(frames))
}

/// Passes `response` through the layer. Returns its headers and its trailers.
async fn through<B>(response: Response<B>) -> (HeaderMap, Option<HeaderMap>)
where
    B: Body<Data = Bytes, Error = io::Error>,
{
    let response = std::sync::Mutex::new(Some(response));
    let client = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, io::Error>(response.lock().unwrap().take().unwrap()))
    });
    let layered = fixed(&auth(&[("http://h", 100.0)])).layer(client);
    let (head, body) = layered.oneshot(get("/")).await.unwrap().into_parts();
    let collected = body.collect().await.unwrap();
    (head.headers, collected.trailers().cloned())
}

/// Returns the `grpc-status` of headers or trailers.
fn status(headers: &HeaderMap) -> Option<&str> {
    headers.get("grpc-status").map(|status| status.to_str().unwrap())
}

#[tokio::test]
async fn missing_status_is_added_to_trailers() {
    for (frames, expected) in [
        (vec![data()], "13"),
        (vec![], "13"),
        (vec![data(), trailers(&[])], "2"),
        (vec![trailers(&[("x", "y")])], "2"),
        (vec![data(), trailers(&[("grpc-status", "0")])], "0"),
    ] {
        let (headers, trailers) = through(grpc(stream(frames))).await;
        assert_eq!(status(&headers), None);
        assert_eq!(status(&trailers.unwrap()), Some(expected));
    }
}

#[tokio::test]
async fn other_trailers_stay() {
    let (_, ended) = through(grpc(stream(vec![trailers(&[("x", "y")])]))).await;
    let ended = ended.unwrap();
    assert_eq!((ended["x"].as_bytes(), ended.len()), (&b"y"[..], 3));
    let good = [("grpc-status", "0"), ("grpc-message", "")];
    let (_, ended) = through(grpc(stream(vec![data(), trailers(&good)]))).await;
    assert_eq!(ended.unwrap().len(), 2);
}

// gRPC calls a response whose headers have the status "trailers-only".
#[tokio::test]
async fn trailers_only_response_has_a_status() {
    let (headers, trailers) = through(grpc(Empty::new().map_err(|never| match never {}))).await;
    assert_eq!((status(&headers), trailers), (Some("2"), None));
    let mut response = grpc(Empty::new().map_err(|never| match never {}));
    response.headers_mut().insert("grpc-status", HeaderValue::from_static("5"));
    let (headers, trailers) = through(response).await;
    assert_eq!((status(&headers), headers.contains_key("grpc-message"), trailers), (Some("5"), false, None));
    let mut late = grpc(stream(vec![]));
    late.headers_mut().insert("grpc-status", HeaderValue::from_static("5"));
    assert_eq!(through(late).await.1, None);
}

#[tokio::test]
async fn other_responses_stay_without_status() {
    for (version, code, content_type) in [
        (Version::HTTP_2, 200, "application/grpc-web+proto"),
        (Version::HTTP_2, 200, "text/plain"),
        (Version::HTTP_2, 503, "application/grpc"),
        (Version::HTTP_11, 200, "application/grpc"),
    ] {
        let mut response = grpc(stream(vec![data()]));
        *response.version_mut() = version;
        *response.status_mut() = code.try_into().unwrap();
        response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        let (headers, trailers) = through(response).await;
        assert_eq!((status(&headers), trailers), (None, None), "{content_type}");
    }
}

#[tokio::test]
async fn media_type_of_grpc_has_no_case() {
    for content_type in ["Application/GRPC", "application/grpc ;v=1", "application/grpc+json"] {
        let mut response = grpc(stream(vec![data()]));
        response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        assert!(through(response).await.1.is_some(), "{content_type}");
    }
}

#[tokio::test]
async fn broken_body_stays_an_error() {
    let client = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, io::Error>(grpc(stream(vec![data(), Err(io::Error::other("reset"))]))))
    });
    let layered = fixed(&auth(&[("http://h", 100.0)])).layer(client);
    let body = layered.oneshot(get("/")).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap_err().to_string(), "reset");
}

// Over real connections: trailers that are missing, and trailers above the size limit of the client.
#[tokio::test]
async fn client_sees_a_status_over_http2() {
    let backend = serve(|request: Request<hyper::body::Incoming>| async move {
        let padding = HeaderValue::try_from("x".repeat(20_000)).unwrap();
        let large = HeaderMap::from_iter([
            (HeaderName::from_static("x-padding"), padding),
            (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0")),
        ]);
        let frames = match request.uri().path() {
            "/none" => vec![data()],
            "/large" => vec![data(), Ok(Frame::trailers(large))],
            _ => vec![data(), trailers(&[("grpc-status", "0")])],
        };
        Ok(grpc(StreamBody::new(futures_util::stream::iter(frames))))
    })
    .await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let layered = fixed(&auth(&[(&format!("http://{backend}"), 100.0)])).layer(client);
    let gateway = serve(move |request: Request<hyper::body::Incoming>| {
        let layered = layered.clone();
        let request = request.map(|_| Full::default());
        async move { Ok(layered.oneshot(request).await.unwrap()) }
    })
    .await;
    let stream = TokioIo::new(TcpStream::connect(gateway).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    spawn(connection);
    for (path, expected) in [("/good", "0"), ("/none", "13"), ("/large", "2"), ("/good", "0")] {
        let request = Request::post(format!("http://gateway{path}")).body(Empty::<Bytes>::new()).unwrap();
        let response = client.send_request(request).await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(status(collected.trailers().unwrap()), Some(expected), "{path}");
        assert_eq!(collected.to_bytes(), "data");
    }
}
