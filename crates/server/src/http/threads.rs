//! The I/O threads: a runtime of one thread each, which owns its connections.

use super::descriptors::connections_max;
use super::fast::{self, Other, Rewind};
use super::service::{Front, serve};
use super::tls;
use crate::auth::Peer;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// How long a client may take to send its request's head.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// After an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All I/O threads.
pub(crate) struct IoThreads {
    threads: Vec<IoThread>,
    /// Of all threads together; further ones wait to be accepted.
    connections_max: usize,
    stop: watch::Sender<bool>,
}

struct IoThread {
    sockets: mpsc::UnboundedSender<TcpStream>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl IoThreads {
    /// Starts `count` threads.
    pub(crate) fn start(count: usize, front: &Arc<Front>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let start = |number| IoThread::start(number, Arc::clone(front), stopped.clone());
        let threads = (0..count.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { threads, connections_max: connections_max(), stop })
    }

    /// Accepts until it is told to stop; then no new connection is taken.
    pub(crate) async fn accept(&self, listener: TcpListener) {
        let mut stopped = self.stop.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept(), if self.has_room() => accepted,
                () = tokio::time::sleep(ACCEPT_PAUSE), if !self.has_room() => continue,
                _ = stopped.changed() => return,
            };
            match accepted {
                Ok((socket, _)) => self.hand_over(socket),
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.open() < self.connections_max
    }

    fn hand_over(&self, socket: TcpStream) {
        // Answers are small and whole; waiting for more to send helps nobody.
        let _ = socket.set_nodelay(true);
        let least = self.threads.iter().min_by_key(|io| io.open.load(Ordering::Relaxed));
        if let Some(io) = least {
            io.open.fetch_add(1, Ordering::Relaxed);
            let _ = io.sockets.send(socket);
        }
    }

    /// Tells all connections to end after what they are doing.
    pub(crate) fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.threads.iter().map(|io| io.open.load(Ordering::Relaxed)).sum()
    }

    /// Ends the threads, whatever they still do.
    pub(crate) fn join(self) {
        for io in self.threads {
            drop(io.sockets);
            if io.thread.join().is_err() {
                tracing::error!("an I/O thread has panicked");
            }
        }
    }
}

impl IoThread {
    fn start(number: usize, front: Arc<Front>, stopped: watch::Receiver<bool>) -> io::Result<Self> {
        let (sockets, incoming) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&open);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            crate::limits::set_core(number + 1);
            runtime.block_on(run(incoming, front, counter, stopped));
        };
        let thread = std::thread::Builder::new().name(format!("io-{number}")).spawn(run)?;
        Ok(Self { sockets, open, thread })
    }
}

async fn run(
    mut incoming: mpsc::UnboundedReceiver<TcpStream>,
    front: Arc<Front>,
    open: Arc<AtomicUsize>,
    stopped: watch::Receiver<bool>,
) {
    // What `accept` handed over belongs to another runtime's reactor, so each
    // socket is taken out of it and registered here.
    while let Some(socket) = incoming.recv().await {
        let Ok(socket) = socket.into_std().and_then(TcpStream::from_std) else {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        };
        let (front, open, stopped) = (Arc::clone(&front), Arc::clone(&open), stopped.clone());
        tokio::spawn(async move {
            connection(socket, front, stopped).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// The other end of a connection, as text.
#[derive(Clone)]
pub(super) struct Address(Arc<str>);

impl Address {
    fn of(socket: &TcpStream) -> Self {
        Self(socket.peer_addr().map_or("".into(), |address| address.ip().to_canonical().to_string().into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

async fn connection(socket: TcpStream, front: Arc<Front>, mut stopped: watch::Receiver<bool>) {
    let address = Address::of(&socket);
    let Some(tls) = &front.tls else {
        return requests(socket, address, None, front, stopped).await;
    };
    let accepted = tokio::select! {
        accepted = tls.accept(socket) => accepted,
        () = told(&mut stopped) => None,
    };
    if let Some(stream) = accepted {
        let peer = tls::peer(&stream);
        requests(stream, address, peer, front, stopped).await;
    }
}

/// Serves a connection's requests. `peer` is its client certificate.
async fn requests(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: Address,
    peer: Option<Arc<Peer>>,
    front: Arc<Front>,
    mut stopped: watch::Receiver<bool>,
) {
    let other = Other { address: address.as_str(), peer: peer.as_deref() };
    let Some(received) = fast::serve(&mut stream, &front.app, other, stopped.clone()).await else { return };
    let stream = Rewind::new(received, stream);
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let front = Arc::clone(&front);
        if let Some(peer) = &peer {
            request.extensions_mut().insert(Arc::clone(peer));
        }
        request.extensions_mut().insert(address.clone());
        async move { Ok::<_, std::convert::Infallible>(serve(&front, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

pub(super) async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}
