//! The I/O threads: a runtime of one thread each, which owns its connections.

use super::busy::Busy;
use super::descriptors::connections_max;
use super::fast::{self, Other, Rewind};
use super::service::{Front, serve};
use super::stuck::Unstuck;
use super::tls;
use crate::auth::Peer;
use crate::grpc;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// How long a client may take to send its request's head.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client has for the rest of a request when the server ends.
pub(super) const LAST_BYTES: Duration = Duration::from_secs(1);

/// How long a client may take nothing of its answers.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// After an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How far the end of this process has come, for connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// All are welcome.
    Open,
    /// Each connection ends with its next answer.
    Leaving,
    /// No new ones either.
    Closed,
    /// Those that ask for nothing end at once.
    Ending,
}

/// All I/O threads.
pub(crate) struct IoThreads {
    threads: Vec<IoThread>,
    front: Arc<Front>,
    /// Of all threads together; further ones wait to be accepted.
    connections_max: usize,
    /// Connections that came while all were welcome.
    kept: Arc<AtomicUsize>,
    stage: watch::Sender<Stage>,
}

/// What a listener's connections speak.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// HTTP/1.
    Http,
    /// gRPC, which is HTTP/2.
    Grpc,
}

/// What connections are served by.
#[derive(Clone)]
struct Fronts {
    http: Arc<Front>,
    grpc: Arc<grpc::Front>,
}

struct IoThread {
    sockets: mpsc::UnboundedSender<(TcpStream, Protocol, Counted)>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// A connection, as it is counted; no more when dropped.
struct Counted(Vec<Arc<AtomicUsize>>);

impl Counted {
    fn new(counts: Vec<Arc<AtomicUsize>>) -> Self {
        for count in &counts {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Self(counts)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        for count in &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl IoThreads {
    /// Starts `count` threads.
    pub(crate) fn start(count: usize, http: Arc<Front>, grpc: Arc<grpc::Front>) -> io::Result<Self> {
        let (stage, at) = watch::channel(Stage::Open);
        let front = Arc::clone(&http);
        let fronts = Fronts { http, grpc };
        let start = |number| IoThread::start(number, fronts.clone(), at.clone());
        let threads = (0..count.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { threads, front, connections_max: connections_max(), kept: Arc::default(), stage })
    }

    /// Accepts until it is told to stop; then no new connection is taken.
    pub(crate) async fn accept(&self, listener: TcpListener, protocol: Protocol) {
        let mut stage = self.stage.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept(), if self.has_room() => accepted,
                () = tokio::time::sleep(ACCEPT_PAUSE), if !self.has_room() => continue,
                () = reached(&mut stage, Stage::Closed) => return,
            };
            match accepted {
                Ok((socket, _)) => self.hand_over(socket, protocol),
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

    fn hand_over(&self, socket: TcpStream, protocol: Protocol) {
        // Answers are small and whole; waiting for more to send helps nobody.
        let _ = socket.set_nodelay(true);
        let least = self.threads.iter().min_by_key(|io| io.open.load(Ordering::Relaxed));
        if let Some(io) = least {
            let mut counts = vec![Arc::clone(&io.open)];
            if *self.stage.borrow() == Stage::Open {
                counts.push(Arc::clone(&self.kept));
            }
            let _ = io.sockets.send((socket, protocol, Counted::new(counts)));
        }
    }

    /// Says how far the end has come.
    pub(crate) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Tells all connections how far the end has come.
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.front.leave(stage >= Stage::Leaving);
        self.stage.send_replace(stage);
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.threads.iter().map(|io| io.open.load(Ordering::Relaxed)).sum()
    }

    /// Connections that came while all were welcome, and haven't ended.
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
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
    fn start(number: usize, fronts: Fronts, stage: watch::Receiver<Stage>) -> io::Result<Self> {
        let (sockets, incoming) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            crate::limits::set_core(number + 1);
            runtime.block_on(run(incoming, fronts, stage));
        };
        let thread = std::thread::Builder::new().name(format!("io-{number}")).spawn(run)?;
        Ok(Self { sockets, open, thread })
    }
}

async fn run(
    mut incoming: mpsc::UnboundedReceiver<(TcpStream, Protocol, Counted)>,
    fronts: Fronts,
    stage: watch::Receiver<Stage>,
) {
    // What `accept` handed over belongs to another runtime's reactor, so each
    // socket is taken out of it and registered here.
    while let Some((socket, protocol, counted)) = incoming.recv().await {
        let Ok(socket) = socket.into_std().and_then(TcpStream::from_std) else { continue };
        let (fronts, stage) = (fronts.clone(), stage.clone());
        tokio::spawn(async move {
            match protocol {
                Protocol::Http => connection(socket, fronts.http, stage).await,
                Protocol::Grpc => grpc::connection(socket, fronts.grpc, stage).await,
            }
            drop(counted);
        });
    }
}

/// The other end of a connection, as limits know it where it says no name.
#[derive(Clone)]
pub(super) struct Address(Arc<str>);

impl Address {
    fn of(socket: &TcpStream) -> Self {
        Self(
            socket
                .peer_addr()
                .map_or("".into(), |address| one_of_its_network(address.ip()).to_string().into()),
        )
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// IPv4's own address; of IPv6 the first of its /64, since whoever has one
/// address there has them all.
fn one_of_its_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

async fn connection(socket: TcpStream, front: Arc<Front>, mut stage: watch::Receiver<Stage>) {
    let address = Address::of(&socket);
    let Some(tls) = &front.tls else {
        return requests(socket, address, None, front, stage).await;
    };
    let accepted = tokio::select! {
        accepted = tls.accept(socket) => accepted,
        () = reached(&mut stage, Stage::Ending) => None,
    };
    if let Some(stream) = accepted {
        let peer = tls::peer(&stream);
        requests(stream, address, peer, front, stage).await;
    }
}

/// Serves a connection's requests. `peer` is its client certificate.
async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: Address,
    peer: Option<Arc<Peer>>,
    front: Arc<Front>,
    mut stage: watch::Receiver<Stage>,
) {
    let mut stream = Unstuck::new(stream, TAKE_TIMEOUT);
    let other = Other { address: address.as_str(), peer: peer.as_deref() };
    let Some(received) = fast::serve(&mut stream, front.core(), other, stage.clone()).await else { return };
    let stream = Rewind::new(received, stream);
    let busy = Busy::default();
    let answering = busy.clone();
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let (front, busy) = (Arc::clone(&front), answering.clone());
        if let Some(peer) = &peer {
            request.extensions_mut().insert(Arc::clone(peer));
        }
        request.extensions_mut().insert(address.clone());
        async move {
            let response = serve(&front, request).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| busy.until_sent(body)))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = reached(&mut stage, Stage::Ending) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = busy.idle_for(LAST_BYTES) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Comes back when the end has come as far as that.
pub(crate) async fn reached(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    // An error means that the sender is gone, which is the end as well.
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_one_network_are_one_client() {
        for (address, known_as) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("::1", "::"),
        ] {
            assert_eq!(one_of_its_network(address.parse().unwrap()).to_string(), known_as, "{address}");
        }
    }
}
