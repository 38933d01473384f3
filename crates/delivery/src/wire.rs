//! One connection, whatever it is made of.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What bytes go over: TCP, or TLS to a proxy.
trait Stream: Read + Write + Send + Unpin {}

impl<S: Read + Write + Send + Unpin> Stream for S {}

/// A connection that knows whether requests on it are for a proxy to pass on.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    is_proxied: bool,
}

impl Wire {
    /// To the receiver, or through a tunnel to it.
    pub(crate) fn direct(stream: impl Read + Write + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), is_proxied: false }
    }

    /// To a proxy that wants whole addresses.
    pub(crate) fn proxied(stream: impl Read + Write + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), is_proxied: true }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_proxied)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
}
