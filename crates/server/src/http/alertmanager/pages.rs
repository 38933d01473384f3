//! Answers that leave in pages, so that neither a partition's lock nor memory
//! grows with what is listed.

use crate::host::Unavailable;
use crate::http::Response;
use crate::tenants::TenantHandle;
use axum::body::{Body, Bytes};
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use openclaw_alert::{TenantName, Timestamp};
use openclaw_pipeline::Partition;
use tokio::sync::mpsc;

/// Things looked at under one lock.
pub(super) const PAGE_LOOKS: usize = 256;

/// Bytes after which a page ends, whatever is left to look at.
const PAGE_BYTES: usize = 128 << 10;

/// A partition while it is locked.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) partition: &'a Partition,
    pub(super) tenant: &'a TenantName,
    pub(super) now: Timestamp,
}

/// A JSON array that is written in pages.
pub(super) trait Pages: Send + 'static {
    /// Writes a page of [`PAGE_LOOKS`] or until the array is full; gives false
    /// after the last.
    fn write(&mut self, look: Look<'_>, array: &mut Array) -> bool;
}

/// What has been written of an array and has not been sent.
#[derive(Debug)]
pub(super) struct Array {
    out: Vec<u8>,
    is_empty: bool,
}

impl Array {
    fn new() -> Self {
        Self { out: vec![b'['], is_empty: true }
    }

    /// Where the next element goes.
    pub(super) fn element(&mut self) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        &mut self.out
    }

    /// Where the rest of the last element goes.
    pub(super) fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether it is time for the next page.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= PAGE_BYTES
    }

    fn take(&mut self) -> Bytes {
        let next = Vec::with_capacity(self.out.len());
        std::mem::replace(&mut self.out, next).into()
    }
}

/// An answer of these pages.
pub(super) fn answer(handle: TenantHandle, pages: impl Pages) -> Response {
    let (sender, sent) = mpsc::channel(1);
    // Pages are made here, on the work runtime; a body that made them itself
    // would do so on the I/O thread that sends it.
    tokio::spawn(write(handle, pages, sender));
    let body = stream::unfold(sent, |mut sent| async move { Some((sent.recv().await?, sent)) });
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Writes until the end, or until nobody listens any more.
async fn write(
    handle: TenantHandle,
    mut pages: impl Pages,
    sender: mpsc::Sender<Result<Bytes, Unavailable>>,
) {
    let mut array = Array::new();
    loop {
        let written = handle.read(|partition, tenant, now| {
            let goes_on = pages.write(Look { partition, tenant, now }, &mut array);
            if !goes_on {
                array.rest().push(b']');
            }
            goes_on
        });
        let written = written.await;
        let goes_on = matches!(written, Ok(true));
        if sender.send(written.map(|_| array.take())).await.is_err() || !goes_on {
            return;
        }
    }
}
