//! The floor of gRPC: the HTTP/2 library, no message decoded, one fixed answer.

use super::on_this_thread;
use crate::error::LoadError;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::TcpListener;
use tokio::net::TcpStream;

/// `overall_code: OK`, framed.
const ANSWER: &[u8] = &[0, 0, 0, 0, 2, 1 << 3, 1];

pub(super) fn run(listener: TcpListener) -> Result<(), LoadError> {
    on_this_thread(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(async move {
                // A connection that breaks off is the load's to report.
                let _ = serve(stream).await;
            });
        }
    })
}

async fn serve(stream: TcpStream) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    let mut connection = builder.handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, answer) = call?;
        tokio::task::spawn_local(async move {
            let _ = decide(request, answer).await;
        });
    }
    Ok(())
}

async fn decide(request: Request<RecvStream>, mut answer: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    while let Some(part) = body.data().await {
        body.flow_control().release_capacity(part?.len())?;
    }
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = answer.send_response(head, false)?;
    stream.send_data(Bytes::from_static(ANSWER), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}
