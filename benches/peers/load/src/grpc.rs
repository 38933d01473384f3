//! A closed loop over gRPC: unary calls on the bare HTTP/2 library, since a
//! gRPC library would cost the load more than the server.

use crate::error::LoadError;
use crate::figures::{Figures, Samples};
use crate::measure::{Meter, Numbers};
use crate::request::{Loopback, client};
use bytes::{BufMut as _, Bytes, BytesMut};
use clap::{Args, ValueEnum};
use h2::client::SendRequest;
use http::{HeaderValue, Request, Uri};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`
    Envoy,
    /// `throttlecrab.RateLimiter/Throttle`
    Throttlecrab,
}

#[derive(Debug, Args)]
pub(crate) struct GrpcArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    #[arg(long)]
    service: Service,
    /// A header with a secret, `Authorization: …`
    #[arg(long, env = "BENCH_HEADER", hide_env_values = true)]
    secret_header: Option<String>,
    /// The server's processes; their children count with them
    #[arg(long)]
    server: Vec<u32>,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Calls on the way on each connection
    #[arg(long, default_value_t = 8)]
    streams: usize,
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
}

/// What all calls have in common.
struct Calls {
    uri: Uri,
    authorization: Option<HeaderValue>,
    messages: Vec<Bytes>,
    end: Instant,
}

pub(crate) async fn run(args: &GrpcArgs) -> Result<Figures, LoadError> {
    let calls = Rc::new(calls(args)?);
    let meter = Meter::start(&args.server);
    let samples = LocalSet::new().run_until(all_connections(args, calls)).await?;
    meter.of(samples)
}

fn calls(args: &GrpcArgs) -> Result<Calls, LoadError> {
    let path = match args.service {
        Service::Envoy => "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
        Service::Throttlecrab => "/throttlecrab.RateLimiter/Throttle",
    };
    let header_of = |text: &str| {
        let value = text.split_once(": ").and_then(|(_, value)| HeaderValue::from_str(value).ok());
        value.ok_or_else(|| LoadError::Header { text: text.split(':').next().unwrap_or("").to_owned() })
    };
    let uri = format!("http://{}{path}", args.to.0);
    Ok(Calls {
        uri: uri.parse().map_err(|_| LoadError::Address { text: uri })?,
        authorization: args.secret_header.as_deref().map(header_of).transpose()?,
        messages: (0..args.clients).map(|number| framed(&message(args.service, &client(number)))).collect(),
        end: Instant::now() + Duration::from_secs(args.seconds),
    })
}

async fn all_connections(args: &GrpcArgs, calls: Rc<Calls>) -> Result<Samples, LoadError> {
    let mut tasks = Vec::new();
    for connection in 0..args.connections {
        let sender = connect(args.to).await?;
        for stream in 0..args.streams {
            let numbers = Numbers::new(connection * args.streams + stream);
            tasks.push(tokio::task::spawn_local(one_stream(sender.clone(), calls.clone(), numbers)));
        }
    }
    let mut all = Samples::default();
    for task in tasks {
        all.merge(task.await.map_err(|_| LoadError::Thread)??);
    }
    Ok(all)
}

async fn connect(to: Loopback) -> Result<SendRequest<Bytes>, LoadError> {
    let failed = |source| LoadError::Connect { address: to.0.to_string(), source };
    let stream = TcpStream::connect(to.0).await.map_err(failed)?;
    stream.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    let (sender, connection) = builder.handshake(stream).await?;
    tokio::task::spawn_local(async move {
        // The streams say what went wrong.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn one_stream(
    mut sender: SendRequest<Bytes>,
    calls: Rc<Calls>,
    mut numbers: Numbers,
) -> Result<Samples, LoadError> {
    let mut samples = Samples::default();
    while Instant::now() < calls.end {
        let message = calls.messages[numbers.below(calls.messages.len())].clone();
        let start = Instant::now();
        sender = sender.ready().await?;
        let (answer, mut body) = sender.send_request(head(&calls), false)?;
        body.send_data(message, true)?;
        let is_good = is_allowed(answer.await?).await?;
        samples.add(start.elapsed(), is_good);
    }
    Ok(samples)
}

fn head(calls: &Calls) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = calls.uri.clone();
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    if let Some(authorization) = &calls.authorization {
        headers.insert("authorization", authorization.clone());
    }
    request
}

/// Both services say in the first field of their answer whether to go on: OK,
/// or true, is 1.
async fn is_allowed(answer: http::Response<h2::RecvStream>) -> Result<bool, LoadError> {
    let is_zero = |status: Option<&HeaderValue>| status.is_none_or(|status| status == "0");
    let mut is_good = answer.status() == 200 && is_zero(answer.headers().get("grpc-status"));
    let mut body = answer.into_body();
    let mut message = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        message.extend_from_slice(&part);
    }
    is_good &= message.get(5..7) == Some(&[1 << 3, 1]);
    let trailers = body.trailers().await?;
    Ok(is_good && is_zero(trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"))))
}

fn message(service: Service, client: &str) -> BytesMut {
    let mut message = BytesMut::new();
    match service {
        Service::Envoy => {
            let (mut entry, mut descriptor) = (BytesMut::new(), BytesMut::new());
            put_bytes(&mut entry, 1, b"client");
            put_bytes(&mut entry, 2, client.as_bytes());
            put_bytes(&mut descriptor, 1, &entry);
            put_bytes(&mut message, 1, b"bench");
            put_bytes(&mut message, 2, &descriptor);
            put_number(&mut message, 3, 1);
        }
        Service::Throttlecrab => {
            put_bytes(&mut message, 1, client.as_bytes());
            for (field, number) in [(2, 100_000), (3, 1_000_000), (4, 60), (5, 1)] {
                put_number(&mut message, field, number);
            }
        }
    }
    message
}

fn put_bytes(to: &mut BytesMut, field: u64, bytes: &[u8]) {
    put_varint(to, (field << 3) | 2);
    put_varint(to, bytes.len() as u64);
    to.put_slice(bytes);
}

fn put_number(to: &mut BytesMut, field: u64, number: u64) {
    put_varint(to, field << 3);
    put_varint(to, number);
}

fn put_varint(to: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        to.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    to.put_u8(number as u8);
}

/// With gRPC's prefix: not compressed, and its length.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

#[test]
fn messages_are_those_of_the_services() {
    let want = b"\x0a\x05bench\x12\x19\x0a\x17\x0a\x06client\x12\x0dclient-000000\x18\x01";
    assert_eq!(message(Service::Envoy, "client-000000")[..], want[..]);
    let want = b"\x0a\x01a\x10\xa0\x8d\x06\x18\xc0\x84\x3d\x20\x3c\x28\x01";
    assert_eq!(message(Service::Throttlecrab, "a")[..], want[..]);
    assert_eq!(framed(b"abc")[..], b"\0\0\0\0\x03abc"[..]);
}
