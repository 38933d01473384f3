//! Connections: many questions on one, questions among other things, and
//! clients that are slow, or go on.

use super::world;
use crate::support::client::{connect, response};
use crate::support::until;
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn pipelined_questions_are_answered_in_order() {
    let world = world();
    let asked: String = (0..500)
        .map(|n| world.text(&format!("GET /api/v1/rate?client=c{}&cost={}", n % 7, n % 3), ""))
        .collect();
    let answers = world.exchange(&(asked + &world.text("GET /auth", "Connection: close\r\n")));
    assert_eq!(answers.len(), 501);
    let mut taken = [0_i64; 7];
    for (n, answer) in answers.iter().take(500).enumerate() {
        taken[n % 7] += n as i64 % 3;
        let remaining = answer.json()["remaining"].as_i64().unwrap();
        assert!((1000 - taken[n % 7]..=1000).contains(&remaining), "{n}: {remaining}");
    }
}

#[test]
fn other_requests_may_come_between() {
    let world = world();
    let rate = world.text("GET /api/v1/rate?client=a&cost=0", "");
    let post = "[{\"labels\":{\"alertname\":\"up\"}}]";
    let key = world.folder.full_key("acme");
    until("the new key is known", || world.server.get("/api/v1/alerts", &key).status == 200);
    let alerts = format!(
        "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{post}",
        post.len()
    );
    let batch = world.text("POST /api/v1/decisions", "Content-Length: 4\r\n") + "[{}]";
    let asked = format!(
        "{rate}{batch}{rate}{alerts}{rate}{batch}GET /-/healthy HTTP/1.1\r\nConnection: close\r\n\r\n"
    );
    let statuses: Vec<_> = world.exchange(&asked).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200; 7]);
    // The same, byte by byte.
    let mut stream = connect(world.server.address).unwrap();
    for byte in asked.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    let (mut bytes, mut found, mut chunk) = (Vec::new(), 0, [0; 4096]);
    while found < 7 {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "closed after {found}");
        bytes.extend_from_slice(&chunk[..read]);
        while let Some((answer, rest)) = response(&bytes) {
            assert_eq!(answer.status, 200);
            bytes = rest.to_vec();
            found += 1;
        }
    }
}

#[test]
fn a_connection_ends_where_it_is_told_to() {
    let world = world();
    let closing = world.text("GET /api/v1/rate?client=a", "Connection: close\r\n");
    let open = world.text("GET /api/v1/rate?client=a", "");
    let answers = world.exchange(&format!("{open}{closing}{open}"));
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].header("connection"), Some("close"));
    assert_eq!(answers[0].header("connection"), None);
}

#[test]
fn what_is_too_large_is_refused_as_everywhere() {
    let world = world();
    let send = |text: String| world.exchange(&text).remove(0).status;
    let filler = "x".repeat(100 << 10);
    assert_eq!(send(world.text("GET /api/v1/rate", &format!("X-Filler: {filler}\r\n"))), 431);
    let more = "Content-Length: 9000000\r\nConnection: close\r\n";
    assert_eq!(send(world.text("POST /api/v1/decisions", more)), 413);
}

/// A stop waits for nobody who says nothing, and answers who has asked.
#[test]
fn a_stop_ends_connections() {
    let world = world();
    let mut idle = connect(world.server.address).unwrap();
    let rate = world.text("GET /api/v1/rate?client=a", "");
    let mut busy = connect(world.server.address).unwrap();
    busy.write_all(rate.as_bytes()).unwrap();
    let mut first = [0; 15];
    busy.read_exact(&mut first).unwrap();
    let mut begun = connect(world.server.address).unwrap();
    begun.write_all(&rate.as_bytes()[..20]).unwrap();
    // Long enough for it to be read; if it isn't, less is tested.
    std::thread::park_timeout(Duration::from_millis(100));
    world.server.terminate();
    let mut end = String::new();
    busy.read_to_string(&mut end).unwrap();
    assert!(end.contains("\"remaining\":999"), "{end}");
    idle.read_to_string(&mut end).unwrap();
    begun.write_all(&rate.as_bytes()[20..]).unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.contains("\"allowed\":true"), "{answer}");
    world.server.stop();
}

/// Nor for whoever has begun to ask, in either of the ways to be read, and says
/// no more.
#[test]
fn a_stop_does_not_wait_for_half_a_request() {
    let world = world();
    let batch = "POST /api/v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[";
    let starts = ["GET /api/v1/rate HTTP/1.1\r\nHo", batch, "GET /-/healthy HTTP/1.1\r\n\r\nGET /-/he"];
    let open = starts.map(|start| {
        let mut stream = connect(world.server.address).unwrap();
        stream.write_all(start.as_bytes()).unwrap();
        stream
    });
    std::thread::park_timeout(Duration::from_millis(100));
    let began = std::time::Instant::now();
    world.server.stop();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(open);
}
