//! HTTP/1.1 by hand: what is sent is exactly what a test says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// A request, to be sent over a connection of its own.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST of JSON.
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::new("POST", target).header("Content-Type", "application/json");
        request.body = body.into();
        request
    }

    /// A POST with another content type, or none.
    pub(crate) fn post_as(target: &str, content_type: Option<&str>, body: &str) -> Self {
        let mut request = Self::post(target, body);
        request.headers.clear();
        match content_type {
            Some(content_type) => request.header("Content-Type", content_type),
            None => request,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes_with("Connection: close\r\n")
    }

    fn bytes_with(&self, more: &str) -> Vec<u8> {
        let Self { method, target, headers, body } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{more}");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        [head.as_bytes(), b"\r\n", body].concat()
    }

    /// Sends and reads the answer.
    ///
    /// # Errors
    /// No connection, or no whole answer.
    pub(crate) fn try_send(&self, address: SocketAddr) -> io::Result<Response> {
        let answers = exchange(address, &self.bytes())?;
        answers.into_iter().next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends over a connection that stays open, whatever carries it.
    ///
    /// # Errors
    /// No whole answer.
    pub(crate) fn send_over(&self, stream: &mut (impl Read + Write)) -> io::Result<Response> {
        stream.write_all(&self.bytes_with(""))?;
        stream.flush()?;
        let (mut answer, mut chunk) = (Vec::new(), [0; 64 << 10]);
        loop {
            if let Some((response, _)) = response(&answer) {
                return Ok(response);
            }
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => answer.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// The first line of the answer, whatever follows.
    pub(crate) fn status_line(&self, address: SocketAddr) -> String {
        let mut stream = connect(address).unwrap();
        stream.write_all(&self.bytes()).unwrap();
        let mut answer = Vec::new();
        read_all(&mut stream, &mut answer).unwrap();
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn send(&self, address: SocketAddr) -> Response {
        self.try_send(address).unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.target))
    }
}

/// Sends bytes as they are, closes the sending side, and reads all answers.
///
/// # Errors
/// No connection, or an answer that is cut off.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<Response>> {
    let mut stream = connect(address)?;
    // A server that refuses early may close before it has read everything.
    let written = stream.write_all(bytes);
    let mut answer = Vec::new();
    let read = read_all(&mut stream, &mut answer);
    let answers = responses(&answer)?;
    if answers.is_empty() {
        written?;
        read?;
    }
    Ok(answers)
}

/// Sends bytes as they are, and reads answers until the server closes or has
/// nothing more to say.
///
/// # Errors
/// No connection, no answer at all, or one that is cut off.
pub(crate) fn exchange_open(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<Response>> {
    const NOTHING_MORE: Duration = Duration::from_millis(300);
    let mut stream = connect(address)?;
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = vec![0; 1];
    stream.read_exact(&mut answer)?;
    stream.set_read_timeout(Some(NOTHING_MORE))?;
    // Closed, reset or silent: what has come by then is what there is.
    let _ = read_all(&mut stream, &mut answer);
    responses(&answer)
}

/// A connection with time-outs.
///
/// # Errors
/// Nobody listens.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads until the other side closes, resets, or has been silent for long.
fn read_all(stream: &mut TcpStream, out: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 64 << 10];
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(()),
            read => out.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Takes the answers on one connection apart.
fn responses(mut bytes: &[u8]) -> io::Result<Vec<Response>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (response, rest) = response(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        found.push(response);
        bytes = rest;
    }
    Ok(found)
}

/// One answer from the front of `bytes`, and the rest; `None` where it is cut off.
pub(crate) fn response(bytes: &[u8]) -> Option<(Response, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.into(), value.trim().into()));
    let headers = lines.filter_map(header).collect();
    let mut response = Response { status, headers, body: Vec::new() };
    let rest = &bytes[end + 4..];
    if response.header("transfer-encoding") == Some("chunked") {
        let rest = unchunk(rest, &mut response.body)?;
        return Some((response, rest));
    }
    let length = match response.header("content-length") {
        Some(length) => length.parse().ok()?,
        None => 0,
    };
    response.body = rest.get(..length)?.to_vec();
    Some((response, &rest[length..]))
}

fn unchunk<'a>(mut bytes: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        let chunk = bytes.get(end + 2..end + 2 + length)?;
        out.extend_from_slice(chunk);
        bytes = bytes.get(end + 2 + length + 2..)?;
        if length == 0 {
            return Some(bytes);
        }
    }
}

#[test]
fn answers_are_taken_apart() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    let plain = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    let found = responses(format!("{chunked}{plain}").as_bytes()).unwrap();
    let told: Vec<_> = found.iter().map(|answer| (answer.status, answer.text())).collect();
    assert_eq!(told, [(200, "abcd".to_owned()), (404, "no".to_owned())]);
    assert!(responses(&chunked.as_bytes()[..chunked.len() - 5]).is_err());
}
