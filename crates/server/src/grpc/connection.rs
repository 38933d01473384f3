//! One connection of HTTP/2: what is asked for at once is answered at once, so
//! that a thread reads and writes once for many calls.

use super::call::{Call, Desk, Outcome};
use super::elsewhere;
use super::front::Front;
use super::standing::{Due, LIVES, Standing, Stay};
use super::unvectored::Unvectored;
use crate::auth::Peer;
use crate::http::{Stage, reached, tls};
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Ping, PingPong, RecvStream};
use http::Request;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Calls under way on a connection.
const STREAMS_MAX: u32 = 1024;

/// Bytes of a call's metadata: a token has up to 8 KiB.
const METADATA_BYTES_MAX: u32 = 16 << 10;

/// Bytes that may wait to be read: of one call, of all of a connection.
const CALL_WINDOW_BYTES: u32 = 256 << 10;
const WINDOW_BYTES: u32 = 1 << 20;

/// Bytes of answers that may wait to be taken.
const SEND_BYTES_MAX: usize = 256 << 10;

/// Calls that were taken back and are still remembered; more end the
/// connection. Envoy takes calls back that we have kept for 20 ms.
const TAKEN_BACK_MAX: usize = 1024;

/// How long the start of a connection may take.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How often, and for how long, it is asked whether the other side is there.
const ASK_EVERY: Duration = Duration::from_secs(30);
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves a connection until it ends.
pub(crate) async fn connection(socket: TcpStream, front: Arc<Front>, mut stage: watch::Receiver<Stage>) {
    let Some(tls) = &front.tls else {
        return serve(socket, None, front, stage).await;
    };
    let accepted = tokio::select! {
        accepted = tls.accept_h2(socket) => accepted,
        () = reached(&mut stage, Stage::Ending) => None,
    };
    if let Some(stream) = accepted {
        let peer = tls::peer(&stream);
        serve(stream, peer, front, stage).await;
    }
}

async fn serve<T>(io: T, peer: Option<Arc<Peer>>, front: Arc<Front>, mut stage: watch::Receiver<Stage>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let standing = Arc::<Standing>::default();
    let mut stay = Stay::new(Arc::clone(&standing), front.strangers.begin(), LIVES);
    let started = tokio::select! {
        started = timeout(START_TIMEOUT, settings().handshake(Unvectored(io))) => started,
        () = stay.over() => return,
        () = reached(&mut stage, Stage::Ending) => return,
    };
    let Ok(Ok(mut connection)) = started else { return };
    let mut desk = Desk::new(Arc::clone(&front), peer, standing);
    let mut batch = Vec::new();
    let mut gone = pin!(is_gone(connection.ping_pong()));
    // Who comes while others are told to end has its first calls answered: told
    // at once it would have come in vain.
    let mut ends_at = if *stage.borrow() < Stage::Leaving { Stage::Leaving } else { Stage::Ending };
    loop {
        let is_open = tokio::select! {
            biased;
            is_open = std::future::poll_fn(|cx| gather(&mut connection, &mut batch, cx)) => is_open,
            due = stay.next(reached(&mut stage, ends_at)) => match due {
                Due::Farewell => {
                    connection.graceful_shutdown();
                    true
                }
                Due::End => return,
            },
            () = gone.as_mut() => return,
        };
        if !batch.is_empty() {
            answer(&mut desk, &mut batch, &stage);
            ends_at = Stage::Leaving;
        }
        if !is_open {
            return;
        }
    }
}

fn settings() -> h2::server::Builder {
    let mut settings = h2::server::Builder::new();
    settings
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(METADATA_BYTES_MAX)
        .initial_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buffer_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(TAKEN_BACK_MAX);
    settings
}

/// Takes every call that has come. Whether the connection is still open.
fn gather<T>(
    connection: &mut Connection<T, Bytes>,
    batch: &mut Vec<Incoming>,
    cx: &mut Context<'_>,
) -> Poll<bool>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok(call))) => batch.push(call),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a connection ended early");
                return Poll::Ready(false);
            }
            Poll::Ready(None) => return Poll::Ready(false),
            Poll::Pending if batch.is_empty() => return Poll::Pending,
            Poll::Pending => return Poll::Ready(true),
        }
    }
}

/// Answers what can be answered now; the rest in tasks of their own.
fn answer(desk: &mut Desk, batch: &mut Vec<Incoming>, stage: &watch::Receiver<Stage>) {
    let began = Instant::now();
    desk.open();
    for (request, respond) in batch.drain(..) {
        if !Call::is_meant(&request) {
            elsewhere::spawn(desk, request, respond, stage.clone());
            continue;
        }
        if let Outcome::Waits(call) = desk.answer(Call::new(request, respond), began) {
            tokio::spawn(desk.beside().finish(call, began));
        }
    }
    desk.close(began);
}

/// Comes back when the other side gives no sign of life.
async fn is_gone(ping_pong: Option<PingPong>) {
    let Some(mut ping_pong) = ping_pong else { return };
    loop {
        sleep(ASK_EVERY).await;
        if !matches!(timeout(ASK_TIMEOUT, ping_pong.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}
