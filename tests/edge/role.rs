//! `--role edge`: limits and nothing else.

use crate::load::{Connects, Load};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Folder, Request, until};
use std::time::Duration;

fn edge(folder: &Folder) -> Server {
    folder.serve_with(&ServeOptions::default().argument("--role").argument("edge"))
}

#[test]
fn it_decides_and_says_what_it_does_not_do() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (limit, full, operator) =
        (folder.key("acme", "limit"), folder.full_key("acme"), folder.operator_key());
    let server = edge(&folder);
    assert_eq!(server.get("/api/v1/rate?client=c", &limit).expect(200).json()["remaining"], 999);
    assert_eq!(server.get("/-/ready", "").expect(200).text(), "OK");
    std::net::TcpStream::connect(server.grpc()).unwrap();
    assert_eq!(server.get("/-/healthy", "").expect(200).text(), "OK");
    server.get("/api/v1/rate?client=c", "oc_forged").expect(401);
    let metrics = server.get("/metrics", &operator).expect(200).text();
    assert!(metrics.contains("openclaw_decisions_total"), "{metrics}");
    server.get("/metrics", &limit).expect(403);
    for target in ["/api/v2/alerts", "/api/v1/alerts/x", "/console", "/api/v2/silences"] {
        let answer = server.get(target, &full).expect(501).json();
        assert!(answer["detail"].as_str().unwrap().contains("role edge"), "{answer}");
    }
    server.post("/api/v2/alerts", &full, "[]").expect(501);
    server.get("/nothing", &full).expect(404);
    assert!(!folder.journal().exists(), "an edge keeps no journal");
    server.stop();
}

#[test]
fn keys_that_come_and_go_are_followed() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let server = edge(&folder);
    let key = folder.key("acme", "limit");
    until("the key is known", || server.get("/api/v1/rate", &key).status == 200);
    server.stop();
}

#[test]
fn two_edges_never_share_a_folder() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let server = edge(&folder);
    let mut second = folder.start(&ServeOptions::default().argument("--role").argument("edge"));
    assert!(!second.wait().success());
    assert!(second.log().contains("is in use by process"), "{}", second.log());
    server.stop();
}

#[test]
fn settings_change_a_hundred_times_while_every_request_is_answered() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (limit, operator) = (folder.key("acme", "limit"), folder.operator_key());
    let server = edge(&folder);
    let rate = Request::get("/api/v1/rate?client=c&cost=0").key(&limit);
    let requests = [Connects::Kept, Connects::Kept, Connects::Anew];
    let load = Load::start(server.address, requests.map(|connects| (connects, rate.clone())).into());
    for turn in 0..100 {
        let name = format!("other{}", turn % 3);
        folder.tenant(&name, &format!("{SILENT}# {turn}\n"));
        server.post("/-/reload", &operator, "").expect(200);
    }
    let totals = load.stop();
    assert!(totals.failed.is_empty() && totals.answered > 100, "{totals:?}");
    assert!(totals.longest < Duration::from_millis(500), "{:?}", totals.longest);
    server.stop();
}
