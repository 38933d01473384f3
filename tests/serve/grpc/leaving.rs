//! A process that leaves to another: nobody may notice, also where the other
//! goes away; and calls without end, whose credential may end before.

use super::hostile::{connect, frame, request, request_to, status};
use super::{PLAIN, World, health};
use crate::support::{Request, until};
use bytes::Bytes;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tonic_health::pb::health_check_response::ServingStatus;

/// By hyper, since the path names a tenant.
const BY_HYPER: &str = "/t/acme/api/v1/rate?client=a";
const BY_LOOP: &str = "/api/v1/rate?client=a";

impl World {
    /// Whether the answer is its connection's last.
    fn is_last(&self, target: &str, stream: &mut TcpStream) -> bool {
        let answer = Request::get(target).key(&self.keys[0]).send_over(stream).unwrap().expect(200);
        answer.header("connection").is_some_and(|value| value == "close")
    }

    fn stream(&self) -> TcpStream {
        TcpStream::connect(self.server.address).unwrap()
    }
}

#[test]
fn who_comes_meanwhile_is_answered_and_what_is_called_off_leaves_no_trace() {
    let world = World::new(PLAIN);
    let mut kept = world.stream();
    assert!(!world.is_last(BY_HYPER, &mut kept));
    let mut follower = UnixStream::connect(world._folder.path().join("data/control.sock")).unwrap();
    follower.write_all(b"openclaw take-over 1").unwrap();
    until("it leaves", || world.is_last(BY_LOOP, &mut world.stream()));
    assert!(world.is_last(BY_HYPER, &mut world.stream()));
    let (address, key) = (world.server.grpc(), world.keys[0].clone());
    for _ in 0..20 {
        let answered = world.runtime.block_on(async {
            let mut send = connect(address).await.ready().await.unwrap();
            let (response, mut out) = send.send_request(request(&key), false).unwrap();
            out.send_data(frame().into(), true).unwrap();
            status(response.await.unwrap()).await
        });
        assert_eq!(answered, "0");
    }
    drop(follower);
    until("it stays", || !world.is_last(BY_LOOP, &mut world.stream()));
    assert!(!world.is_last(BY_HYPER, &mut kept));
    until("it serves again", || {
        world.runtime.block_on(health(&world.channel)) == Some(ServingStatus::Serving as i32)
    });
}

#[test]
fn access_logs_end_with_the_key_that_began_them() {
    let world = World::new(PLAIN);
    let (address, key) = (world.server.grpc(), world.keys[0].clone());
    let path = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
    let told = world.runtime.block_on(async {
        let mut send = connect(address).await.ready().await.unwrap();
        let (response, mut out) = send.send_request(request_to(path, &key), false).unwrap();
        let empty = Bytes::from_static(&[0; 5]);
        out.send_data(empty.clone(), false).unwrap();
        world._folder.run(&["tenant", "key", "revoke", &key[..10]]);
        let more = async {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                // Refused when the call has ended.
                let _ = out.send_data(empty.clone(), false);
            }
        };
        tokio::select! {
            response = tokio::time::timeout(Duration::from_secs(10), response) => {
                status(response.expect("the call ends").unwrap()).await
            }
            () = more => unreachable!(),
        }
    });
    assert_eq!(told, "16");
}
