//! A stream whose other side must take what it is sent: whoever asks and never
//! reads would otherwise keep a connection for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Ends a write that makes no progress.
pub(super) struct Unstuck<S> {
    stream: S,
    /// How long nothing may be taken.
    at_most: Duration,
    /// Set when something waits to be taken.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Unstuck<S> {
    pub(super) fn new(stream: S, at_most: Duration) -> Self {
        Self { stream, at_most, patience: None }
    }

    fn watched<T>(&mut self, taken: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if taken.is_ready() {
            self.patience = None;
            return taken;
        }
        let at_most = self.at_most;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(at_most)));
        patience.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstuck<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstuck<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(taken, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(taken, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(taken, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watched(taken, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout};

    const AT_MOST: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn who_takes_nothing_is_left_and_who_takes_slowly_is_not() {
        let (mut other, stream) = tokio::io::duplex(10);
        let mut stream = Unstuck::new(stream, AT_MOST);
        let slow = tokio::spawn(async move {
            let mut two = [0; 2];
            for _ in 0..20 {
                sleep(AT_MOST / 10).await;
                other.read_exact(&mut two).await.unwrap();
            }
            other
        });
        stream.write_all(&[1; 50]).await.unwrap();
        let _open = slow.await.unwrap();
        let began = Instant::now();
        let stuck = timeout(AT_MOST * 50, stream.write_all(&[1])).await.expect("it is left");
        assert_eq!(stuck.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= AT_MOST);
    }
}
