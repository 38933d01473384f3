//! A real nginx in front, with the configuration that `deploy/` holds: it ends
//! the senders' TLS and speaks to us with each tenant's certificate.

use crate::pki::{Ca, Client};
use crate::support::nginx::Nginx;
use crate::support::server::{SILENT, Server};
use crate::support::{Alert, Folder, Request, programs};

struct World {
    senders: Ca,
    public: Ca,
    nginx: Nginx,
    server: Server,
    keys: [String; 2],
    _folder: Folder,
    _nginx_folder: tempfile::TempDir,
}

fn world() -> Option<World> {
    let program = programs::found_by("nginx", &["-v"])?;
    let [senders, public, inner, servers] = ["senders", "public", "inner", "servers"].map(Ca::new);
    let service = "listen: { http: \"127.0.0.1:0\", tls: { cert_file: server.crt, key_file: server.key, \
                   client_ca_file: nginx-ca.crt, client_auth: required } }\n";
    let tenant = |name: &str| {
        format!("{SILENT}client_certificates: [{{ dns: {name}.nginx.internal, scopes: [ingest, read] }}]\n")
    };
    let folder = Folder::with_service(service, &[("acme", &tenant("acme")), ("globex", &tenant("globex"))]);
    servers.server().write(folder.path(), "server");
    std::fs::write(folder.path().join("nginx-ca.crt"), inner.pem()).unwrap();
    let keys = ["acme", "globex"].map(|name| folder.full_key(name));
    let server = folder.serve();

    let nginx_folder = tempfile::tempdir().unwrap();
    let place = nginx_folder.path();
    public.server().write(place, "alerts");
    std::fs::write(place.join("senders-ca.crt"), senders.pem()).unwrap();
    std::fs::write(place.join("openclaw-ca.crt"), servers.pem()).unwrap();
    for name in ["acme", "globex"] {
        inner.client(name, &[&format!("{name}.nginx.internal")], &[]).write(place, name);
    }
    let changes = [
        ("listen 443 ssl", "listen {} ssl".to_owned()),
        ("server 10.0.0.2:8443", format!("server {}", server.address)),
        ("openclaw.internal", crate::pki::SERVER.to_owned()),
    ];
    let nginx = Nginx::start(&program, "mtls.conf", place, &changes);
    Some(World { senders, public, nginx, server, keys, _folder: folder, _nginx_folder: nginx_folder })
}

impl World {
    fn sender(&self, name: &str) -> Client {
        Client::new(&self.public, Some(&self.senders.client(name, &[], &[])))
    }
}

#[test]
fn a_real_nginx_speaks_for_the_tenant_whose_certificate_it_was_shown() {
    let Some(world) = world() else { return };
    let address = world.nginx.address;
    let senders = ["acme", "globex"].map(|name| world.sender(&format!("prometheus.{name}")));
    let list = Request::get("/api/v2/alerts");
    // Each sender keeps its connection to nginx, and nginx its own to us.
    let mut open = senders.each_ref().map(|sender| sender.connect(address).unwrap());
    for (name, open) in ["acme", "globex"].iter().zip(&mut open) {
        let body = crate::support::alerts::body(&[Alert::new(&format!("of-{name}"))]);
        Request::post("/api/v2/alerts", body).send_over(open).unwrap().expect(200);
    }
    for turn in 0..40 {
        for (at, name) in ["acme", "globex"].iter().enumerate() {
            // In turn over kept connections and new ones.
            let told = match turn % 2 {
                0 => list.send_over(&mut open[at]).unwrap(),
                _ => senders[at].send(&list, address),
            };
            let alerts = told.expect(200).json();
            assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
            assert_eq!(alerts[0]["labels"]["alertname"], format!("of-{name}").as_str());
        }
    }
}

#[test]
fn a_real_nginx_lets_nobody_else_in_and_forged_headers_change_nothing() {
    let Some(world) = world() else { return };
    let address = world.nginx.address;
    let list = || Request::get("/api/v2/alerts");
    assert_eq!(Client::new(&world.public, None).send(&list(), address).status, 400, "no certificate");
    assert_eq!(world.sender("prometheus.initech").send(&list(), address).status, 403, "nobody's");
    let acme = world.sender("prometheus.acme");
    let body = crate::support::alerts::body(&[Alert::new("of-globex")]);
    let globex = world.sender("prometheus.globex");
    globex.send(&Request::post("/api/v2/alerts", body), address).expect(200);
    for (name, value) in [
        ("X-SSL-Client-S-DN", "CN=prometheus.globex"),
        ("X-SSL-Client-Verify", "SUCCESS"),
        ("X-Forwarded-Client-Cert", "DNS=globex.nginx.internal"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-OpenClaw-Tenant", "globex"),
        ("X-Scope-OrgID", "globex"),
        ("Authorization", &format!("Bearer {}", world.keys[1])),
    ] {
        let told = acme.send(&list().header(name, value), address);
        assert!(!told.text().contains("of-globex"), "{name}: {told:?}");
        assert_eq!(told.status, if name == "X-Scope-OrgID" { 403 } else { 200 }, "{name}");
    }
    assert_eq!(acme.send(&Request::get("/t/globex/api/v2/alerts"), address).status, 403);
    // Past nginx there is no way in, with any header or key.
    let past = Client::new(
        &world.public,
        Some(&world.senders.client("prometheus.acme", &["acme.nginx.internal"], &[])),
    );
    assert!(past.try_send(&list().key(&world.keys[0]), world.server.address).is_err());
    drop(world.nginx);
    world.server.stop();
}
