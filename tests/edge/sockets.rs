//! Somebody else holds the listening sockets, as systemd does: a restart
//! refuses nobody.

use crate::handover::check;
use crate::load::{Connects, Load};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Folder, Request, programs, until};
use rustix::io::{FdFlags, fcntl_setfd};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

/// What systemd does between its `fork` and its `exec`.
const PASS: &str = "
import fcntl, os, sys
copies = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 100) for fd in sys.argv[1].split(',')]
for place, copy in enumerate(copies, 3):
    os.dup2(copy, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(copies)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
";

const SERVICE: &str = "listen: { http: \"127.0.0.1:1\", grpc: \"127.0.0.1:2\" }\n\
    journal: { embedded: { segment_bytes: 1MiB, reserve_bytes: 1MiB } }\n";

/// Of this test alone until a child inherits it.
fn socket() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl_setfd(&listener, FdFlags::empty()).unwrap();
    listener
}

fn passing(sockets: &[&TcpListener], names: &str) -> ServeOptions {
    let numbers: Vec<_> = sockets.iter().map(|socket| socket.as_raw_fd().to_string()).collect();
    let wrapper = ["python3", "-c", PASS, &numbers.join(","), names];
    ServeOptions { wrapper: wrapper.map(str::to_owned).into(), ..ServeOptions::default() }
}

/// Whether somebody speaks HTTP/2 there.
fn takes_grpc(socket: &TcpListener) -> bool {
    let mut stream = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut head = [0; 9];
    // A frame of settings.
    stream.read_exact(&mut head).is_ok() && head[3] == 4
}

#[test]
fn a_restart_refuses_nobody_where_others_hold_the_sockets() {
    if !programs::is_there("python3", &["--version"]) {
        return;
    }
    let folder = Folder::with_service(SERVICE, &[("acme", SILENT)]);
    let limit = folder.key("acme", "limit");
    let (http, grpc) = (socket(), socket());
    let start = |sockets: &[&TcpListener], names: &str| -> Server {
        let server = folder.serve_with(&passing(sockets, names));
        assert_eq!(server.address, http.local_addr().unwrap());
        assert_eq!(server.grpc(), grpc.local_addr().unwrap());
        assert!(takes_grpc(&grpc));
        server
    };
    let mut server = start(&[&http, &grpc], "http:grpc");
    let rate = Request::get("/api/v1/rate?client=c&cost=0").key(&limit);
    let load = [Connects::Kept, Connects::Anew, Connects::Kept, Connects::Anew];
    let load = Load::start(server.address, load.map(|connects| (connects, rate.clone())).into());
    for (sockets, names) in
        [([&grpc, &http], "grpc:http"), ([&http, &grpc], ""), ([&http, &grpc], "http:grpc")]
    {
        let before = load.answered();
        until("the load goes on", || load.answered() > before + 50);
        server.stop();
        server = start(&sockets, names);
    }
    let before = load.answered();
    until("the load goes on", || load.answered() > before + 50);
    check(&load.stop());
    server.stop();
}
