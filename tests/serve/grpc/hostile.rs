//! Those who don't keep to the protocol, or keep to it too eagerly.

use super::{OK, PLAIN, SHOULD_RATE_LIMIT, World, client};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(super) async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    send
}

pub(super) fn request(key: &str) -> Request<()> {
    request_to(SHOULD_RATE_LIMIT, key)
}

pub(super) fn request_to(path: &str, key: &str) -> Request<()> {
    let request = Request::builder().method(Method::POST).uri(format!("http://openclaw{path}"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    request.header("authorization", format!("Bearer {key}")).body(()).unwrap()
}

/// gRPC's status, wherever it stands.
pub(super) async fn status(response: Response<RecvStream>) -> String {
    if let Some(status) = response.headers().get("grpc-status") {
        return status.to_str().unwrap().to_owned();
    }
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        data.unwrap();
    }
    body.trailers().await.unwrap().unwrap()["grpc-status"].to_str().unwrap().to_owned()
}

/// The message of [`client`] in a frame.
pub(super) fn frame() -> Vec<u8> {
    use prost::Message as _;
    let message = super::asked(vec![client("a")]).encode_to_vec();
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat()
}

#[test]
fn frames_that_are_none_are_refused_and_the_connection_goes_on() {
    let world = World::new(PLAIN);
    let (address, key) = (world.server.grpc(), world.keys[0].clone());
    world.runtime.block_on(async move {
        let send = connect(address).await;
        let whole = frame();
        let (cut, longer) = (whole[..whole.len() - 1].to_vec(), [&whole[..], &[0]].concat());
        let garbage = [&[0, 0, 0, 0, 4][..], &[0xff; 4]].concat();
        let packed = [&[1][..], &whole[1..]].concat();
        for (body, want) in [
            (vec![], "3"),
            (cut, "3"),
            (longer, "3"),
            (garbage, "3"),
            (packed, "12"),
            (vec![0, 0xff, 0xff, 0xff, 0xff], "3"),
            (whole, "0"),
        ] {
            let (response, mut out) =
                send.clone().ready().await.unwrap().send_request(request(&key), false).unwrap();
            out.send_data(body.clone().into(), true).unwrap();
            assert_eq!(status(response.await.unwrap()).await, want, "{body:?}");
        }
        // Byte by byte, as nobody sends it.
        let (response, mut out) =
            send.clone().ready().await.unwrap().send_request(request(&key), false).unwrap();
        for byte in frame() {
            out.send_data(vec![byte].into(), false).unwrap();
            tokio::task::yield_now().await;
        }
        out.send_data(Bytes::new(), true).unwrap();
        assert_eq!(status(response.await.unwrap()).await, "0");
    });
}

#[test]
fn a_bad_key_is_refused_before_the_message() {
    let world = World::new(PLAIN);
    let address = world.server.grpc();
    world.runtime.block_on(async move {
        let send = connect(address).await;
        // Its message never comes.
        let (response, _out) = send.ready().await.unwrap().send_request(request("nobody's"), false).unwrap();
        let response = tokio::time::timeout(Duration::from_secs(5), response).await.unwrap().unwrap();
        assert_eq!(status(response).await, "16");
    });
}

#[test]
fn calls_taken_back_by_the_thousand_end_their_connection_alone() {
    let world = World::new(PLAIN);
    let (address, key) = (world.server.grpc(), world.keys[0].clone());
    let ended = world.runtime.block_on(async {
        let mut send = connect(address).await;
        for _ in 0..50_000 {
            let Ok(ready) = send.ready().await else { return true };
            send = ready;
            let Ok((_, mut out)) = send.send_request(request(&key), false) else { return true };
            out.send_reset(Reason::CANCEL);
        }
        false
    });
    // Whether it was fast enough to be ended or not: others don't feel it.
    assert_eq!(world.ask(vec![client("a")]).overall_code, OK, "ended: {ended}");
}

#[test]
fn other_protocols_get_nothing_and_harm_nothing() {
    let world = World::new(PLAIN);
    let address = world.server.grpc();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0xff; 4096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\xff",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        assert!(!told.starts_with(b"HTTP/1"), "{told:?}");
    }
    assert_eq!(world.ask(vec![client("a")]).overall_code, OK);
}

/// Watches never end by themselves; who shows no credential has some of them.
#[test]
fn calls_without_end_and_credential_have_a_bound() {
    let world = World::new(PLAIN);
    let (address, key) = (world.server.grpc(), world.keys[0].clone());
    world.runtime.block_on(async move {
        let mut send = connect(address).await;
        let mut open = Vec::new();
        let mut refused = 0;
        for _ in 0..40 {
            send = send.ready().await.unwrap();
            let (response, mut out) =
                send.send_request(request_to("/grpc.health.v1.Health/Watch", ""), false).unwrap();
            out.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
            let response = tokio::time::timeout(Duration::from_secs(5), response).await.unwrap().unwrap();
            match response.headers().get("grpc-status") {
                Some(status) => refused += usize::from(status == "8"),
                None => open.push(response),
            }
        }
        assert_eq!((open.len(), refused), (16, 24));
        // Decisions go on beside them.
        let (response, mut out) = send.ready().await.unwrap().send_request(request(&key), false).unwrap();
        out.send_data(frame().into(), true).unwrap();
        assert_eq!(status(response.await.unwrap()).await, "0");
    });
}

/// The oldest of those who show nothing make room for others.
#[test]
fn connections_of_nobody_have_a_bound() {
    let world = World::new(PLAIN);
    let (address, key) = (world.server.grpc(), world.keys[0].clone());
    world.runtime.block_on(async move {
        let known = connect(address).await;
        let ask = async || {
            let (response, mut out) =
                known.clone().ready().await.unwrap().send_request(request(&key), false).unwrap();
            out.send_data(frame().into(), true).unwrap();
            status(response.await.unwrap()).await
        };
        assert_eq!(ask().await, "0");
        let first = connect(address).await;
        // An answer shows that it has been taken in before the others.
        let (refused, _out) =
            first.clone().ready().await.unwrap().send_request(request("nobody's"), false).unwrap();
        assert_eq!(status(refused.await.unwrap()).await, "16");
        let mut others = Vec::new();
        for _ in 0..1024 {
            others.push(connect(address).await);
        }
        let ended = async {
            while first.clone().ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the first is told to go");
        assert!(others.pop().unwrap().ready().await.is_ok());
        assert_eq!(ask().await, "0", "who is known stays");
    });
}
