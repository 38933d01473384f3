//! One process follows another on the same sockets and data folder.
//!
//! The one that runs listens on `control.sock` in the data folder. Who is to
//! follow connects there and is sent the listening sockets (`SCM_RIGHTS`); when
//! the connection ends, the one before has let go of the data folder. Until it
//! has closed its doors the follower may still go away, and all stays as it
//! was.

use crate::sockets::Inherited;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::fs::{self, Permissions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

const FILE: &str = "control.sock";

/// What a follower says first.
const HELLO: &[u8; 20] = b"openclaw take-over 1";

/// How long either side may take to say what is next.
const ANSWER: Duration = Duration::from_secs(5);

/// A byte for each socket, in their order.
const HTTP: u8 = b'h';
const GRPC: u8 = b'g';
const SOCKETS_MAX: usize = 2;

/// Why a process can't follow another.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// Nobody listens.
    #[error("no process answers at `{path}`: {source}; start without --take-over")]
    NobodyThere {
        /// The control socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something is said that isn't understood.
    #[error("the process at `{path}` doesn't hand its sockets over: {source}")]
    Refused {
        /// The control socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It goes on.
    #[error("the process at `{path}` has not ended within {} s", within.as_secs())]
    TooSlow {
        /// The control socket.
        path: PathBuf,
        /// How long was waited.
        within: Duration,
    },
}

/// Asks the process that runs on this data folder for its sockets, and waits
/// until it has let go of the folder.
///
/// # Errors
/// The other goes on, unless it was only too slow.
pub fn take_over(data: &Path, within: Duration) -> Result<Inherited, TakeOverError> {
    let path = data.join(FILE);
    let nobody = |source| TakeOverError::NobodyThere { path: path.clone(), source };
    let stream = StdStream::connect(&path).map_err(nobody)?;
    let refused = |source| TakeOverError::Refused { path: path.clone(), source };
    let inherited = receive(&stream).map_err(refused)?;
    stream.set_read_timeout(Some(within)).map_err(refused)?;
    let mut rest = [0; 1];
    match (&stream).read(&mut rest) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(TakeOverError::TooSlow { path, within })
        }
        // Also where it was killed meanwhile.
        _ => Ok(inherited),
    }
}

fn receive(stream: &StdStream) -> io::Result<Inherited> {
    stream.set_read_timeout(Some(ANSWER))?;
    (&*stream).write_all(HELLO)?;
    let mut kinds = [0; SOCKETS_MAX];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut kinds)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::<OwnedFd>::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if descriptors.len() != got.bytes || descriptors.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut inherited = Inherited { follows: true, ..Inherited::default() };
    for (kind, descriptor) in kinds.into_iter().zip(descriptors) {
        let listener = Some(TcpListener::from(descriptor));
        match kind {
            HTTP => inherited.http = listener,
            GRPC => inherited.grpc = listener,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Ok(inherited)
}

/// Copies of a process's listening sockets, to be handed over.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) http: OwnedFd,
    pub(crate) grpc: Option<OwnedFd>,
}

/// Listens for who is to follow; the file goes when this does.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    shared: Shared,
}

impl Control {
    /// To be called by who holds the data folder, so that no other's file is
    /// replaced.
    pub(crate) fn new(data: &Path, shared: Shared) -> io::Result<Self> {
        let path = data.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path, shared })
    }

    /// Comes back with the next process that asks to follow and has the sockets.
    pub(crate) async fn follower(&self) -> Follower {
        loop {
            let handed = match self.listener.accept().await {
                Ok((stream, _)) => tokio::time::timeout(ANSWER, self.hand_over(stream)).await,
                Err(error) => Ok(Err(error)),
            };
            match handed {
                Ok(Ok(follower)) => return follower,
                Ok(Err(error)) => tracing::warn!(%error, "the sockets can't be handed over"),
                Err(_) => tracing::warn!("a follower says nothing"),
            }
            // A descriptor that is missing doesn't come back at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn hand_over(&self, mut stream: UnixStream) -> io::Result<Follower> {
        // Between its making and its permissions anyone could have connected.
        let own = rustix::process::getuid().as_raw();
        if ![own, 0].contains(&stream.peer_cred()?.uid()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut hello = [0; HELLO.len()];
        stream.read_exact(&mut hello).await?;
        if hello != *HELLO {
            return Err(io::ErrorKind::InvalidData.into());
        }
        send(&stream, &self.shared)?;
        Ok(Follower(stream))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // What is left is replaced by the next process.
        let _ = fs::remove_file(&self.path);
    }
}

fn send(stream: &UnixStream, shared: &Shared) -> io::Result<()> {
    let mut kinds = vec![HTTP];
    let mut descriptors: Vec<BorrowedFd<'_>> = vec![shared.http.as_fd()];
    if let Some(grpc) = &shared.grpc {
        kinds.push(GRPC);
        descriptors.push(grpc.as_fd());
    }
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(stream, &[IoSlice::new(&kinds)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == kinds.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A process that has our sockets and waits for our end, of which it is told
/// when this is dropped.
#[derive(Debug)]
pub struct Follower(UnixStream);

impl Follower {
    /// Comes back when it has gone away.
    pub(crate) async fn gone(&mut self) {
        let mut byte = [0; 1];
        // It has nothing to say.
        let _ = self.0.read(&mut byte).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(grpc: bool) -> (Shared, Vec<std::net::SocketAddr>) {
        let listeners: Vec<_> =
            (0..=usize::from(grpc)).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let mut descriptors = listeners.into_iter().map(OwnedFd::from);
        (Shared { http: descriptors.next().unwrap(), grpc: descriptors.next() }, addresses)
    }

    #[tokio::test]
    async fn sockets_arrive_as_what_they_are() {
        for grpc in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (shared, addresses) = shared(grpc);
            let control = Control::new(folder.path(), shared).unwrap();
            let data = folder.path().to_owned();
            let follows =
                tokio::task::spawn_blocking(move || take_over(&data, Duration::from_secs(5)).unwrap());
            let follower = control.follower().await;
            assert!(!follows.is_finished(), "it waits for our end");
            drop(follower);
            let inherited = follows.await.unwrap();
            let taken = [inherited.http, inherited.grpc];
            let taken: Vec<_> =
                taken.into_iter().flatten().map(|listener| listener.local_addr().unwrap()).collect();
            assert_eq!(taken, addresses);
            drop(control);
            assert!(!folder.path().join(FILE).exists());
        }
    }

    #[tokio::test]
    async fn only_its_owner_may_ask_and_strangers_words_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::new(folder.path(), shared(false).0).unwrap();
        let mode = fs::metadata(&control.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut odd = StdStream::connect(&control.path).unwrap();
        odd.write_all(b"GET / HTTP/1.1\r\n\r\n\r\n").unwrap();
        let asked = tokio::time::timeout(Duration::from_millis(300), control.follower()).await;
        assert!(asked.is_err());
    }

    #[test]
    fn who_asks_nobody_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = take_over(folder.path(), ANSWER).unwrap_err().to_string();
        assert!(error.contains("control.sock") && error.contains("start without --take-over"), "{error}");
    }
}
