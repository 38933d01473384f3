//! Requests of HTTP/1.1 as bytes, and where their answers end.

use crate::error::LoadError;
use clap::Args;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::Duration;

/// Stands for the client's name in paths, headers and bodies.
pub(crate) const KEY: &str = "{key}";

/// Longest wait for an answer.
const ANSWER_SECONDS_MAX: u64 = 10;

/// An address of this machine; a load is for nobody else's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loopback(pub(crate) SocketAddr);

impl FromStr for Loopback {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        let address: SocketAddr = text.parse().map_err(|_| LoadError::Address { text: text.to_owned() })?;
        match address.ip().is_loopback() {
            true => Ok(Self(address)),
            false => Err(LoadError::Address { text: text.to_owned() }),
        }
    }
}

impl Loopback {
    pub(crate) fn connect(self) -> Result<TcpStream, LoadError> {
        let failed = |source| LoadError::Connect { address: self.0.to_string(), source };
        let stream = TcpStream::connect(self.0).map_err(failed)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))?;
        Ok(stream)
    }
}

/// What each request says; `{key}` is replaced by the client's name.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArgs {
    /// Path and query
    #[arg(long, default_value = "/?key={key}")]
    pub(crate) path: String,
    /// A body, which makes it a POST
    #[arg(long)]
    pub(crate) body: Option<String>,
    /// A header, `Name: value`
    #[arg(long = "header")]
    pub(crate) headers: Vec<String>,
    /// A header with a secret, which a list of processes should not show
    #[arg(long, env = "BENCH_HEADER", hide_env_values = true)]
    pub(crate) secret_header: Option<String>,
}

/// Name of a client: all are of the same length up to ten million.
pub(crate) fn client(number: usize) -> String {
    format!("client-{number:07}")
}

impl RequestArgs {
    /// The whole request, still with `{key}` in it.
    pub(crate) fn template(&self) -> Result<String, LoadError> {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let mut text = format!("{method} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n", self.path);
        for header in self.headers.iter().chain(&self.secret_header) {
            if !header.contains(": ") || header.contains(['\r', '\n']) {
                return Err(LoadError::Header { text: header.split(':').next().unwrap_or("").to_owned() });
            }
            text.push_str(&format!("{header}\r\n"));
        }
        if let Some(body) = &self.body {
            let length = body.replace(KEY, &client(0)).len();
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
        }
        Ok(format!("{text}\r\n{}", self.body.as_deref().unwrap_or("")))
    }
}

/// A connection on which requests go out and answers are read one by one.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What has come and belongs to later answers.
    pending: Vec<u8>,
}

/// The status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u16);

impl Status {
    pub(crate) fn is_good(self) -> bool {
        (200..300).contains(&self.0)
    }
}

impl Connection {
    pub(crate) fn open(to: Loopback) -> Result<Self, LoadError> {
        Ok(Self { stream: to.connect()?, pending: Vec::with_capacity(4096) })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Waits for the next answer and gives its status and its body.
    pub(crate) fn answer(&mut self) -> Result<(Status, Vec<u8>), LoadError> {
        loop {
            if let Some(head) = Head::read(&self.pending)? {
                let end = head.answer_length();
                while self.pending.len() < end {
                    self.receive()?;
                }
                let body = self.pending[head.length..end].to_vec();
                self.pending.drain(..end);
                return Ok((head.status, body));
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), LoadError> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        self.pending.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}

/// What must be known of an answer to find its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: Status,
    length: usize,
    body_length: usize,
}

impl Head {
    /// Nothing while it isn't there as a whole.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, LoadError> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let mut lines = bytes[..end].split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let unknown = || LoadError::Answer { start: String::from_utf8_lossy(first).trim_end().to_owned() };
        let code = first.split(|byte| *byte == b' ').nth(1).and_then(number).ok_or_else(unknown)?;
        let body_length = match (lines.find_map(content_length), code) {
            (Some(length), _) => length,
            (None, 204 | 304) => 0,
            (None, _) => return Err(unknown()),
        };
        Ok(Some(Self { status: Status(code as u16), length: end + 4, body_length }))
    }

    /// Bytes of the whole answer.
    pub(crate) fn answer_length(&self) -> usize {
        self.length + self.body_length
    }
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if name.eq_ignore_ascii_case(NAME) { number(value.trim_ascii()) } else { None }
}

fn number(digits: &[u8]) -> Option<usize> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[test]
fn a_template_holds_what_was_asked_for() {
    let mut args = RequestArgs {
        path: "/a?k={key}".to_owned(),
        body: Some("{\"{key}\"}".to_owned()),
        headers: vec!["X-Client: {key}".to_owned()],
        secret_header: Some("Authorization: Bearer x".to_owned()),
    };
    let text = args.template().unwrap().replace(KEY, &client(1));
    assert!(
        text.starts_with("POST /a?k=client-0000001 HTTP/1.1\r\n")
            && text.ends_with("\r\n\r\n{\"client-0000001\"}")
    );
    assert!(text.contains("\r\nX-Client: client-0000001\r\nAuthorization: Bearer x\r\n"));
    assert!(text.contains("Content-Length: 18\r\n"));
    args.secret_header = Some("secret".to_owned());
    args.headers = vec!["a: b\r\nc: d".to_owned()];
    assert_eq!(args.template().unwrap_err().to_string(), "`a` is not a header: expected `Name: value`");
}

#[test]
fn ends_of_answers_are_found() {
    let head = |text: &str| Head::read(text.as_bytes());
    let found = head("HTTP/1.1 429 Too Many\r\ncontent-LENGTH: 5\r\n\r\nabcdeHTTP").unwrap().unwrap();
    assert_eq!(found, Head { status: Status(429), length: 44, body_length: 5 });
    assert_eq!(head("HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body_length, 0);
    assert!(head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n").unwrap().is_none());
    assert!(head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    assert!("10.0.0.1:80".parse::<Loopback>().is_err() && "127.0.0.1:80".parse::<Loopback>().is_ok());
}
