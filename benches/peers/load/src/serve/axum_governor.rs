//! What most would write: axum on one runtime of all threads.

use super::Limiter;
use crate::error::LoadError;
use axum::extract::{RawQuery, State};
use axum::routing::get;
use http::StatusCode;
use std::net::TcpListener;

pub(super) fn run(listener: TcpListener, threads: usize) -> Result<(), LoadError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.map_err(LoadError::Runtime)?.block_on(async {
        let app = axum::Router::new().route("/", get(decide)).with_state(Limiter::new());
        Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await?)
    })
}

async fn decide(State(limiter): State<Limiter>, RawQuery(query): RawQuery) -> (StatusCode, &'static str) {
    match limiter.allows(query.as_deref()) {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::TOO_MANY_REQUESTS, "no"),
    }
}
