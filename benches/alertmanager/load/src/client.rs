//! A kept connection to a server on this machine.

use crate::error::LoadError;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use tokio::net::TcpStream;

/// A list of 100 000 alerts is some 100 MB.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// An address of this machine: load goes nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loopback(pub(crate) SocketAddr);

impl FromStr for Loopback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address: SocketAddr =
            text.parse().map_err(|_| format!("expected `127.0.0.1:PORT`, found `{text}`"))?;
        if address.ip().is_loopback() {
            Ok(Self(address))
        } else {
            Err(format!("`{text}` is another machine's"))
        }
    }
}

/// A header for each request.
#[derive(Debug, Clone)]
pub(crate) struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        let parsed = text
            .split_once(':')
            .and_then(|(name, value)| Some(Self(name.trim().parse().ok()?, value.trim().parse().ok()?)));
        // The value is a secret: only its name may be shown.
        parsed
            .ok_or_else(|| LoadError::Header { text: text.split(':').next().unwrap_or_default().to_owned() })
    }
}

/// A port that nothing listens on now.
pub(crate) fn free_port() -> Result<u16, LoadError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let failed = |source| LoadError::Listen { address: address.to_string(), source };
    Ok(TcpListener::bind(address).map_err(failed)?.local_addr().map_err(failed)?.port())
}

/// One connection, kept open between requests.
pub(crate) struct Connection {
    address: SocketAddr,
    header: Option<Header>,
    sender: SendRequest<Full<Bytes>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// An error where it is a refusal.
    pub(crate) fn accepted(self, path: &'static str) -> Result<Self, LoadError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        Err(LoadError::Refused { path, status: self.status.as_u16(), body })
    }
}

impl Connection {
    pub(crate) async fn open(to: Loopback, header: Option<&Header>) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Connect { address: to.0.to_string(), source };
        let stream = TcpStream::connect(to.0).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let exchange = |source| LoadError::Exchange { address: to.0.to_string(), source };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(exchange)?;
        // Its error comes back with the request that it broke.
        tokio::spawn(connection);
        Ok(Self { address: to.0, header: header.cloned(), sender })
    }

    /// Posts JSON.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> Result<Answer, LoadError> {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, LoadError> {
        self.send(Method::GET, path, String::new()).await
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Result<Answer, LoadError> {
        let request = self.request(method, path, body);
        let exchange = |source| LoadError::Exchange { address: self.address.to_string(), source };
        self.sender.ready().await.map_err(exchange)?;
        let response = self.sender.send_request(request).await.map_err(exchange)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body
            .map_err(|error| LoadError::Body { bytes_max: ANSWER_BYTES_MAX, detail: error.to_string() })?
            .to_bytes();
        Ok(Answer { status, body })
    }

    fn request(&self, method: Method, path: &str, body: String) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.address.to_string()) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(Header(name, value)) = &self.header {
            headers.insert(name, value.clone());
        }
        request
    }
}

#[test]
fn only_this_machine_is_loaded() {
    assert!("127.0.0.1:80".parse::<Loopback>().is_ok());
    assert!("192.0.2.1:80".parse::<Loopback>().is_err());
    assert!("0.0.0.0:80".parse::<Loopback>().is_err());
}

#[test]
fn a_bad_header_keeps_its_secret() {
    let error = "Bad Name: secret".parse::<Header>().unwrap_err().to_string();
    assert!(error.contains("Bad Name") && !error.contains("secret"));
    assert!("Authorization: Bearer x".parse::<Header>().is_ok());
}
