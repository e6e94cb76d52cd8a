//! The layer with a mirror.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::MirroredBody;
use super::copy::PreparedCopy;
use super::eligible::X_CANARY_MIRROR;
use super::settings::Mirror;
use super::tee::Tee;
use crate::handle::UnsentCounter;
use crate::layer::{ForwardContext, ResponseBody, ResponseFuture, WeightedVersion, WeightedVersionLayer};
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
        self.send(request, |mirror, client, request, context| {
            context.snapshot.mirror()?;
            mirror.copy(client, request, context)
        })
    }
}

impl Mirror {
    /// Copies `request`, if its turn has come. Returns the record by which it is counted apart, as the original of the
    /// copy. `None`: it is not copied.
    // `ForwardContext` comes by value: a reference would keep it in memory also where no request is copied.
    #[cold]
    #[inline(never)]
    fn copy<S, B, R>(
        &self,
        client: &S,
        request: &mut Request<B>,
        context: ForwardContext<'_>,
    ) -> Option<Arc<ApartRecord>>
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
        B: MirroredBody + Send + 'static,
        R: Body<Data: From<Bytes> + Send> + Send + 'static,
    {
        let sent = CopySentFlag::default();
        let (copy, unsent) = self.prepare_if_drawn(request, &context, &sent)?;
        let original = context.choice.original_record(&sent);
        if request.body().is_end_stream() {
            self.execute(copy.send_by(client.clone(), B::whole(Bytes::new())));
            return Some(original);
        }
        let mirror = self.clone();
        let client = client.clone();
        request.body_mut().tee(Tee::new(self.max_body, move |body| match body {
            Ok(bytes) => mirror.execute(copy.send_by(client, B::whole(bytes))),
            Err(why) => unsent.count(why),
        }));
        Some(original)
    }

    /// Prepares a copy of `request`, if the request can be copied and is drawn. `None`: it is not copied. If it was
    /// drawn, and is not rejected itself, that is counted.
    fn prepare_if_drawn<B: Body>(
        &self,
        request: &Request<B>,
        context: &ForwardContext<'_>,
        sent: &CopySentFlag,
    ) -> Option<(PreparedCopy, UnsentCounter)> {
        let snapshot = context.snapshot;
        let mirror = snapshot.mirror()?;
        let is_drawn = self.is_eligible(request, context)
            && !snapshot.is_mirror(mirror, &context.choice)
            && snapshot.draw_copy(mirror);
        if !is_drawn {
            return None;
        }
        let unsent = snapshot.unsent_counter(mirror)?;
        // A request that is rejected at its own version is no original. Its response says why.
        context.point_at(ForwardContext::copied_head(request), context.choice.upstream())?;
        match self.prepare(request, context, sent) {
            Ok(copy) => Some((copy, unsent)),
            Err(why) => {
                unsent.count(why);
                None
            }
        }
    }

    /// Prepares the copy of a drawn request, which is in flight at its instance from then on, or returns why none can
    /// be sent. The cheapest checks come first.
    fn prepare<B: Body>(
        &self,
        request: &Request<B>,
        context: &ForwardContext<'_>,
        sent: &CopySentFlag,
    ) -> Result<PreparedCopy, Unsent> {
        if request.body().size_hint().lower() > self.max_body as u64 {
            return Err(Unsent::TooLarge);
        }
        let slot = self.slot().ok_or(Unsent::Busy)?;
        let choice = context.snapshot.mirror().and_then(|mirror| context.snapshot.choose_copy(mirror));
        let choice = choice.ok_or(Unsent::NoInstance)?;
        let mut head = context
            .point_at(ForwardContext::copied_head(request), choice.upstream())
            .ok_or(Unsent::Refused)?;
        let headers = head.headers_mut();
        // The body is sent whole, in the framing of the client.
        headers.remove(EXPECT);
        headers.remove(TRANSFER_ENCODING);
        headers.insert(X_CANARY_MIRROR, HeaderValue::from_static("1"));
        let in_flight = choice.enter_copy(sent);
        Ok(PreparedCopy { head, in_flight, slot, timeout: self.timeout, is_measured: context.is_measured })
    }
}
