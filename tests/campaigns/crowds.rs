//! Many server streams to a backend that allows few of them on a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clients::http2_connection;
use crate::harness::{AnyBody, Gateway, empty};

const STREAMS: usize = 100;

/// Streams that the backend allows on a connection.
const ALLOWED: u32 = 2;

const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A gRPC message without content.
const MESSAGE: [u8; 5] = [0; 5];

/// A backend for server streams that stay open after the first message, until `end` is set.
#[derive(Debug)]
struct StreamBackend {
    url: String,
    connections: Arc<AtomicUsize>,
    end: watch::Sender<bool>,
}

impl StreamBackend {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let end = watch::Sender::new(false);
        tokio::spawn(accept(listener, Arc::clone(&connections), end.clone()));
        Self { url, connections, end }
    }
}

async fn accept(listener: TcpListener, connections: Arc<AtomicUsize>, end: watch::Sender<bool>) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let end = end.clone();
        let service = service_fn(move |_: Request<Incoming>| {
            let response = Response::builder().header("content-type", "application/grpc");
            let response = response.body(server_stream(end.subscribe())).unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(ALLOWED);
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
    }
}

fn server_stream(mut end: watch::Receiver<bool>) -> AnyBody {
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(&MESSAGE)))]);
    let last = stream::once(async move {
        end.wait_for(|has_ended| *has_ended).await.unwrap();
        let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
        Ok(Frame::trailers(HeaderMap::from_iter([status])))
    });
    BodyExt::boxed(StreamBody::new(first.chain(Box::pin(last))))
}

/// Opens a stream and reads its first message.
async fn open(gateway: &Gateway) -> Incoming {
    let mut client = http2_connection(&gateway.data).await;
    let request = Request::post(gateway.url("/auth/some.Service/Watch")).header("te", "trailers");
    let request = request.header("content-type", "application/grpc").body(empty()).unwrap();
    let response = timeout(MESSAGE_TIMEOUT, client.send_request(request)).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let message = timeout(MESSAGE_TIMEOUT, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(message.into_data().unwrap(), MESSAGE[..]);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_of_server_streams_are_served() {
    let backend = StreamBackend::start().await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    let mut streams = Vec::new();
    for opened in futures_util::future::join_all((0..STREAMS).map(|_| open(&gateway))).await {
        streams.push(opened);
    }
    let connections = backend.connections.load(Ordering::SeqCst);
    println!("{STREAMS} streams of {ALLOWED} for each connection: {connections} connections");
    assert!((STREAMS / 2..=STREAMS).contains(&connections), "{connections}");
    backend.end.send(true).unwrap();
    for mut stream in streams {
        let last = timeout(MESSAGE_TIMEOUT, stream.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(last.into_trailers().unwrap()["grpc-status"], "0");
    }
}
