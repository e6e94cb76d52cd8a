//! Request bodies that can be copied.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::tee::Tee;

/// A request body of which a layer with a [`Mirror`](super::Mirror) can make a copy.
///
/// [`MirrorBody`] is one. A body of the application that wraps one passes both calls on:
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// use bytes::Bytes;
/// use http_body::{Body, Frame};
/// use tower_canary::mirror::{MirrorBody, MirroredBody, Tee};
///
/// struct Wrapped<B>(MirrorBody<B>);
///
/// # impl<B: Body<Data = Bytes> + Unpin> Body for Wrapped<B> {
/// #     type Data = Bytes;
/// #     type Error = B::Error;
/// #     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
/// #         Pin::new(&mut self.0).poll_frame(cx)
/// #     }
/// # }
/// impl<B: Body<Data = Bytes> + Unpin> MirroredBody for Wrapped<B> {
///     fn whole(bytes: Bytes) -> Self {
///         Self(MirrorBody::whole(bytes))
///     }
///
///     fn tee(&mut self, tee: Tee) {
///         self.0.tee(tee);
///     }
/// }
/// ```
pub trait MirroredBody: Body + Sized {
    /// Creates the body of a copy.
    fn whole(bytes: Bytes) -> Self;

    /// Collects the bytes of this body in `tee` while they are sent.
    fn tee(&mut self, tee: Tee);
}

pin_project! {
    /// A request body that can be copied. [`prepare`] creates it.
    ///
    /// See the [module](super) for an example.
    #[derive(Debug)]
    pub struct MirrorBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Original {
            #[pin]
            body: B,
            tee: Option<Box<Tee>>,
        },
        Copy { bytes: Bytes },
    }
}

/// Gives a request a body that can be copied. Apply it outside of the layer, by `map_request`.
///
/// See the [module](super) for an example.
pub fn prepare<B>(request: Request<B>) -> Request<MirrorBody<B>> {
    request.map(MirrorBody::new)
}

impl<B> MirrorBody<B> {
    /// Creates a body from the one of a request, as [`prepare`] does.
    ///
    /// ```
    /// use http_body::Body;
    /// use http_body_util::Full;
    /// use tower_canary::mirror::MirrorBody;
    ///
    /// let body = MirrorBody::new(Full::<bytes::Bytes>::from("hello"));
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// ```
    pub const fn new(body: B) -> Self {
        Self { kind: Kind::Original { body, tee: None } }
    }
}

impl<B: Body<Data = Bytes>> MirroredBody for MirrorBody<B> {
    fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Copy { bytes } }
    }

    fn tee(&mut self, new: Tee) {
        if let Kind::Original { tee, .. } = &mut self.kind {
            *tee = Some(Box::new(new));
        }
    }
}

impl<B: Body<Data = Bytes>> Body for MirrorBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Original { mut body, tee } => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                if tee.is_some() {
                    collect(tee, frame.as_ref(), &*body);
                }
                Poll::Ready(frame)
            }
            KindProj::Copy { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProj::Copy { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Original { body, .. } => body.is_end_stream(),
            Kind::Copy { bytes } => bytes.is_empty(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Original { body, .. } => body.size_hint(),
            Kind::Copy { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Collects `frame` in the tee of `slot`, and drops the tee once it has finished. `rest` is the body after the frame.
///
/// A client asks for no frame after the last announced byte, so the end of the body itself may never be seen.
#[cold]
fn collect<B: Body<Data = Bytes>>(
    slot: &mut Option<Box<Tee>>,
    frame: Option<&Result<Frame<Bytes>, B::Error>>,
    rest: &B,
) {
    let Some(tee) = slot else { return };
    match frame {
        Some(Ok(frame)) => tee.record(frame, rest.is_end_stream() || rest.size_hint().exact() == Some(0)),
        // Dropped below, it counts as incomplete.
        Some(Err(_)) => *slot = None,
        None => tee.end(),
    }
    if slot.as_ref().is_some_and(|tee| tee.has_finished()) {
        *slot = None;
    }
}
