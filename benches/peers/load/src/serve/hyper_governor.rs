//! hyper with a runtime a thread: nothing is shared but the limiter.

use super::{Limiter, on_this_thread};
use crate::error::LoadError;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::TcpListener;
use tokio::net::TcpStream;

pub(super) fn run(listener: TcpListener, limiter: Limiter) -> Result<(), LoadError> {
    on_this_thread(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(serve(stream, limiter.clone()));
        }
    })
}

async fn serve(stream: TcpStream, limiter: Limiter) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = decide(&limiter, request.uri().query());
        async { Ok::<_, Infallible>(answer) }
    });
    // A connection that breaks off is the load's to report.
    let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
}

fn decide(limiter: &Limiter, query: Option<&str>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"ok")));
    if !limiter.allows(query) {
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    answer
}
