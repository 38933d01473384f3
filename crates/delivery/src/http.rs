//! One call and its answer, with a deadline, and whether the receiver may have
//! taken the message where no answer came.

pub(crate) mod fetch;
pub(crate) mod post;

use crate::connect::{BoxError, Client, Connections};
use crate::outcome::retry_after;
use crate::outgoing::{Refused, ResolveError};
use crate::words::Words;
use crate::{HttpConfig, Target};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use openclaw_alert::{SendOutcome, Timestamp};
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is read of an answer's body unless a call asks for more; the rest is
/// left and the connection closed.
const ANSWER_BYTES_MAX: usize = 4096;
const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("OpenClaw/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One attempt's bounds and what it goes over; given to the kinds.
pub(crate) struct Exchange<'s> {
    pub(crate) connections: &'s Connections,
    pub(crate) words: Words<'s>,
    pub(crate) deadline: Instant,
}

/// One request of a send. A send may make several, all within its deadline.
#[derive(Debug, Clone)]
pub(crate) struct Call<'c> {
    pub(crate) method: Method,
    pub(crate) target: &'c Target,
    /// The owner's credentials, headers, and way there.
    pub(crate) http: &'c HttpConfig,
    /// The kind's own, which win over the owner's.
    pub(crate) headers: HeaderMap,
    /// JSON unless `headers` say otherwise.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) idempotency_key: Option<&'c str>,
    /// What is read of the answer's body.
    pub(crate) answer_bytes_max: usize,
}

impl<'c> Call<'c> {
    /// Without body, key or headers of its own; 4 KiB of answer.
    pub(crate) fn new(method: Method, target: &'c Target, http: &'c HttpConfig) -> Self {
        let (headers, answer_bytes_max) = (HeaderMap::new(), ANSWER_BYTES_MAX);
        Self { method, target, http, headers, body: None, idempotency_key: None, answer_bytes_max }
    }

    /// A message, as JSON.
    pub(crate) fn post(target: &'c Target, http: &'c HttpConfig, body: Vec<u8>) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, target, http) }
    }
}

/// What a receiver said, whole or up to the bound.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An answer's header, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[cfg(test)]
impl Answer {
    pub(crate) fn sample(status: u16, body: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, retry_after: None, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }
}

/// No whole answer came.
#[derive(Debug)]
enum Fault {
    /// The address is not to be reached at all.
    Refused(Refused),
    Unanswered {
        /// False where the message can't have left.
        ambiguous: bool,
        detail: String,
    },
}

impl Fault {
    fn outcome(self, host: &str) -> SendOutcome {
        match self {
            Self::Refused(refused) => SendOutcome::Never { detail: format!("`{host}`: {refused}") },
            Self::Unanswered { ambiguous, detail } => {
                SendOutcome::Retry { after: None, ambiguous, detail: format!("`{host}`: {detail}") }
            }
        }
    }
}

impl Exchange<'_> {
    /// Asks and is answered, or says what came of trying.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, SendOutcome> {
        let (answer_bytes_max, way) = (call.answer_bytes_max, call.http.way());
        let host = call.target.host();
        let never = |detail: String| SendOutcome::Never { detail: format!("`{host}`: {detail}") };
        let client = self.connections.client(way).map_err(|error| never(error.to_string()))?;
        let mut request = request(call).map_err(|detail| never(detail.to_owned()))?;
        if let Some(proxy) = self.connections.proxy(way, request.uri()) {
            authorize_at(proxy, &mut request);
        }
        let answer = send(&client, request, answer_bytes_max, self.deadline, self.words.now).await;
        answer.map_err(|fault| fault.outcome(host))
    }
}

/// Where the proxy reads the request itself. In a tunnel its credential would
/// reach the receiver.
fn authorize_at(proxy: &Target, request: &mut Request<OneShot>) {
    let reads_it = request.uri().scheme_str() == Some("http");
    if let Some(credential) = proxy.authorization().filter(|_| reads_it) {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credential.clone());
    }
}

