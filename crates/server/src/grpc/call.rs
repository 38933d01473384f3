//! `ShouldRateLimit`, answered on the thread that reads it.

use super::front::{Admitted, Front};
use super::last::Last;
use super::request::{BadRequest, RateLimitRequest};
use super::response::{self, HEAD_BYTES, Told};
use super::standing::Standing;
use super::status::{Code, GRPC, GRPC_STATUS, Refusal};
use crate::auth::Peer;
use crate::limits::TenantLimits;
use crate::observe::Times;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use openclaw_admission::DescriptorAnswers;
use smallvec::SmallVec;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// As metrics name it.
const ROUTE: &str = "ShouldRateLimit";

/// Bytes of a request: Envoy's have some hundreds.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// How long a request may take to come.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers to many calls.
const OUT_BYTES: usize = 512;

/// A call that may not have come as a whole.
pub(super) struct Call {
    headers: HeaderMap,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    /// Nearly always all of it.
    first: Bytes,
    more: Vec<u8>,
}

/// What has become of a call.
pub(super) enum Outcome {
    Answered,
    /// Something of it, or what its credential is checked with, is to come.
    Waits(Box<Call>),
}

/// Where a connection's calls are answered.
pub(super) struct Desk {
    pub(super) front: Arc<Front>,
    pub(super) peer: Option<Arc<Peer>>,
    pub(super) standing: Arc<Standing>,
    out: Vec<u8>,
    writer: response::Writer,
    now_nanos: u64,
    /// Among the calls that are answered at once.
    last: Option<Last>,
    account: Option<Account>,
}

/// Calls of one tenant that have been answered and not yet counted.
struct Account {
    tenant: Arc<TenantLimits>,
    calls: Times,
    open: u64,
}

impl Call {
    pub(super) fn is_meant(request: &Request<RecvStream>) -> bool {
        request.uri().path() == PATH
    }

    pub(super) fn new(request: Request<RecvStream>, respond: SendResponse<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        Self { headers: head.headers, body, respond, first: Bytes::new(), more: Vec::new() }
    }

    /// Reads to the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        while let Some(data) = ready!(self.body.poll_data(cx)) {
            let Ok(data) = data else {
                return Poll::Ready(Err(Refusal::new(Code::InvalidArgument, "the request was cut off")));
            };
            let is_last = self.body.is_end_stream();
            if !is_last {
                // Beyond what is there nothing is given back, which can't be.
                // The last is given back with the stream.
                let _ = self.body.flow_control().release_capacity(data.len());
            }
            if self.first.len() + self.more.len() + data.len() > REQUEST_BYTES_MAX {
                let said = format!("a request of more than {REQUEST_BYTES_MAX} bytes");
                return Poll::Ready(Err(Refusal::new(Code::ResourceExhausted, said)));
            }
            if self.first.is_empty() {
                self.first = data;
            } else {
                self.more.extend_from_slice(&data);
            }
            if is_last {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn frame(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        if self.more.is_empty() { first } else { Bytes::from([&first[..], &self.more].concat()) }
    }

    fn send(&mut self, answer: Bytes) {
        let mut head = Response::new(());
        head.headers_mut().insert(CONTENT_TYPE, GRPC);
        // An error means that nobody waits any more.
        let Ok(mut out) = self.respond.send_response(head, false) else { return };
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        let _ = out.send_data(answer, false).and_then(|()| out.send_trailers(trailers));
    }
}

impl Desk {
    pub(super) fn new(front: Arc<Front>, peer: Option<Arc<Peer>>, standing: Arc<Standing>) -> Self {
        let out = Vec::with_capacity(OUT_BYTES);
        let writer = response::Writer::default();
        Self { front, peer, standing, out, writer, now_nanos: 0, last: None, account: None }
    }

    /// For a call that goes its own way.
    pub(super) fn beside(&self) -> Self {
        Self::new(Arc::clone(&self.front), self.peer.clone(), Arc::clone(&self.standing))
    }

    /// Reads the clock, for all calls that are answered at once.
    pub(super) fn open(&mut self) {
        self.now_nanos = self.front.app.limits.now_nanos();
    }

    /// Counts what has been answered since `began`.
    pub(super) fn close(&mut self, began: Instant) {
        // By the next calls keys and settings may be others.
        self.last = None;
        if let Some(account) = &mut self.account {
            let open = std::mem::take(&mut account.open);
            account.calls.observe_many(began.elapsed(), open);
        }
    }

