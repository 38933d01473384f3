//! The sockets of a running process, whatever is behind them, and how they are
//! closed without anybody noticing.

use crate::grpc;
use crate::handover::{Control, Follower, Shared};
use crate::http::{Front, IoThreads, Protocol, Stage};
use crate::server::StartError;
use crate::sockets::{Inherited, listen};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How long connections that were there before have to ask for something, so
/// that they can be told that they end.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How long connections that came later have to ask at all.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// How long connections may go on when nobody else is answered meanwhile: who
/// has only begun to ask must not keep all others waiting.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// How often it is looked how many connections are left.
const LOOK: Duration = Duration::from_millis(2);

/// What a process listens on.
pub(crate) struct Listeners {
    http: TcpListener,
    grpc: Option<TcpListener>,
    /// Whether others hold the same sockets.
    are_shared: bool,
    /// Whether the process before this one may still hold the data folder.
    pub(crate) follows: bool,
}

impl Listeners {
    /// Listens there, or goes on where another has.
    pub(crate) fn open(
        http: SocketAddr,
        grpc: Option<SocketAddr>,
        inherited: Inherited,
    ) -> Result<Self, StartError> {
        let (are_shared, follows) = (inherited.are_shared(), inherited.follows);
        let open = |address, inherited| {
            listen(address, inherited).map_err(|source| StartError::Listen { address, source })
        };
        let http = open(http, inherited.http)?;
        let grpc = grpc.map(|address| open(address, inherited.grpc)).transpose()?;
        Ok(Self { http, grpc, are_shared, follows })
    }

    fn copies(&self) -> io::Result<Shared> {
        let copy = |listener: &TcpListener| rustix::io::fcntl_dupfd_cloexec(listener, 0);
        Ok(Shared { http: copy(&self.http)?, grpc: self.grpc.as_ref().map(copy).transpose()? })
    }
}

/// The sockets of a running process.
pub(crate) struct Doors {
    pub(crate) address: SocketAddr,
    pub(crate) grpc_address: Option<SocketAddr>,
    io: Arc<IoThreads>,
    accepting: Mutex<Vec<JoinHandle<()>>>,
    control: Option<Control>,
    /// Whether others hold the same sockets.
    are_shared: bool,
    /// Whether somebody who follows is waited for at the sockets.
    has_left: AtomicBool,
}

impl Doors {
    /// Accepts from now on. Who holds the data folder listens there for who is
    /// to follow.
    pub(crate) fn open(
        front: Front,
        calls: grpc::Front,
        listeners: Listeners,
        io_threads: usize,
        data: &Path,
    ) -> io::Result<Self> {
        let address = listeners.http.local_addr()?;
        let grpc_address = listeners.grpc.as_ref().map(TcpListener::local_addr).transpose()?;
        let control = Control::new(data, listeners.copies()?).inspect_err(|error| {
            tracing::warn!(%error, "no other process can take the sockets over");
        });
        let calls = Arc::new(calls);
        let io = Arc::new(IoThreads::start(io_threads, Arc::new(front), Arc::clone(&calls))?);
        let accept = |listener, protocol| {
            let io = Arc::clone(&io);
            tokio::spawn(async move { io.accept(listener, protocol).await })
        };
        let mut accepting = vec![accept(listeners.http, Protocol::Http)];
        accepting.extend(listeners.grpc.map(|listener| accept(listener, Protocol::Grpc)));
        accepting.push(tokio::spawn(calls.keep_health(io.stage())));
        let are_shared = listeners.are_shared;
        let accepting = Mutex::new(accepting);
        Ok(Self {
            address,
            grpc_address,
            io,
            accepting,
            control: control.ok(),
            are_shared,
            has_left: AtomicBool::new(false),
        })
    }

    /// Comes back with a process that asks to follow.
    pub(crate) async fn follower(&self) -> Follower {
        match &self.control {
            Some(control) => control.follower().await,
            None => std::future::pending().await,
        }
    }

    /// Lets every connection end with an answer: new ones are still taken, by
    /// us and then by who follows. False where the follower has gone away and
    /// all is as before.
    pub(crate) async fn leave(&self, follower: &mut Option<Follower>) -> bool {
        if follower.is_none() && !self.are_shared {
            return true;
        }
        self.io.set_stage(Stage::Leaving);
        let gone = async {
            match follower {
                Some(follower) => follower.gone().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wait(LAST_WORD, |io| io.kept() == 0) => {}
            () = gone => {
                tracing::warn!("the process that was to follow has gone away");
                self.io.set_stage(Stage::Open);
                return false;
            }
        }
        let silent = self.io.kept();
        self.io.set_stage(Stage::Closed);
        // What has been accepted must have been counted before it is looked.
        self.accepted().await;
        self.wait(FIRST_WORD, |io| io.open() <= silent).await;
        self.has_left.store(true, Ordering::Relaxed);
        true
    }

    /// Waits until nothing more is accepted.
    async fn accepted(&self) {
        for accepting in self.accepting.lock().await.drain(..) {
            let _ = accepting.await;
        }
    }

    async fn wait(&self, at_most: Duration, is_over: impl Fn(&IoThreads) -> bool) {
        let end = Instant::now() + at_most;
        while !is_over(&self.io) && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// No new connections; those that are there end after what they do.
    pub(crate) fn close(&self) {
        self.io.set_stage(Stage::Ending);
    }

    /// Waits until all connections have ended, or for so long; less where others
    /// wait at the sockets.
    pub(crate) async fn emptied(&self, at_most: Duration) {
        let at_most = if self.has_left.load(Ordering::Relaxed) { at_most.min(LAST_BYTES) } else { at_most };
        self.wait(at_most, |io| io.open() == 0).await;
    }

    /// To be joined by who may block.
    pub(crate) async fn shut(self) -> Arc<IoThreads> {
        self.accepted().await;
        drop(self.control);
        self.io
    }
}
