//! A body with an idle limit, or without one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::watch::Watched;
use crate::common::error::BoxError;

pin_project! {
    /// The body `T`, alone or shared with the watch of the idle limit. Without a limit, nothing is allocated.
    #[project = Proj]
    #[derive(Debug)]
    pub(super) enum MaybeWatched<T> {
        Plain { #[pin] body: T },
        Watched { body: Arc<Watched<T>> },
    }
}

impl<T> MaybeWatched<T> {
    /// Returns the body, or `None` if it is shared.
    pub(super) fn into_plain(self) -> Option<T> {
        match self {
            Self::Plain { body } => Some(body),
            Self::Watched { .. } => None,
        }
    }
}

impl<T: Body<Error = BoxError>> Body for MaybeWatched<T> {
    type Data = T::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<T::Data>, BoxError>>> {
        match self.project() {
            Proj::Plain { body } => body.poll_frame(cx),
            Proj::Watched { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain { body } => body.is_end_stream(),
            Self::Watched { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain { body } => body.size_hint(),
            Self::Watched { body } => body.size_hint(),
        }
    }
}
