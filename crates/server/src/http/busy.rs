//! Whether a connection of hyper's has a request that is being answered: at the
//! server's end those are waited for, and nobody who has only begun to ask.

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The connection's own and its service's.
const HELD_ALWAYS: usize = 2;

/// Held by each request from its head on until its answer has gone out.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<()>);

/// What is being sent.
pub(super) struct Watched {
    body: Body,
    _busy: Busy,
}

impl Busy {
    /// A body that holds it until it has been sent.
    pub(super) fn until_sent(self, body: Body) -> Watched {
        Watched { body, _busy: self }
    }

    /// Comes back when nothing is being answered, `wait` or more from now.
    pub(super) async fn idle_for(&self, wait: Duration) {
        loop {
            tokio::time::sleep(wait).await;
            if Arc::strong_count(&self.0) <= HELD_ALWAYS {
                return;
            }
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
