//! The way to tonic and back, for all that isn't hot.

use super::call::Desk;
use super::front::{Admission, Front, MESSAGE_BYTES_MAX, told};
use super::status::{Code, Refusal};
use crate::auth::Peer;
use crate::http::Stage;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tower::ServiceExt as _;

/// The service whose callers must say who they are.
const ACCESS_LOGS: &str = "/envoy.service.accesslog.v3.AccessLogService/";

/// How long calls that never end by themselves may go on when the server
/// stops.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a client sends, until the server stops.
struct Incoming {
    body: RecvStream,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Answers on the work runtime.
pub(super) fn spawn(
    desk: &Desk,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    stage: watch::Receiver<Stage>,
) {
    let (front, peer) = (Arc::clone(&desk.front), desk.peer.clone());
    let needs_credential = request.uri().path().starts_with(ACCESS_LOGS);
    let standing = Arc::clone(&desk.standing);
    let under_way = if needs_credential { Some(standing.begin()) } else { standing.begin_other() };
    let work = front.app.work.clone();
    work.spawn(async move {
        let began = Instant::now();
        let route = route(request.uri().path());
        let admitted = match &under_way {
            Some(_) => admitted(&front, request, peer, stage.clone()).await,
            None => Err(Refusal::new(Code::ResourceExhausted, "too many calls without a credential")),
        };
        if needs_credential && admitted.is_ok() {
            standing.let_in(true);
        }
        let status = match admitted {
            Ok(request) => {
                let Ok(response) = front.routes.clone().oneshot(request).await;
                send(response, respond, stage).await;
                200
            }
            Err(refusal) => {
                refusal.send(&mut respond);
                refusal.http_status()
            }
        };
        front.app.metrics.answered(None, route, status, began.elapsed());
    });
}

/// As metrics name it.
fn route(path: &str) -> &'static str {
    match path.rsplit_once('/').map(|(service, _)| service) {
        Some("/envoy.service.accesslog.v3.AccessLogService") => "StreamAccessLogs",
        Some("/grpc.health.v1.Health") => "grpc.health.v1",
        Some("/grpc.reflection.v1.ServerReflection" | "/grpc.reflection.v1alpha.ServerReflection") => {
            "grpc.reflection"
        }
        _ => "other",
    }
}

async fn admitted(
    front: &Arc<Front>,
    request: Request<RecvStream>,
    peer: Option<Arc<Peer>>,
    mut stage: watch::Receiver<Stage>,
) -> Result<Request<tonic::body::Body>, Refusal> {
    let mut request = request.map(|body| {
        let stopped = Box::pin(async move { told(&mut stage).await });
        tonic::body::Body::new(Incoming { body, stopped })
    });
    if request.uri().path().starts_with(ACCESS_LOGS) {
        front.app.auth.settle(request.headers()).await;
        let admission = Admission { front: Arc::clone(front), headers: request.headers().clone(), peer };
        admission.tenant()?;
        request.extensions_mut().insert(admission);
    }
    Ok(request)
}

async fn send(
    response: Response<tonic::body::Body>,
    mut respond: SendResponse<Bytes>,
    mut stage: watch::Receiver<Stage>,
) {
    let (head, mut body) = response.into_parts();
    let is_all = body.is_end_stream();
    // An error means that nobody waits any more.
    let Ok(mut out) = respond.send_response(Response::from_parts(head, ()), is_all) else { return };
    let stop = async {
        told(&mut stage).await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let mut stop = std::pin::pin!(stop);
    if is_all {
        return;
    }
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = std::future::poll_fn(|cx| out.poll_reset(cx)) => return,
            () = stop.as_mut() => Some(Ok(Frame::trailers(stopping()))),
        };
        if !passed_on(frame, &mut out).await {
            return;
        }
    }
}

fn stopping() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    Refusal::new(Code::Unavailable, "the server stops").write(&mut trailers);
    trailers
}

/// Whether there may be more.
async fn passed_on(frame: Option<Result<Frame<Bytes>, tonic::Status>>, out: &mut SendStream<Bytes>) -> bool {
    let frame = match frame {
        Some(Ok(frame)) => frame,
        Some(Err(_)) => {
            out.send_reset(Reason::INTERNAL_ERROR);
            return false;
        }
        None => {
            let _ = out.send_data(Bytes::new(), true);
            return false;
        }
    };
    match frame.into_data() {
        Ok(data) => send_data(data, out).await.is_some(),
        Err(frame) => {
            let _ = out.send_trailers(frame.into_trailers().unwrap_or_default());
            false
        }
    }
}

/// Waits until the client takes it: what it leaves must not gather here.
async fn send_data(mut data: Bytes, out: &mut SendStream<Bytes>) -> Option<()> {
    while !data.is_empty() {
        out.reserve_capacity(data.len().min(MESSAGE_BYTES_MAX));
        let room = std::future::poll_fn(|cx| out.poll_capacity(cx)).await?.ok()?;
        out.send_data(data.split_to(room.min(data.len())), false).ok()?;
    }
    Some(())
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Poll::Ready(data) = self.body.poll_data(cx) else {
            ready!(self.stopped.as_mut().poll(cx));
            return Poll::Ready(None);
        };
        let Some(data) = data else { return Poll::Ready(None) };
        Poll::Ready(Some(data.and_then(|data| {
            self.body.flow_control().release_capacity(data.len())?;
            Ok(Frame::data(data))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
