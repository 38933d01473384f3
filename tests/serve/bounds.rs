//! Everything a stranger can send has a bound.

use crate::support::client::{connect, exchange, exchange_open};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Alert, Folder, Request, alerts, pause, until, until_some};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const BODY_BYTES_MAX: usize = 8 << 20;

struct World {
    server: Server,
    key: String,
    folder: Folder,
}

fn world() -> World {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, folder }
}

impl World {
    fn head(&self, target: &str, more: &str) -> String {
        let key = &self.key;
        format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nConnection: close\r\n{more}\r\n"
        )
    }
}

#[test]
fn a_body_beyond_8_mib_is_refused_however_it_is_sent() {
    let world = world();
    for target in ["/api/v2/alerts", "/api/v1/rate"] {
        // By its announced length alone: nothing of it is sent.
        let head = world.head(target, &format!("Content-Length: {}\r\n", BODY_BYTES_MAX + 1));
        let answer = exchange(world.server.address, head.as_bytes()).unwrap().remove(0);
        assert_eq!(answer.status, 413, "{target}");
    }
    let mut chunked = world.head("/api/v2/alerts", "Transfer-Encoding: chunked\r\n").into_bytes();
    chunked.extend_from_slice(format!("{:x}\r\n", BODY_BYTES_MAX + 1).as_bytes());
    chunked.resize(chunked.len() + BODY_BYTES_MAX + 1, b' ');
    let answer = exchange(world.server.address, &chunked).unwrap().remove(0);
    assert_eq!((answer.status, &answer.json()["code"]), (413, &413.into()));
    // The largest that is allowed is read to its end.
    let mut largest = alerts::body([&Alert::new("large")]).into_bytes();
    largest.resize(BODY_BYTES_MAX, b' ');
    Request::post("/api/v2/alerts", largest).key(&world.key).send(world.server.address).expect(200);
    assert_eq!(world.server.alerts(&world.key).len(), 1);
}

#[test]
fn a_bad_credential_is_refused_before_the_body() {
    let world = world();
    let head = "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer no\r\n\
                Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";
    let mut stream = connect(world.server.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

#[test]
fn heads_have_a_bound() {
    let world = world();
    let send = |head: String| exchange_open(world.server.address, head.as_bytes()).unwrap().remove(0).status;
    let filler = "x".repeat(100 << 10);
    let large = format!("GET /api/v2/alerts HTTP/1.1\r\nHost: x\r\nX-Filler: {filler}\r\n\r\n");
    assert_eq!(send(large), 431);
    let many: String = (0..300).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(send(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")), 431);
    let long = send(format!("GET /{filler} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(long == 414 || long == 431, "{long}");
    assert_eq!(send("nonsense\r\n\r\n".to_owned()), 400);
    Request::get("/-/healthy").send(world.server.address).expect(200);
}

/// Connections that say nothing, or not enough.
fn idlers(world: &World, count: usize) -> Vec<TcpStream> {
    let begin = |n: usize| {
        let mut stream = connect(world.server.address).unwrap();
        // Those that were not accepted yet may be refused later; all the same.
        let _ = match n % 3 {
            0 => stream.write_all(b""),
            1 => stream.write_all(b"POST /api/v2/alerts HTTP/1.1\r\nHo"),
            _ => stream.write_all(world.head("/api/v2/alerts", "Content-Length: 100\r\n").as_bytes()),
        };
        stream
    };
    (0..count).map(begin).collect()
}

#[test]
fn slow_clients_hold_up_nobody() {
    let world = world();
    let idle = idlers(&world, 300);
    let began = Instant::now();
    for n in 0..20 {
        world.server.post_alerts(&world.key, &[Alert::new(&format!("a{n}"))]);
    }
    assert_eq!(world.server.alerts(&world.key).len(), 20);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(idle);
    world.server.stop();
}

/// With few descriptors left, connections wait; the journal's files don't.
#[test]
fn more_connections_than_descriptors_end_in_nothing_worse_than_waiting() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    let wrapper = ["sh", "-c", "ulimit -n 128 && exec \"$0\" \"$@\""].map(str::to_owned).to_vec();
    let server = folder.serve_with(&ServeOptions { wrapper, ..ServeOptions::default() });
    let mut world = World { server, key, folder };
    world.server.post_alerts(&world.key, &[Alert::new("before")]);
    let mut kept = connect(world.server.address).unwrap();
    let idle = idlers(&world, 200);
    pause(Duration::from_millis(300));
    // A connection that was there before goes on, over several segments of the journal.
    let large = "x".repeat(60 << 10);
    for n in 0..20 {
        let alert = Alert::new(&format!("during{n}"));
        let alert = ["a", "b"].iter().fold(alert, |alert, name| alert.annotation(name, &large));
        let body = alerts::body([&alert]);
        let head = world.head("/api/v2/alerts", &format!("Content-Length: {}\r\n", body.len()));
        kept.write_all(head.replace("Connection: close\r\n", "").as_bytes()).unwrap();
        kept.write_all(body.as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let read = kept.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{n}: {answer}\n{}", world.server.log());
    }
    assert!(!world.server.has_ended());
    drop(idle);
    let answer = until_some("a new connection is served", || {
        Request::get("/-/ready").try_send(world.server.address).ok()
    });
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), world.server.log());
    world.server.post_alerts(&world.key, &[Alert::new("after")]);
    assert_eq!(world.server.alerts(&world.key).len(), 22);
    let World { server, folder, key } = world;
    server.kill();
    assert_eq!(folder.serve().alerts(&key).len(), 22);
}

#[test]
#[ignore = "waits for time-outs of half a minute"]
fn clients_that_do_not_go_on_are_let_go() {
    let world = world();
    let mut head = connect(world.server.address).unwrap();
    head.write_all(b"GET /-/healthy HTTP/1.1\r\nHo").unwrap();
    let mut body = connect(world.server.address).unwrap();
    body.write_all(world.head("/api/v2/alerts", "Content-Length: 100\r\n").as_bytes()).unwrap();
    for stream in [&mut head, &mut body] {
        stream.set_read_timeout(Some(Duration::from_secs(45))).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    until("the server goes on", || Request::get("/-/healthy").send(world.server.address).status == 200);
    assert!(world.folder.journal().exists());
}

#[test]
fn label_text_of_any_size_that_fits_is_kept_or_refused_whole() {
    let world = world();
    for kib in [1, 60, 100, 1000, 7000] {
        let value = "v".repeat(kib << 10);
        let body = alerts::body([&Alert::new(&format!("large{kib}")).annotation("text", &value)]);
        let answer = world.server.post("/api/v2/alerts", &world.key, &body);
        let listed = world.server.alerts(&world.key);
        let found = listed.iter().find(|alert| alert["labels"]["alertname"] == format!("large{kib}"));
        match answer.status {
            200 => assert_eq!(found.unwrap()["annotations"]["text"], value),
            400 => {
                assert!(answer.text().contains("annotations.text") && found.is_none(), "{}", answer.text());
            }
            status => panic!("{kib} KiB: {status} {}", answer.text()),
        }
        assert_eq!(answer.status == 200, kib <= 64, "{kib} KiB");
    }
    world.server.stop();
}