    /// Answers, where all is there.
    pub(super) fn answer(&mut self, mut call: Call, began: Instant) -> Outcome {
        let last = match self.last.take().filter(|last| last.shows(&call.headers)) {
            Some(last) => Ok(last),
            None if !self.front.app.auth.is_settled(&call.headers) => return Outcome::Waits(Box::new(call)),
            None => self.admit(&call.headers).map(|admitted| Last::new(&call.headers, admitted)),
        };
        // Who has no credential is refused before anything is read.
        let ready = match &last {
            Ok(_) => call.poll_read(&mut Context::from_waker(Waker::noop())),
            Err(refusal) => Poll::Ready(Err(refusal.clone())),
        };
        let Poll::Ready(read) = ready else { return Outcome::Waits(Box::new(call)) };
        let answer = match &last {
            Ok(last) => read.and_then(|()| self.decide(&last.admitted, &call.frame(), began)),
            Err(refusal) => Err(refusal.clone()),
        };
        self.last = last.ok();
        self.send(&mut call, answer, began);
        Outcome::Answered
    }

    fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Refusal> {
        let admitted = self.front.admit(headers, self.peer.as_deref())?;
        self.standing.let_in(admitted.is_known);
        Ok(admitted)
    }

    /// Answers when all is there.
    pub(super) async fn finish(mut self, mut call: Box<Call>, began: Instant) {
        let _under_way = self.standing.begin();
        self.front.app.auth.settle(&call.headers).await;
        let answer = self.answered(&mut call, began).await;
        self.send(&mut call, answer, began);
        self.close(began);
    }

    async fn answered(&mut self, call: &mut Call, began: Instant) -> Result<Bytes, Refusal> {
        let admitted = self.admit(&call.headers)?;
        let read = timeout(REQUEST_TIMEOUT, std::future::poll_fn(|cx| call.poll_read(cx))).await;
        read.unwrap_or_else(|_| Err(Refusal::new(Code::DeadlineExceeded, "the request did not come")))?;
        self.open();
        self.decide(&admitted, &call.frame(), began)
    }

    fn send(&self, call: &mut Call, answer: Result<Bytes, Refusal>, began: Instant) {
        match answer {
            Ok(answer) => call.send(answer),
            Err(refusal) => {
                refusal.send(&mut call.respond);
                let status = refusal.http_status();
                self.front.app.metrics.answered(None, ROUTE, status, began.elapsed());
            }
        }
    }

    fn decide(&mut self, admitted: &Admitted, frame: &[u8], began: Instant) -> Result<Bytes, Refusal> {
        let request = RateLimitRequest::read(message(frame)?)?;
        if !admitted.is_known && request.gives_back() {
            let said = "a credential is needed to give tokens back (`is_negative_hits`)";
            return Err(Refusal::new(Code::Unauthenticated, said));
        }
        let tenant = &admitted.tenant;
        let answers = self.decided(tenant, &request);
        let model = self.front.app.limits.predictor();
        let told = Told {
            tenant: tenant.name.as_str(),
            domain: request.domain,
            model,
            x_ratelimit: tenant.x_ratelimit_headers,
        };
        self.out.clear();
        self.writer.write(&mut self.out, &answers, told);
        self.count(tenant, began);
        Ok(Bytes::copy_from_slice(&self.out))
    }

    fn decided<'t>(&self, tenant: &'t TenantLimits, request: &RateLimitRequest<'_>) -> DescriptorAnswers<'t> {
        let limits = &self.front.app.limits;
        let taken = request.descriptors().filter(|(_, gives_back)| !gives_back);
        let taken: SmallVec<[_; 2]> = taken.map(|(descriptor, _)| descriptor).collect();
        let mut answers = limits.decide_descriptors(tenant, request.domain, &taken, self.now_nanos);
        for (at, (descriptor, gives_back)) in request.descriptors().enumerate() {
            if gives_back {
                let given = limits.give_back_descriptor(tenant, request.domain, &descriptor, self.now_nanos);
                answers.each.insert(at, given);
            }
        }
        answers
    }

    fn count(&mut self, tenant: &Arc<TenantLimits>, began: Instant) {
        if self.account.as_ref().is_none_or(|account| !Arc::ptr_eq(&account.tenant, tenant)) {
            self.close(began);
            let calls = self.front.app.metrics.requests_of(Some(&tenant.name), ROUTE, "2xx");
            self.account = Some(Account { tenant: Arc::clone(tenant), calls, open: 0 });
        }
        if let Some(account) = &mut self.account {
            account.open += 1;
        }
    }
}

/// What a call's only frame holds.
fn message(frame: &[u8]) -> Result<&[u8], Refusal> {
    let (head, message) = frame.split_first_chunk::<HEAD_BYTES>().ok_or(BadRequest::Malformed)?;
    let [flag, length @ ..] = *head;
    if flag == 1 {
        return Err(Refusal::new(Code::Unimplemented, "compressed messages are not taken"));
    }
    let is_whole = flag == 0 && u32::from_be_bytes(length) as usize == message.len();
    if is_whole { Ok(message) } else { Err(BadRequest::Malformed.into()) }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        Self::new(Code::InvalidArgument, bad.to_string())
    }
}
