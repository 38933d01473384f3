//! Senders that show only in the body who they are: bounded, and none of them
//! keeps the others out.

use super::senders::{SENDERS, What};
use super::{World, world};
use crate::support::Request;
use crate::support::client::connect;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bodies of strangers that are read at a time.
const STRANGERS_MAX: usize = 128;

fn silent(world: &World, target: &str) -> TcpStream {
    let mut stream = connect(world.server.address).unwrap();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn those_who_send_nothing_keep_nobody_out() {
    let world = world("sources: { hooks: { format: json, secret: s3cret } }\n");
    let body = SENDERS.iter().find(|sender| sender.format == "pagerduty").unwrap().body(What::Fires(1)).1;
    let mut body = body.as_object().unwrap().clone();
    body.insert("routing_key".into(), world.key.as_str().into());
    let body = serde_json::to_string(&body).unwrap();
    let mut silent: Vec<_> = ["/v2/enqueue", "/t/acme/api/v1/ingest/hooks"]
        .iter()
        .cycle()
        .take(STRANGERS_MAX + 8)
        .map(|target| silent(&world, target))
        .collect();
    let begun = Instant::now();
    Request::post("/v2/enqueue", body).send(world.server.address).expect(202);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let mut answer = [0; 12];
    silent[0].read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503", "who has waited longest makes room");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
