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
    let world = world("sources: { hooks: { format: json, secret: s3cret-s3cret } }\n");
    let body = SENDERS.iter().find(|sender| sender.format == "pagerduty").unwrap().body(What::Fires(1)).1;
    let mut body = body.as_object().unwrap().clone();
    body.insert("routing_key".into(), world.key.as_str().into());
    let body = serde_json::to_string(&body).unwrap();
    let mut silent: Vec<_> = ["/v2/enqueue", "/t/acme/api/v1/ingest/hooks"]
        .iter()
        .cycle()
        .take(2 * STRANGERS_MAX)
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

/// The best of a few, in which least was in the way.
fn time_of(world: &World, request: &Request) -> Duration {
    let once = || {
        let begun = Instant::now();
        request.send(world.server.address).expect(401);
        begun.elapsed()
    };
    (0..9).map(|_| once()).min().unwrap()
}

#[test]
fn a_list_of_signatures_costs_no_more_than_one() {
    let world = world("sources: { hooks: { format: json, secret: s3cret-s3cret } }\n");
    let body = " ".repeat(1 << 20);
    let at_s = super::signed::now_s();
    let signed = |count: usize| {
        let wrong = format!("v1,{}=", "A".repeat(43));
        Request::post("/t/acme/api/v1/ingest/hooks", body.clone())
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", &at_s.to_string())
            .header("webhook-signature", &vec![wrong; count].join(" "))
    };
    let (one, list) = (time_of(&world, &signed(1)), time_of(&world, &signed(16)));
    assert!(list < 4 * one, "{one:?} with one, {list:?} with 16");
}
