//! The layer with a mirror.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::MirroredBody;
use super::copy::Prepared;
use super::eligible::X_CANARY_MIRROR;
use super::settings::Mirror;
use super::tee::Tee;
use crate::handle::UnsentCounter;
use crate::layer::{Passing, ResponseBody, ResponseFuture, WeightedVersion, WeightedVersionLayer};
use crate::traffic::{ApartRecord, CopySentFlag, Unsent};

impl WeightedVersionLayer {
    /// Copies requests to the version that the split names, by `mirror`. Until a split names one, a request pays for the
    /// comparison of a pointer.
    ///
    /// The layer then takes requests whose body can be copied ([`MirroredBody`]), and a client that can be cloned. See
    /// [`mirror`](crate::mirror) for an example.
    pub fn with_mirror(self, mirror: Mirror) -> WeightedVersionLayer<Mirror> {
        self.mirrored_by(mirror)
    }
}

impl<S, B, R> Service<Request<B>> for WeightedVersion<S, Mirror>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
    B: MirroredBody + Send + 'static,
    R: Body<Data: From<Bytes> + Send> + Send + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.send(request, |mirror, client, request, passing| {
            passing.snapshot.mirror()?;
            mirror.copy(client, request, passing)
        })
    }
}

impl Mirror {
    /// Copies `request`, if its turn has come. Returns the record by which it is counted apart, as the original of the
    /// copy. `None`: it is not copied.
    // `Passing` comes by value: a reference would keep it in memory also where no request is copied.
    #[cold]
    #[inline(never)]
    fn copy<S, B, R>(
        &self,
        client: &S,
        request: &mut Request<B>,
        passing: Passing<'_>,
    ) -> Option<Arc<ApartRecord>>
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
        B: MirroredBody + Send + 'static,
        R: Body<Data: From<Bytes> + Send> + Send + 'static,
    {
        let copy_sent = CopySentFlag::default();
        let (copy, unsent) = self.prepared(request, &passing, &copy_sent)?;
        let original = passing.choice.original_record(&copy_sent);
        if request.body().is_end_stream() {
            self.execute(copy.sent_by(client.clone(), B::whole(Bytes::new())));
            return Some(original);
        }
        let mirror = self.clone();
        let client = client.clone();
        request.body_mut().tee(Tee::new(self.max_body, move |body| match body {
            Ok(bytes) => mirror.execute(copy.sent_by(client, B::whole(bytes))),
            Err(why) => unsent.count(why),
        }));
        Some(original)
    }

    /// Returns the copy of `request`, in flight at the version that gets it. `None`: it is not copied.
    fn prepared<B: Body>(
        &self,
        request: &Request<B>,
        passing: &Passing<'_>,
        copy_sent: &CopySentFlag,
    ) -> Option<(Prepared, UnsentCounter)> {
        let snapshot = passing.snapshot;
        let mirror = snapshot.mirror()?;
        let is_drawn = self.is_eligible(request, passing)
            && !snapshot.is_mirror(mirror, &passing.choice)
            && snapshot.draw_copy(mirror);
        if !is_drawn {
            return None;
        }
        let unsent = snapshot.unsent_counter(mirror)?;
        // A request that its own version does not get is no original. Its response says why.
        passing.point(Passing::head(request), passing.choice.upstream())?;
        match self.prepare(request, passing, copy_sent) {
            Ok(copy) => Some((copy, unsent)),
            Err(why) => {
                unsent.count(why);
                None
            }
        }
    }

    /// Decides whether a copy can be sent, before anything is copied. The reasons are in the order of their
    /// costs.
    fn prepare<B: Body>(
        &self,
        request: &Request<B>,
        passing: &Passing<'_>,
        copy_sent: &CopySentFlag,
    ) -> Result<Prepared, Unsent> {
        if request.body().size_hint().lower() > self.max_body as u64 {
            return Err(Unsent::TooLarge);
        }
        let slot = self.slot().ok_or(Unsent::Busy)?;
        let choice = passing.snapshot.mirror().and_then(|mirror| passing.snapshot.choose_copy(mirror));
        let choice = choice.ok_or(Unsent::NoInstance)?;
        let mut head = passing.point(Passing::head(request), choice.upstream()).ok_or(Unsent::Refused)?;
        let headers = head.headers_mut();
        // The body is sent whole, in the framing of the client.
        headers.remove(EXPECT);
        headers.remove(TRANSFER_ENCODING);
        headers.insert(X_CANARY_MIRROR, HeaderValue::from_static("1"));
        let in_flight = choice.enter_copy(copy_sent);
        Ok(Prepared { head, in_flight, slot, timeout: self.timeout, is_measured: passing.is_measured })
    }
}
