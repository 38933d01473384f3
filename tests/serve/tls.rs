//! HTTP over TLS, certificates that change, and clients' certificates as
//! credentials.

use crate::pki::{Ca, Client, Pair};
use crate::support::client::connect;
use crate::support::server::{SILENT, Server};
use crate::support::{Alert, Folder, Request, until};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

const PLAIN: &str = "cert_file: server.crt, key_file: server.key";

fn service(tls: &str) -> String {
    format!(
        "listen: {{ http: \"127.0.0.1:0\", tls: {{ {tls} }} }}\n\
         journal: {{ embedded: {{ segment_bytes: 1MiB, reserve_bytes: 1MiB }} }}\n"
    )
}

fn asking(how: &str) -> String {
    service(&format!("{PLAIN}, client_ca_file: clients.crt, client_auth: {how}"))
}

fn with_certificates(rules: &str) -> String {
    format!("{SILENT}client_certificates: [{rules}]\n")
}

fn get(target: &str) -> Request {
    Request::get(target)
}

fn list() -> Request {
    get("/api/v2/alerts")
}

fn reloads(server: &Server, client: &Client, operator: &str, result: &str) -> u64 {
    let text = client.send(&get("/metrics").key(operator), server.address).expect(200).text();
    let name = format!("openclaw_tls_reloads_total{{result=\"{result}\"}}");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

#[test]
fn http_is_served_over_tls_and_only_so() {
    let ca = Ca::new("servers");
    let folder = Folder::with_service(&service(PLAIN), &[("acme", SILENT)]);
    ca.server().write(folder.path(), "server");
    let key = folder.full_key("acme");
    let server = folder.serve();
    assert!(server.log().contains("openclaw listens on https://"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = Client::of_versions(&ca, None, &[version]);
        let mut open = client.connect(server.address).unwrap();
        assert_eq!(open.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
        for name in ["a", "b"] {
            let body = crate::support::alerts::body(&[Alert::new(name)]);
            Request::post("/api/v2/alerts", body).key(&key).send_over(&mut open).unwrap().expect(200);
        }
        let listed = list().key(&key).send_over(&mut open).unwrap().expect(200).json();
        assert_eq!(listed.as_array().unwrap().len(), 2);
        assert_eq!(list().send_over(&mut open).unwrap().status, 401);
    }
    assert!(Client::new(&Ca::new("others"), None).connect(server.address).is_err());
    // Plain HTTP gets no answer of HTTP's.
    let mut plain = connect(server.address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let log = server.stop();
    assert!(!log.contains("PRIVATE KEY"));
}

#[test]
fn new_certificates_are_taken_whole_or_not_at_all() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let folder = Folder::with_service(&service(PLAIN), &[("acme", SILENT)]);
    old.server().write(folder.path(), "server");
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    let (before, after) = (Client::new(&old, None), Client::new(&new, None));
    let mut open = before.connect(server.address).unwrap();
    let renewed = new.server();
    // The new certificate without its key: the running pair stays.
    std::fs::write(folder.path().join("server.crt"), &renewed.certificate).unwrap();
    until("the half pair is refused", || reloads(&server, &before, &operator, "failure") == 1);
    std::fs::write(folder.path().join("server.crt"), "no certificate").unwrap();
    until("what is no certificate is refused", || reloads(&server, &before, &operator, "failure") == 2);
    assert_eq!(reloads(&server, &before, &operator, "success"), 0);
    assert!(server.log().contains("the new certificates can't be used"));
    let began = Instant::now();
    renewed.write(folder.path(), "server");
    until("the new pair is in use", || after.connect(server.address).is_ok());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(before.connect(server.address).is_err());
    list().key(&key).send_over(&mut open).unwrap().expect(200);
    assert_eq!(reloads(&server, &after, &operator, "success"), 1);
}

#[test]
fn files_that_cant_be_used_keep_the_service_from_starting() {
    let ca = Ca::new("servers");
    let folder = Folder::with_service(&asking("required"), &[("acme", SILENT)]);
    let failed = |word: &str| {
        for arguments in [["serve", "--config", "openclaw.yaml"], ["check", "--config", "openclaw.yaml"]] {
            let output = folder.command(&Default::default()).args(arguments).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && told.contains(word), "{arguments:?}: {told}");
        }
    };
    failed("cert_file");
    ca.server().write(folder.path(), "server");
    failed("client_ca_file");
    std::fs::write(folder.path().join("clients.crt"), "nobody").unwrap();
    failed("client_ca_file");
    std::fs::write(folder.path().join("clients.crt"), ca.pem()).unwrap();
    folder.run(&["check", "--config", "openclaw.yaml"]);
    std::fs::write(folder.path().join("server.key"), &ca.server().key).unwrap();
    failed("can't be used together");
}

/// Acme's and globex's clients, and a service that may ask for certificates.
struct World {
    ca: Ca,
    servers: Ca,
    acme: Pair,
    globex: Pair,
    folder: Folder,
}

fn world(how: &str) -> World {
    let (ca, servers) = (Ca::new("clients"), Ca::new("servers"));
    let acme = ca.client("acme", &["prom.acme.example"], &[]);
    let globex = ca.client("globex", &[], &["spiffe://example.org/ns/globex"]);
    let folder = Folder::with_service(
        &asking(how),
        &[
            ("acme", &with_certificates("{ dns: prom.acme.example, scopes: [ingest, read] }")),
            ("globex", &with_certificates("{ uri: \"spiffe://example.org/ns/globex\", scopes: [read] }")),
        ],
    );
    servers.server().write(folder.path(), "server");
    std::fs::write(folder.path().join("clients.crt"), ca.pem()).unwrap();
    World { ca, servers, acme, globex, folder }
}

#[test]
fn a_certificate_is_a_credential_where_no_header_is() {
    let world = world("optional");
    let globex_key = world.folder.full_key("globex");
    let server = world.folder.serve();
    let address = server.address;
    let client = |pair: &Pair| Client::new(&world.servers, Some(pair));
    let (acme, globex) = (client(&world.acme), client(&world.globex));
    let body = crate::support::alerts::body(&[Alert::new("of-acme")]);
    acme.send(&Request::post("/api/v2/alerts", body.clone()), address).expect(200);
    assert!(acme.send(&list(), address).expect(200).text().contains("of-acme"));
    assert_eq!(globex.send(&list(), address).expect(200).text().trim(), "[]");
    assert_eq!(globex.send(&Request::post("/api/v2/alerts", body), address).status, 403);

    // A header counts, whatever the certificate says.
    assert_eq!(acme.send(&list().key(&globex_key), address).expect(200).text().trim(), "[]");
    assert_eq!(acme.send(&list().key("ocnonsense"), address).status, 401);
    assert_eq!(acme.send(&list().header("X-Scope-OrgID", "globex"), address).status, 403);
    assert_eq!(acme.send(&get("/t/globex/api/v2/alerts"), address).status, 403);
    acme.send(&get("/t/acme/api/v2/alerts"), address).expect(200);

    // No certificate, one of nobody's, and one that others signed.
    let nobody = Client::new(&world.servers, None);
    assert_eq!(nobody.send(&list(), address).status, 401);
    nobody.send(&list().key(&globex_key), address).expect(200);
    let stranger = world.ca.client("acme", &["prom.acme.example.org", "*.acme.example"], &[]);
    assert_eq!(client(&stranger).send(&list(), address).status, 401);
    let forged = Ca::new("clients").client("acme", &["prom.acme.example"], &[]);
    assert!(client(&forged).try_send(&list(), address).is_err());
    let server_s = world.ca.server();
    assert!(client(&server_s).try_send(&list(), address).is_err(), "not made for clients");

    // What a proxy would say of a certificate is believed of nobody.
    for (name, value) in [
        ("X-SSL-Client-Cert", world.acme.certificate.replace('\n', "%0A")),
        ("X-SSL-Client-Verify", "SUCCESS".to_owned()),
        ("X-SSL-Client-S-DN", "CN=acme".to_owned()),
        ("X-Forwarded-Client-Cert", "By=x;Hash=y;DNS=prom.acme.example".to_owned()),
        ("X-Forwarded-User", "acme".to_owned()),
        ("X-Scope-OrgID", "acme".to_owned()),
    ] {
        assert_eq!(nobody.send(&list().header(name, &value), address).status, 401, "{name}");
        let told = globex.send(&list().header(name, &value), address);
        assert!(!told.text().contains("of-acme"), "{name}");
    }
}

/// What is asked most often has a way of its own to its answer.
#[test]
fn decisions_take_certificates_as_credentials() {
    let world = world("optional");
    let limits = "limits: { policies: { api: { rate: 1/m, burst: 100 } } }\n";
    let certified = |scopes: &str| {
        format!("{limits}client_certificates: [{{ dns: prom.acme.example, scopes: [{scopes}] }}]\n")
    };
    world.folder.tenant("acme", &certified("limit"));
    let globex_key = world.folder.key("globex", "limit");
    let server = world.folder.serve();
    let acme = Client::new(&world.servers, Some(&world.acme));
    let mut open = acme.connect(server.address).unwrap();
    for left in (90..100).rev() {
        let answer = get("/api/v1/rate?client=a").send_over(&mut open).unwrap().expect(200).json();
        assert_eq!(answer["remaining"], left);
    }
    let batch = Request::post("/api/v1/decisions", r#"[{"client":"a","cost":80},{"client":"a","cost":80}]"#);
    let answers = batch.send_over(&mut open).unwrap().expect(200).json();
    assert_eq!([&answers[0]["allowed"], &answers[1]["allowed"]], [true, false]);
    let vouched = get("/auth").header("X-Client", "a").send_over(&mut open).unwrap().expect(204);
    assert_eq!(vouched.header("x-openclaw-tenant"), Some("acme"));
    // A header counts, whatever the certificate says; and over the same connection.
    let globex = get("/api/v1/rate?client=a").key(&globex_key).send_over(&mut open).unwrap().expect(200);
    assert_eq!(globex.json()["policy"], "default");
    assert_eq!(get("/api/v1/rate?client=a").key("ocnonsense").send_over(&mut open).unwrap().status, 401);
    assert_eq!(get("/t/globex/api/v1/rate?client=a").send_over(&mut open).unwrap().status, 403);
    let nobody = Client::new(&world.servers, None);
    assert_eq!(nobody.send(&get("/api/v1/rate?client=a"), server.address).status, 401);
    let globex = Client::new(&world.servers, Some(&world.globex));
    assert_eq!(globex.send(&get("/api/v1/rate?client=a"), server.address).status, 403, "no scope `limit`");
    let rate = get("/api/v1/rate?client=a&cost=0");
    world.folder.tenant("acme", &certified("read"));
    until("the scope has gone", || rate.send_over(&mut open).unwrap().status == 403);
    world.folder.tenant("acme", limits);
    until("the certificate is nobody's", || rate.send_over(&mut open).unwrap().status == 401);
}

#[test]
fn a_page_of_another_site_can_change_nothing_through_a_browsers_certificate() {
    let world = world("optional");
    let server = world.folder.serve();
    let acme = Client::new(&world.servers, Some(&world.acme));
    let post = |site: &str| {
        let request = Request::post("/api/v2/alerts", "[]").header("Sec-Fetch-Site", site);
        acme.send(&request, server.address).status
    };
    assert_eq!(
        [post("cross-site"), post("same-site"), post("same-origin"), post("none")],
        [401, 401, 200, 200]
    );
    acme.send(&list().header("Sec-Fetch-Site", "cross-site"), server.address).expect(200);
}

#[test]
fn a_required_certificate_keeps_all_others_out() {
    let world = world("required");
    let key = world.folder.full_key("acme");
    let server = world.folder.serve();
    let nobody = Client::new(&world.servers, None);
    assert!(nobody.try_send(&list().key(&key), server.address).is_err());
    assert!(nobody.try_send(&get("/healthz"), server.address).is_err());
    let acme = Client::new(&world.servers, Some(&world.acme));
    acme.send(&list(), server.address).expect(200);
    acme.send(&list().key(&key), server.address).expect(200);
}

#[test]
fn a_rule_that_goes_ends_its_certificate_on_open_connections_too() {
    let world = world("optional");
    let server = world.folder.serve();
    let acme = Client::new(&world.servers, Some(&world.acme));
    let mut open = acme.connect(server.address).unwrap();
    list().send_over(&mut open).unwrap().expect(200);
    let print: Vec<_> = sha256(&world.acme).iter().map(|byte| format!("{byte:02X}")).collect();
    let pinned = with_certificates(&format!("{{ sha256: \"{}\", scopes: [read] }}", print.join(":")));
    world.folder.tenant("acme", &pinned);
    let post = Request::post("/api/v2/alerts", "[]");
    until("only reading is left", || post.send_over(&mut open).unwrap().status == 403);
    list().send_over(&mut open).unwrap().expect(200);
    world.folder.tenant("acme", SILENT);
    until("the certificate is nobody's", || list().send_over(&mut open).unwrap().status == 401);
    // A session from before doesn't bring it back.
    assert_eq!(acme.send(&list(), server.address).status, 401);
}

fn sha256(pair: &Pair) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(pair.der()).into()
}

#[test]
fn another_ca_ends_sessions_of_the_first() {
    let world = world("optional");
    let server = world.folder.serve();
    let acme = Client::new(&world.servers, Some(&world.acme));
    acme.send(&list(), server.address).expect(200);
    std::fs::write(world.folder.path().join("clients.crt"), Ca::new("clients").pem()).unwrap();
    until("the certificate is no longer taken", || acme.try_send(&list(), server.address).is_err());
}

/// Takes the ten seconds that a handshake may take.
#[test]
fn silent_connections_keep_nobody_out() {
    let world = world("optional");
    let server = world.folder.serve();
    let acme = Client::new(&world.servers, Some(&world.acme));
    let silent: Vec<_> = (0..700).map(|_| connect(server.address).unwrap()).collect();
    let began = Instant::now();
    for _ in 0..10 {
        acme.send(&list(), server.address).expect(200);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let is_closed = |mut stream: &std::net::TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    };
    let closed = || silent.iter().filter(|stream| is_closed(stream)).count();
    assert!(closed() >= 150, "the oldest made room: {}", closed());
    until("the others are closed in time", || closed() == silent.len());
}

#[test]
fn settings_that_would_mix_tenants_up_are_refused() {
    let rule = with_certificates("{ dns: a.example, scopes: [read] }");
    let check = |service: &str, tenants: &[(&str, &str)], words: &[&str]| {
        let folder = Folder::with_service(service, tenants);
        let output = folder.command(&Default::default()).args(["check"]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        words.iter().for_each(|word| assert!(told.contains(word), "{word}: {told}"));
    };
    check(
        &asking("optional"),
        &[("acme", &rule), ("globex", &rule)],
        &["globex.yaml:4", "tenant `acme`'s as well"],
    );
    check(&service(PLAIN), &[("acme", &rule)], &["acme.yaml:4", "client_ca_file"]);
    check(
        &service(&format!("{PLAIN}, client_auth: required")),
        &[("acme", SILENT)],
        &["needs a `client_ca_file`"],
    );
    check(&service("cert_file: a"), &[("acme", SILENT)], &["`key_file` is missing"]);
    for (bad, words) in [
        ("{ dns: \"*.example\", scopes: [read] }", "is not a DNS name"),
        ("{ sha256: abc, scopes: [read] }", "64 hex digits"),
        ("{ dns: a.example, uri: \"b:c\", scopes: [read] }", "one of `sha256`, `dns`, `uri`"),
        ("{ dns: a.example }", "`scopes` is missing"),
        ("{ dns: a.example, scopes: [operator] }", "`operator` is not one of"),
    ] {
        check(&asking("optional"), &[("acme", &with_certificates(bad))], &[words]);
    }
    for (bad, words) in [
        ("{ secret: short }", "at least 32 bytes"),
        ("{ issuer: us }", "one of `secret`, `jwks_file`, `jwks_url`"),
        ("{ jwks_url: \"http://login.example/keys\" }", "over `https://`"),
        ("{ jwks_file: nowhere.json }", "cannot be read"),
        ("{ jwks_url: \"https://a/\", secret: 0123456789abcdef0123456789abcdef }", "at most one of"),
    ] {
        check(&service(PLAIN), &[("acme", &format!("{SILENT}jwt: {bad}\n"))], &[words]);
    }
}
