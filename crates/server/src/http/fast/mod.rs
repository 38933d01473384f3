//! The hot paths' own HTTP/1.1: one read and one write a wake-up, no allocation
//! a request, no map of headers.
//!
//! A connection is served here as long as its requests are plain questions for
//! decisions ([`head`] says which). The first that is anything else goes to
//! hyper with all bytes from its first on, and the connection stays there: what
//! could be read in two ways is read by hyper alone. No byte of a request is
//! consumed that isn't answered here.

mod head;
mod rewind;
mod vigil;

pub(super) use rewind::Rewind;

use super::decisions::{Ground, Head, Question, Reply, decide};
use super::service::Core;
use super::threads::Stage;
use crate::auth::{Peer, Shown};
use bytes::{Buf, BytesMut};
use head::{Hot, Judged, Kind};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use vigil::Vigil;

/// Room for what is read at once.
const READ_BYTES: usize = 4 << 10;

/// Answers are sent when there are as many, however many requests are there.
const ANSWER_BYTES: usize = 64 << 10;

/// Buffers beyond this are given back after use.
const KEPT_BYTES: usize = 32 << 10;

thread_local! {
    static REPLY: RefCell<Reply> = RefCell::default();
    /// The second that was last written as a date.
    static DATE: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [0; 29])) };
}

/// A connection's other end.
#[derive(Clone, Copy)]
pub(super) struct Other<'c> {
    pub(super) address: &'c str,
    pub(super) peer: Option<&'c Peer>,
}

/// Serves a connection's first requests. Gives what has been received from the
/// first request on that is not answered here; nothing where it has ended.
pub(super) async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    core: &Core,
    other: Other<'_>,
    stage: watch::Receiver<Stage>,
) -> Option<BytesMut> {
    let mut connection =
        Connection { core, other, vigil: Vigil::new(stage), received: BytesMut::new(), answers: Vec::new() };
    match connection.run(stream).await {
        Ok(End::Elsewhere) => return Some(connection.received),
        Ok(End::Closed) => {}
        Err(error) => tracing::debug!(%error, "a connection ended early"),
    }
    let _ = stream.shutdown().await;
    None
}

struct Connection<'c> {
    core: &'c Core,
    other: Other<'c>,
    vigil: Vigil,
    received: BytesMut,
    answers: Vec<u8>,
}

enum End {
    Closed,
    Elsewhere,
}

/// What comes after the requests that have been received.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Answer,
    Close,
    Elsewhere,
}

impl Connection<'_> {
    async fn run(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<End> {
        let mut next = Next::Read;
        loop {
            if next == Next::Read && !self.read(stream).await? {
                return Ok(End::Closed);
            }
            next = self.answer();
            if !self.answers.is_empty() {
                stream.write_all(&self.answers).await?;
                stream.flush().await?;
                self.answers.clear();
                self.give_back();
            }
            match next {
                Next::Read | Next::Answer => {}
                Next::Close => return Ok(End::Closed),
                Next::Elsewhere => return Ok(End::Elsewhere),
            }
        }
    }

    /// Waits for more. False where nothing more comes that can be answered.
    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        let is_between = self.received.is_empty();
        // A long request is read in ever larger pieces.
        self.received.reserve(READ_BYTES.max(self.received.len()));
        let mut more = pin!(stream.read_buf(&mut self.received));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(read) = more.as_mut().poll(cx) {
                return Poll::Ready(read.map(|bytes| bytes > 0));
            }
            self.vigil.poll(is_between, cx).map(|()| Ok(false))
        })
        .await
    }

    /// Answers the requests that are whole.
    fn answer(&mut self) -> Next {
        let mut began = Instant::now();
        let now_nanos = self.core.limits.now_nanos();
        loop {
            let hot = match head::judge(&self.received) {
                Judged::Hot(hot) => hot,
                Judged::Partial => return Next::Read,
                Judged::Elsewhere => return Next::Elsewhere,
            };
            let closes = hot.closes || self.vigil.is_leaving();
            let asked = Asked { core: self.core, other: self.other, hot: &hot, closes };
            if !asked.answer(now_nanos, &mut began, &mut self.answers) {
                return Next::Elsewhere;
            }
            let length = hot.length;
            self.received.advance(length);
            self.vigil.progressed();
            match () {
                () if closes => return Next::Close,
                () if self.received.is_empty() => return Next::Read,
                () if self.answers.len() > ANSWER_BYTES => return Next::Answer,
                () => {}
            }
        }
    }

    /// A connection that was busy once doesn't keep room for it.
    fn give_back(&mut self) {
        if self.answers.capacity() > KEPT_BYTES {
            self.answers = Vec::new();
        }
        if self.received.is_empty() && self.received.capacity() > KEPT_BYTES {
            self.received = BytesMut::new();
        }
    }
}

