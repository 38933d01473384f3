//! A receiver on loopback that answers as it is told, lies included.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What comes back to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes, and the connection stays open.
    Stay(Vec<u8>),
    /// These bytes, and the connection is closed.
    Close(Vec<u8>),
    /// These bytes after a while, when nobody may be waiting any more.
    Late(Duration, Vec<u8>),
    /// No byte, and the connection is reset.
    Reset,
}

/// The reply to a request, whose number in all of the sink's is given.
type Script = Arc<dyn Fn(usize, &Received) -> Reply + Send + Sync>;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Received>,
}

/// Answers until dropped.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Gives `replies` in turn, the last of them again and again.
    pub(crate) async fn new(replies: Vec<Reply>) -> Self {
        Self::scripted(move |index, _| replies.get(index).or(replies.last()).unwrap().clone()).await
    }

    /// Gives what the script says to each request.
    pub(crate) async fn scripted(script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(accept(listener, Arc::new(script), Arc::clone(&seen)));
        Self { address, seen, task }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, script: Script, seen: Arc<Mutex<Seen>>) {
    while let Ok((stream, _)) = listener.accept().await {
        seen.lock().unwrap().connections += 1;
        tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&seen)));
    }
}

async fn serve(mut stream: TcpStream, script: Script, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = read_request(&mut stream).await {
        let reply = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request.clone());
            script(seen.requests.len() - 1, &request)
        };
        let stays = match reply {
            Reply::Stay(bytes) => stream.write_all(&bytes).await.is_ok(),
            Reply::Close(bytes) => stream.write_all(&bytes).await.is_err(),
            Reply::Late(after, bytes) => {
                tokio::time::sleep(after).await;
                stream.write_all(&bytes).await.is_ok()
            }
            Reply::Reset => stream.set_zero_linger().is_err(),
        };
        if !stays {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = whole(&bytes) {
            return Some(request);
        }
        // A TLS handshake: not ours to answer.
        if stream.read_buf(&mut bytes).await.ok()? == 0 || bytes[0] == 0x16 {
            return None;
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Received> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut request = Received { head, body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = bytes.get(end..end + length)?.to_vec();
    Some(request)
}
