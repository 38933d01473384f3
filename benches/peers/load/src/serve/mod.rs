//! Small servers that show what the libraries cost below a limiter, and how far
//! down one can go. None of them reads more of a request than its answer needs.

mod axum_governor;
mod epoll;
mod http2;
mod hyper_governor;

use crate::error::LoadError;
use clap::{Args, ValueEnum};
use governor::{DefaultKeyedRateLimiter, Quota};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// axum, and governor's limiter by key
    AxumGovernor,
    /// hyper on a runtime a thread, and governor's limiter by key
    HyperGovernor,
    /// system calls alone, a fixed answer
    Epoll,
    /// the h2 library on a runtime a thread, a fixed answer of gRPC
    Http2,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[arg(long)]
    kind: Kind,
    #[arg(long)]
    port: u16,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Serves until the process is ended.
pub(crate) fn run(args: &ServeArgs) -> Result<(), LoadError> {
    match args.kind {
        Kind::AxumGovernor => axum_governor::run(listen(args.port)?, args.threads),
        Kind::HyperGovernor => {
            let limiter = Limiter::new();
            each_thread(args, |listener| hyper_governor::run(listener, limiter.clone()))
        }
        Kind::Epoll => each_thread(args, epoll::run),
        Kind::Http2 => each_thread(args, http2::run),
    }
}

/// The kernel deals connections out to the threads' own listeners.
fn each_thread(
    args: &ServeArgs,
    serve: impl Fn(TcpListener) -> Result<(), LoadError> + Sync,
) -> Result<(), LoadError> {
    let listeners: Vec<TcpListener> =
        (0..args.threads).map(|_| listen(args.port)).collect::<Result<_, _>>()?;
    thread::scope(|scope| {
        let serve = &serve;
        let threads: Vec<_> =
            listeners.into_iter().map(|listener| scope.spawn(move || serve(listener))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| LoadError::Thread)?)
    })
}

fn listen(port: u16) -> Result<TcpListener, LoadError> {
    let bind = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|source: io::Error| LoadError::Listen { port, source })
}

/// A runtime of this thread alone.
fn on_this_thread(serve: impl Future<Output = Result<(), LoadError>>) -> Result<(), LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    tokio::task::LocalSet::new().block_on(&runtime.map_err(LoadError::Runtime)?, serve)
}

/// A limit that nobody reaches.
#[derive(Debug, Clone)]
struct Limiter(Arc<DefaultKeyedRateLimiter<String>>);

impl Limiter {
    fn new() -> Self {
        let per_s = NonZeroU32::MIN.saturating_add(999_999);
        Self(Arc::new(governor::RateLimiter::keyed(Quota::per_second(per_s).allow_burst(per_s))))
    }

    /// Decides for the client that `?key=` names.
    fn allows(&self, query: Option<&str>) -> bool {
        let key = query.and_then(|query| query.strip_prefix("key=")).unwrap_or_default();
        self.0.check_key(&key.to_owned()).is_ok()
    }
}
