//! One POST and its answer, with a deadline, and whether the receiver may have
//! read the message where no answer came.

pub(crate) mod fetch;

use crate::Target;
use crate::connect::{Connector, pooled};
use crate::outcome::retry_after;
use crate::words::Words;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use openclaw_alert::{SendOutcome, Timestamp};
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is read of an answer's body; the rest is left and the connection closed.
const ANSWER_BODY_BYTES_MAX: usize = 4096;
const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("OpenClaw/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Connections to all receivers.
pub(crate) struct Http<C = Connector> {
    client: Client<C, OneShot>,
}

/// One attempt's bounds and what it goes over; given to the kinds.
pub(crate) struct Exchange<'s> {
    pub(crate) http: &'s Http,
    pub(crate) words: Words<'s>,
    pub(crate) deadline: Instant,
}

/// What a receiver said, whole or up to the bound.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// No whole answer came.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// False where the message can't have left.
    pub(crate) ambiguous: bool,
    pub(crate) detail: String,
}

impl Exchange<'_> {
    /// Posts JSON, or says what came of trying.
    pub(crate) async fn post(
        &self,
        target: &Target,
        idempotency_key: &str,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, SendOutcome> {
        let key = HeaderValue::from_str(idempotency_key).map_err(|_| SendOutcome::Never {
            detail: "the idempotency key can't be a header's value".to_owned(),
        })?;
        headers.insert(IDEMPOTENCY_KEY, key);
        let answer = self.http.post(target, headers, body, self.deadline, self.words.now).await;
        answer.map_err(|Unanswered { ambiguous, detail }| SendOutcome::Retry {
            after: None,
            ambiguous,
            detail,
        })
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Http<C> {
    pub(crate) fn new(connector: C) -> Self {
        Self { client: pooled(connector) }
    }

    async fn post(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: Vec<u8>,
        deadline: Instant,
        now: Timestamp,
    ) -> Result<Answer, Unanswered> {
        let taken = Arc::new(AtomicBool::new(false));
        let body = OneShot { bytes: Some(body.into()), taken: Arc::clone(&taken) };
        let exchanged = timeout_at(deadline, self.exchange(request(target, headers, body), now)).await;
        let ambiguous = taken.load(Ordering::Acquire);
        let fault = match exchanged {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(fault)) => fault,
            Err(_) if ambiguous => "no whole answer within the time-out".to_owned(),
            Err(_) => "no connection within the time-out".to_owned(),
        };
        Err(Unanswered { ambiguous, detail: format!("`{}`: {fault}", target.host()) })
    }

    async fn exchange(&self, request: Request<OneShot>, now: Timestamp) -> Result<Answer, String> {
        let response = self.client.request(request).await.map_err(|error| root_cause(&error))?;
        let (head, body) = Response::into_parts(response);
        let retry_after = retry_after(&head.headers, now);
        let body = read_bounded(body).await.map_err(|error| root_cause(&error))?;
        Ok(Answer { status: head.status, retry_after, body })
    }
}

fn request(target: &Target, headers: HeaderMap, body: OneShot) -> Request<OneShot> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = target.uri().clone();
    *request.headers_mut() = headers;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, OUR_NAME);
    headers.insert(CONTENT_TYPE, JSON);
    if let Some(credential) = target.authorization() {
        // What is set beside the address is newer than what stands in it.
        headers.entry(AUTHORIZATION).or_insert_with(|| credential.clone());
    }
    request
}

async fn read_bounded(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = ANSWER_BODY_BYTES_MAX - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if read.len() == ANSWER_BODY_BYTES_MAX {
            break;
        }
    }
    Ok(read)
}

/// The innermost error is the one that says something, and none of them knows the address's path.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A body that remembers that it was taken. Until then nothing was written, so
/// a failure before it can be repeated without a second message.
pub(crate) struct OneShot {
    bytes: Option<Bytes>,
    taken: Arc<AtomicBool>,
}

impl Body for OneShot {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taken.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::sink::{Reply, Sink};
    use hyper_util::client::legacy::connect::{Connected, Connection};
    use hyper_util::rt::TokioIo;
    use std::io::IoSlice;
    use std::sync::atomic::AtomicUsize;
    use tokio::net::TcpStream;

    type Written = Poll<std::io::Result<usize>>;

    /// Counts what the operating system is asked to write.
    struct Counting {
        stream: TokioIo<TcpStream>,
        writes: Arc<AtomicUsize>,
    }

    impl hyper::rt::Read for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: hyper::rt::ReadBufCursor<'_>,
        ) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        }
    }

    impl hyper::rt::Write for Counting {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Written {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.stream).poll_write(context, bytes)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Written {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.stream).poll_write_vectored(context, parts)
        }

        fn is_write_vectored(&self) -> bool {
            self.stream.is_write_vectored()
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(context)
        }
    }

    impl Connection for Counting {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    #[tokio::test]
    async fn a_message_is_one_write() {
        let yes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
        let sink = Sink::new(vec![Reply::Stay(yes)]).await;
        let (address, writes) = (sink.address, Arc::<AtomicUsize>::default());
        let counter = Arc::clone(&writes);
        let http = Http::new(tower::service_fn(move |_: http::Uri| {
            let writes = Arc::clone(&counter);
            Box::pin(async move {
                let stream = TokioIo::new(TcpStream::connect(address).await?);
                Ok::<_, std::io::Error>(Counting { stream, writes })
            })
        }));
        let target = Target::parse(&Secret::new(format!("http://{address}/"))).unwrap();
        for sent in 1..=3 {
            let deadline = Instant::now() + Duration::from_secs(3);
            let body = vec![b'x'; 20_000];
            let now = Timestamp::default();
            let answer = http.post(&target, HeaderMap::new(), body, deadline, now).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(writes.load(Ordering::Relaxed), sent);
        }
        assert_eq!(sink.connections(), 1);
    }
}
