//! Connections to backends. Each thread has its own, so that no two fight for them.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};
use tower_canary::probe::{GuardedConnector, UrlPolicy};
use tower_canary::proxy::{RequestBody, is_grpc};

use crate::serve::MAX_BUFFER;

/// How long a backend may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How long a connection to a backend is kept without a request: less than the 5 s after which common servers close
/// theirs, since a request sent while the backend closes is lost.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

type BoxError = Box<dyn Error + Send + Sync>;
type Upload = RequestBody<Incoming>;
type Answer = Pin<Box<dyn Future<Output = Result<Response<Download>, BoxError>> + Send>>;

/// A client for HTTP/1.1 that keeps its connections, and for gRPC one for HTTP/2 by prior knowledge.
#[derive(Clone, Debug)]
pub(crate) struct Backends(Arc<Shared>);

struct Shared {
    connector: GuardedConnector,
    idle: Mutex<HashMap<Box<str>, Vec<Idle>, RandomState>>,
    grpc: Client<GuardedConnector, Upload>,
}

/// A connection without a request.
struct Idle {
    sender: SendRequest<Upload>,
    since: Instant,
}

/// The body of an answer. Once it has ended, its connection is free again.
pub(crate) struct Download {
    body: Incoming,
    lent: Option<Lent>,
}

/// A connection with a request.
struct Lent {
    sender: SendRequest<Upload>,
    backend: Authority,
    shared: Arc<Shared>,
}

impl Backends {
    pub(crate) fn new(policy: UrlPolicy) -> Self {
        let connector = policy.connector().with_connect_timeout(CONNECT_LIMIT);
        let mut grpc = Client::builder(TokioExecutor::new());
        grpc.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_LIMIT).http2_only(true);
        let grpc = grpc.build(connector.clone());
        Self(Arc::new(Shared { connector, idle: Mutex::default(), grpc }))
    }

    /// Closes what nobody needed for too long, for as long as the thread runs.
    pub(crate) async fn tidy(self) {
        loop {
            sleep(IDLE_LIMIT / 4).await;
            self.0.idle().retain(|_, idle| {
                idle.retain(Idle::is_good);
                !idle.is_empty()
            });
        }
    }
}

impl Service<Request<Upload>> for Backends {
    type Response = Response<Download>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Upload>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        if is_grpc(request.headers()) {
            Box::pin(shared.call_grpc(request))
        } else {
            shared.call_http1(request)
        }
    }
}

impl Shared {
    async fn call_grpc(
        self: Arc<Self>,
        mut request: Request<Upload>,
    ) -> Result<Response<Download>, BoxError> {
        // `:authority` says it, and nothing may contradict it (RFC 9113, 8.3.1).
        request.headers_mut().remove(HOST);
        let response = self.grpc.request(request).await?;
        Ok(response.map(|body| Download { body, lent: None }))
    }

    /// Where a connection is free, the request is on its way before the future is made, which then need not hold it.
    fn call_http1(self: Arc<Self>, mut request: Request<Upload>) -> Answer {
        let uri = std::mem::take(request.uri_mut());
        let Some(backend) = uri.authority().cloned() else {
            return Box::pin(ready(Err("the request names no backend".into())));
        };
        address(&mut request, &uri, &backend);
        match self.free(&backend) {
            Some(mut sender) => {
                let sent = sender.try_send_request(request);
                Box::pin(self.answer(sent, sender, uri, backend))
            }
            None => Box::pin(self.send_anew(request, uri, backend)),
        }
    }

    /// What comes of a request that was sent by a connection which was idle before.
    async fn answer(
        self: Arc<Self>,
        sent: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>>,
        sender: SendRequest<Upload>,
        uri: Uri,
        backend: Authority,
    ) -> Result<Response<Download>, BoxError> {
        match sent.await {
            Ok(response) => Ok(Download::of(response, Lent { sender, backend, shared: self })),
            // The backend closed the connection before any of the request was written: safe for every method.
            Err(mut error) => match error.take_message() {
                Some(unsent) => self.send_anew(unsent, uri, backend).await,
                None => Err(error.into_error().into()),
            },
        }
    }

    /// Sends a request by a connection of its own.
    async fn send_anew(
        self: Arc<Self>,
        request: Request<Upload>,
        uri: Uri,
        backend: Authority,
    ) -> Result<Response<Download>, BoxError> {
        let mut sender = self.connect(uri).await?;
        let response = sender.try_send_request(request).await.map_err(TrySendError::into_error)?;
        Ok(Download::of(response, Lent { sender, backend, shared: self }))
    }

    /// The connection to `backend` that was used last, since it is the likeliest to be open.
    fn free(&self, backend: &Authority) -> Option<SendRequest<Upload>> {
        let mut idle = self.idle();
        let idle = idle.get_mut(backend.as_str())?;
        std::iter::from_fn(|| idle.pop()).find(Idle::is_good).map(|idle| idle.sender)
    }

    async fn connect(&self, uri: Uri) -> Result<SendRequest<Upload>, BoxError> {
        let stream = self.connector.clone().oneshot(uri).await?;
        // One copy of a small head and body into one buffer is cheaper than a vectored write of both.
        let mut builder = http1::Builder::new();
        builder.writev(false).max_buf_size(MAX_BUFFER);
        let (sender, connection) = builder.handshake(stream).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Box<str>, Vec<Idle>, RandomState>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the target of `request` the path alone, as HTTP/1.1 has it, and its `Host` the backend where it has none.
fn address(request: &mut Request<Upload>, uri: &Uri, backend: &Authority) {
    let path = uri.path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(backend.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
}

impl Idle {
    fn is_good(&self) -> bool {
        self.sender.is_ready() && self.since.elapsed() < IDLE_LIMIT
    }
}

impl Lent {
    /// Keeps the connection for the next request, once it is ready for one.
    fn give_back(mut self) {
        if self.sender.is_ready() {
            return self.keep();
        }
        tokio::spawn(async move {
            if self.sender.ready().await.is_ok() {
                self.keep();
            }
        });
    }

    fn keep(self) {
        let free = Idle { sender: self.sender, since: Instant::now() };
        let mut idle = self.shared.idle();
        match idle.get_mut(self.backend.as_str()) {
            Some(others) => others.push(free),
            None => _ = idle.insert(self.backend.as_str().into(), vec![free]),
        }
    }
}

impl Download {
    fn of(response: Response<Incoming>, lent: Lent) -> Response<Self> {
        response.map(|body| {
            let mut download = Self { body, lent: Some(lent) };
            download.release_at_end();
            download
        })
    }

    fn release_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(lent) = self.lent.take()
        {
            lent.give_back();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.release_at_end(),
            Some(Err(_)) => self.lent = None,
            None => drop(self.lent.take().map(Lent::give_back)),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("connector", &self.connector).finish_non_exhaustive()
    }
}