async fn send(
    client: &Client,
    request: Request<OneShot>,
    answer_bytes_max: usize,
    deadline: Instant,
    now: Timestamp,
) -> Result<Answer, Fault> {
    let traces = Traces::of(&request);
    let exchanged = timeout_at(deadline, exchange(client, request, answer_bytes_max, now)).await;
    let ambiguous = traces.may_have_been_taken();
    let detail = match exchanged {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(fault)) => match refused(&*fault) {
            Some(refused) => return Err(Fault::Refused(refused)),
            None => root_cause(&*fault),
        },
        Err(_) if ambiguous => "no whole answer within the time-out".to_owned(),
        Err(_) => "no answer within the time-out".to_owned(),
    };
    Err(Fault::Unanswered { ambiguous, detail })
}

async fn exchange(
    client: &Client,
    request: Request<OneShot>,
    answer_bytes_max: usize,
    now: Timestamp,
) -> Result<Answer, BoxError> {
    let response = client.request(request).await?;
    let (head, body) = Response::into_parts(response);
    let retry_after = retry_after(&head.headers, now);
    let body = read_bounded(body, answer_bytes_max).await?;
    Ok(Answer { status: head.status, retry_after, headers: head.headers, body })
}

fn refused(error: &(dyn Error + 'static)) -> Option<Refused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(*refused);
        }
        if let Some(ResolveError::Refused(refused)) = error.downcast_ref() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

/// How to tell whether a request that failed did its work all the same.
enum Traces {
    /// It asks and changes nothing.
    Harmless,
    /// Its body is written with its head, so that as long as it wasn't taken nothing was.
    Body(Arc<AtomicBool>),
    /// Nothing to look at.
    None,
}

impl Traces {
    fn of(request: &Request<OneShot>) -> Self {
        if request.method().is_safe() {
            return Self::Harmless;
        }
        let body = request.body();
        if body.bytes.is_some() { Self::Body(Arc::clone(&body.taken)) } else { Self::None }
    }

    fn may_have_been_taken(&self) -> bool {
        match self {
            Self::Harmless => false,
            Self::Body(taken) => taken.load(Ordering::Acquire),
            Self::None => true,
        }
    }
}

fn request(call: Call<'_>) -> Result<Request<OneShot>, &'static str> {
    let mut request = Request::new(OneShot::new(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = call.target.uri().clone();
    let mut headers = call.http.headers();
    merge(&mut headers, call.headers);
    headers.insert(USER_AGENT, OUR_NAME);
    if request.body().bytes.is_some() {
        headers.entry(CONTENT_TYPE).or_insert(JSON);
    }
    if let Some(key) = call.idempotency_key {
        let key = HeaderValue::from_str(key).map_err(|_| "the idempotency key can't be a header's value")?;
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if let Some(credential) = call.target.authorization() {
        // What is set beside the address is newer than what stands in it.
        headers.entry(AUTHORIZATION).or_insert_with(|| credential.clone());
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// A name of `over` takes the place of all its values in `headers`.
fn merge(headers: &mut HeaderMap, over: HeaderMap) {
    over.keys().for_each(|name| drop(headers.remove(name)));
    headers.extend(over);
}

async fn read_bounded(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = bytes_max - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if read.len() == bytes_max {
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

impl OneShot {
    fn new(bytes: Option<Vec<u8>>) -> Self {
        let bytes = bytes.filter(|bytes| !bytes.is_empty()).map(Bytes::from);
        Self { bytes, taken: Arc::default() }
    }
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
    use crate::connect::pooled;
    use crate::outgoing::Outgoing;
    use crate::sink::{Reply, Sink};
    use crate::tls::TlsSettings;
    use crate::wire::Wire;
    use hyper_util::rt::TokioIo;
    use std::io::IoSlice;
    use std::sync::atomic::AtomicUsize;
    use tokio::net::TcpStream;
    use tower::util::BoxCloneSyncService;

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

    async fn call(sink: &Sink, call: Call<'_>) -> Result<Answer, SendOutcome> {
        let connections = Connections::new(Outgoing::with_loopback()).unwrap();
        assert!(call.target.host().contains(&sink.address.port().to_string()));
        let deadline = Instant::now() + Duration::from_secs(3);
        Exchange { connections: &connections, words: Words::sample(""), deadline }.call(call).await
    }

    #[tokio::test]
    async fn any_method_with_its_own_bound_on_the_answer() {
        let said = "x".repeat(10_000);
        let reply = format!("HTTP/1.1 200 OK\r\nLocation: /a\r\nContent-Length: 10000\r\n\r\n{said}");
        let sink = Sink::new(vec![Reply::Stay(reply.into_bytes())]).await;
        let target = Target::parse(&Secret::new(format!("http://{}/api", sink.address))).unwrap();
        let target = target.join(&["a b"], &[("q", "k=1^x")]).unwrap();
        let mut config = HttpConfig::default();
        config.add_header("Accept", &Secret::new("text/plain")).unwrap();
        let get = Call::new(Method::GET, &target, &config);
        let answer = call(&sink, get.clone()).await.unwrap();
        assert_eq!((answer.body.len(), answer.header("location")), (ANSWER_BYTES_MAX, Some("/a")));
        let mut patch = Call { method: Method::PATCH, answer_bytes_max: 64 << 10, ..get };
        patch.headers.insert(http::header::ACCEPT, JSON);
        patch.body = Some(b"{}".to_vec());
        assert_eq!(call(&sink, patch).await.unwrap().body.len(), 10_000);
        let [get, patch] = sink.requests().try_into().unwrap();
        assert!(get.head.starts_with("GET /api/a%20b?q=k%3D1%5Ex HTTP/1.1\r\n"), "{}", get.head);
        assert_eq!((get.header("content-type"), get.header("accept")), (None, Some("text/plain")));
        assert!(patch.head.starts_with("PATCH "));
        assert_eq!(patch.header("accept"), Some("application/json"), "a kind's own header wins");
        assert_eq!(patch.body, b"{}");
    }

    #[tokio::test]
    async fn only_what_may_have_changed_something_is_ambiguous() {
        let sink = Sink::new(vec![Reply::Reset]).await;
        let target = Target::parse(&Secret::new(format!("http://{}/", sink.address))).unwrap();
        let config = HttpConfig::default();
        for (method, body, want) in [
            (Method::GET, None, false),
            (Method::PUT, None, true),
            (Method::PUT, Some(b"{}".to_vec()), true),
            (Method::POST, Some(Vec::new()), true),
        ] {
            let asked = Call { body, ..Call::new(method.clone(), &target, &config) };
            let outcome = call(&sink, asked).await.unwrap_err();
            let SendOutcome::Retry { ambiguous, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(ambiguous, want, "{method}");
        }
    }

    #[tokio::test]
    async fn a_message_is_one_write() {
        let yes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
        let sink = Sink::new(vec![Reply::Stay(yes)]).await;
        let (address, writes) = (sink.address, Arc::<AtomicUsize>::default());
        let counter = Arc::clone(&writes);
        let dial = tower::service_fn(move |_: http::Uri| {
            let writes = Arc::clone(&counter);
            async move {
                let stream = TokioIo::new(TcpStream::connect(address).await?);
                Ok(Wire::direct(Counting { stream, writes }))
            }
        });
        let tls = TlsSettings::default().client_config(&Arc::new(rustls::RootCertStore::empty())).unwrap();
        let names = Arc::new(hyper_rustls::DefaultServerNameResolver::default());
        let client = pooled(BoxCloneSyncService::new(dial), Arc::new(tls), names);
        let target = Target::parse(&Secret::new(format!("http://{address}/"))).unwrap();
        for sent in 1..=3 {
            let deadline = Instant::now() + Duration::from_secs(3);
            let config = HttpConfig::default();
            let request = request(Call::post(&target, &config, vec![b'x'; 20_000])).unwrap();
            let answer =
                send(&client, request, ANSWER_BYTES_MAX, deadline, Timestamp::default()).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(writes.load(Ordering::Relaxed), sent);
        }
        assert_eq!(sink.connections(), 1);
    }
}