/// One request.
struct Asked<'a> {
    core: &'a Core,
    other: Other<'a>,
    hot: &'a Hot<'a>,
    closes: bool,
}

impl Asked<'_> {
    /// Adds the answer to `answers`, and notes how long it took from `began`.
    /// False where it is not to be answered here.
    fn answer(&self, now_nanos: u64, began: &mut Instant, answers: &mut Vec<u8>) -> bool {
        let Some(head) = self.head() else { return false };
        let question = match self.hot.kind {
            Kind::Rate => Question::Rate,
            Kind::Decisions => Question::Decisions,
            Kind::Auth => Question::Auth,
        };
        REPLY.with_borrow_mut(|reply| {
            reply.clear();
            let limits = self.core.limits.in_force();
            let ground = Ground { core: self.core, limits: &limits, now_nanos };
            let whose = decide(ground, question, &head, self.hot.body, reply);
            self.write(reply, now_nanos, answers);
            let ended = Instant::now();
            let took = ended.saturating_duration_since(std::mem::replace(began, ended));
            match whose {
                Some(limits) => {
                    self.core.limits.answered(limits, question.route(), reply.status, took.as_nanos() as u64);
                }
                None => self.core.metrics.answered(None, question.route().name(), reply.status, took),
            }
            reply.give_back(KEPT_BYTES);
        });
        true
    }

    /// `None` where it has to be waited for a key that a token names.
    fn head(&self) -> Option<Head<'_>> {
        let headers = &self.hot.headers;
        let shown = Shown {
            authorization: headers.authorization,
            tenant: Ok(headers.tenant),
            path_tenant: None,
            peer: self.other.peer,
        };
        let caller = self.core.auth.check_shown(shown);
        if caller.is_err() && headers.authorization.is_some_and(|text| self.core.auth.has_to_wait(text)) {
            return None;
        }
        Some(Head {
            caller,
            has_credential: headers.authorization.is_some() || self.other.peer.is_some(),
            named_tenant: headers.tenant,
            address: self.other.address,
            query: self.hot.query,
            client: headers.client,
            original_uri: headers.original_uri,
            original_method: headers.original_method,
        })
    }

    fn write(&self, reply: &Reply, now_nanos: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(first_line(reply.status));
        out.extend_from_slice(&reply.fields);
        // RFC 9110, 8.6: a 204 has none.
        if reply.status != 204 {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(reply.body.len()).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if self.closes {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(&date(now_nanos / 1_000_000_000));
        out.extend_from_slice(b"\r\n\r\n");
        if !self.hot.is_head {
            out.extend_from_slice(&reply.body);
        }
    }
}

/// Of the statuses that decisions are answered with.
fn first_line(status: u16) -> &'static [u8] {
    match status {
        200 => b"HTTP/1.1 200 OK\r\n",
        204 => b"HTTP/1.1 204 No Content\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\n",
        401 => b"HTTP/1.1 401 Unauthorized\r\n",
        403 => b"HTTP/1.1 403 Forbidden\r\n",
        404 => b"HTTP/1.1 404 Not Found\r\n",
        429 => b"HTTP/1.1 429 Too Many Requests\r\n",
        _ => b"HTTP/1.1 500 Internal Server Error\r\n",
    }
}

/// Written once a second by each thread.
fn date(second: u64) -> [u8; 29] {
    let (known, text) = DATE.get();
    if known == second {
        return text;
    }
    let written = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let text = written.as_bytes().try_into().unwrap_or(text);
    DATE.set((second, text));
    text
}
