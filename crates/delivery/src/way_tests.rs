//! Ways to receivers: addresses that are refused, proxies, TLS.

use crate::fixture::{NOW, latency, page};
use crate::sink::{Reply, Sink};
use crate::{
    HttpConfig, Integration, NamedBy, Network, NoProxy, Outgoing, Proxy, Secret, Sender, SenderOptions,
    Target, TlsSettings, TlsSettingsError, webhook,
};
use openclaw_alert::SendOutcome;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PLANTED: &str = "hunter2";
const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn target(text: &str) -> Target {
    Target::parse(&Secret::new(text)).unwrap()
}

async fn send(outgoing: Outgoing, address: &str, http: HttpConfig) -> SendOutcome {
    let sender = Sender::new(SenderOptions { outgoing, ..Default::default() }).unwrap();
    let settings = webhook::Settings { http, ..webhook::Settings::new(target(address)) };
    let outcome = sender.send(&Integration::Webhook(settings), &page(vec![latency("a")]), NOW).await;
    assert!(!format!("{outcome:?}").contains(PLANTED), "{outcome:?}");
    outcome
}

fn refused(outcome: &SendOutcome) -> &str {
    let SendOutcome::Never { detail } = outcome else { panic!("{outcome:?}") };
    assert!(detail.contains("`outgoing.allow`"), "{detail}");
    detail
}

#[tokio::test]
async fn tenants_reach_no_network_that_is_not_public() {
    let sink = Sink::new(vec![Reply::Stay(YES.into())]).await;
    let port = sink.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
    ] {
        let outcome =
            send(Outgoing::default(), &format!("http://{host}:{port}/x"), HttpConfig::default()).await;
        refused(&outcome);
    }
    let metadata = send(Outgoing::default(), "http://169.254.169.254/latest", HttpConfig::default()).await;
    assert!(refused(&metadata).contains("a link-local address"), "{metadata:?}");
    assert_eq!(sink.connections(), 0);
    let allow = vec!["127.0.0.1".parse::<Network>().unwrap()];
    let outgoing = || Outgoing { allow: allow.clone(), proxy: None };
    let address = format!("http://{}/x", sink.address);
    assert_eq!(send(outgoing(), &address, HttpConfig::default()).await, SendOutcome::DELIVERED);
    let name = format!("http://localhost:{port}/x");
    assert_eq!(send(outgoing(), &name, HttpConfig::default()).await, SendOutcome::DELIVERED);
}

#[tokio::test]
async fn a_redirect_to_another_network_is_not_followed() {
    let inner = Sink::new(vec![Reply::Stay(YES.into())]).await;
    let moved =
        format!("HTTP/1.1 307 X\r\nLocation: http://{}/x\r\nContent-Length: 0\r\n\r\n", inner.address);
    let sink = Sink::new(vec![Reply::Stay(moved.into_bytes())]).await;
    let outcome =
        send(Outgoing::with_loopback(), &format!("http://{}/", sink.address), HttpConfig::default()).await;
    assert!(matches!(outcome, SendOutcome::Never { .. }), "{outcome:?}");
    assert_eq!(inner.connections(), 0);
}

fn proxy(address: SocketAddr, named_by: NamedBy) -> Proxy {
    Proxy::new(target(&format!("http://me:{PLANTED}@{address}")), named_by)
}

fn by(proxy: Proxy) -> HttpConfig {
    let mut config = HttpConfig::default();
    config.set_proxy(proxy);
    config
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_address() {
    let sink = Sink::new(vec![Reply::Stay(YES.into())]).await;
    let operators =
        Outgoing { proxy: Some(Arc::new(proxy(sink.address, NamedBy::Operator))), ..Default::default() };
    let own = by(proxy(sink.address, NamedBy::Tenant));
    for (outgoing, http) in [(operators, HttpConfig::default()), (Outgoing::with_loopback(), own)] {
        let outcome = send(outgoing, "http://hooks.example/x?y=z", http).await;
        assert_eq!(outcome, SendOutcome::DELIVERED);
    }
    for request in sink.requests() {
        assert!(request.head.starts_with("POST http://hooks.example/x?y=z HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6aHVudGVyMg=="));
        assert_eq!(request.header("host"), Some("hooks.example"));
    }
    assert_eq!(sink.requests().len(), 2);
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    for (said, told) in [
        ("HTTP/1.1 407 No\r\n\r\n", "proxy authorization required"),
        ("HTTP/1.1 503 No\r\n\r\n", "unsuccessful"),
        ("SSH-2.0\r\n", "unsuccessful"),
    ] {
        let sink = Sink::new(vec![Reply::Close(said.into())]).await;
        let mut proxy = proxy(sink.address, NamedBy::Tenant);
        proxy.connect_headers.push((http::header::VIA, http::HeaderValue::from_static("us")));
        let outcome = send(Outgoing::with_loopback(), "https://hooks.example/x?y=z", by(proxy)).await;
        let SendOutcome::Retry { ambiguous: false, detail, .. } = &outcome else { panic!("{outcome:?}") };
        assert!(detail.contains(told), "{detail}");
        let [request] = sink.requests().try_into().unwrap();
        assert!(request.head.starts_with("CONNECT hooks.example:443 HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6aHVudGVyMg=="));
        assert_eq!(request.header("via"), Some("us"));
        assert!(!request.head.contains("/x"));
    }
}

#[tokio::test]
async fn no_proxy_hides_an_address_and_no_tenant_names_a_hidden_proxy() {
    let sink = Sink::new(vec![Reply::Stay(YES.into())]).await;
    let operators =
        || Outgoing { proxy: Some(Arc::new(proxy(sink.address, NamedBy::Operator))), ..Default::default() };
    for inner in ["http://10.0.0.5/", "https://[fd00::1]/", "http://0xa.1/", "https://169.254.169.254/"] {
        refused(&send(operators(), inner, HttpConfig::default()).await);
    }
    refused(
        &send(Outgoing::default(), "http://hooks.example/", by(proxy(sink.address, NamedBy::Tenant))).await,
    );
    let named = Proxy::new(target(&format!("http://localhost:{}", sink.address.port())), NamedBy::Tenant);
    refused(&send(Outgoing::default(), "https://hooks.example/", by(named)).await);
    assert_eq!(sink.connections(), 0);
    let other = Sink::new(vec![Reply::Stay(YES.into())]).await;
    let mut around = proxy(sink.address, NamedBy::Tenant);
    around.no_proxy = NoProxy::parse("127.0.0.0/8");
    let address = format!("http://{}/", other.address);
    assert_eq!(send(Outgoing::with_loopback(), &address, by(around)).await, SendOutcome::DELIVERED);
    assert_eq!((sink.connections(), other.connections()), (0, 1));
    assert_eq!(
        other.requests()[0].header("proxy-authorization"),
        None,
        "the credential is the proxy's alone"
    );
}

/// A server on loopback whose certificate is for `hooks.example`.
struct TlsSink {
    address: SocketAddr,
    ca: Secret,
    client: (Secret, Secret),
}

async fn tls_sink(wants_client: bool) -> TlsSink {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate, key)
    };
    let (certificate, key) = signed("hooks.example");
    let (client, client_key) = signed("us.example");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let builder = if wants_client {
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(answer(listener, tokio_rustls::TlsAcceptor::from(Arc::new(config))));
    let client = (Secret::new(client.pem()), Secret::new(client_key.serialize_pem()));
    TlsSink { address, ca: Secret::new(issuer.pem()), client }
}

/// Answers each connection's first bytes, also those that ask for a tunnel here.
async fn answer(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut first = [0; 1];
            stream.peek(&mut first).await?;
            if first[0] == b'C' {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await?;
                stream.write_all(b"HTTP/1.1 200 Here\r\n\r\n").await?;
            }
            let mut stream = acceptor.accept(stream).await?;
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await?;
            assert!(!String::from_utf8_lossy(&request[..read]).to_ascii_lowercase().contains("proxy-"));
            stream.write_all(YES.as_bytes()).await?;
            stream.shutdown().await
        });
    }
}

fn with_tls(tls: TlsSettings) -> HttpConfig {
    let mut config = HttpConfig::default();
    config.set_tls(tls).unwrap();
    config
}

#[tokio::test]
async fn a_server_is_known_by_its_ca_and_name() {
    let sink = tls_sink(false).await;
    let address = format!("https://{}/", sink.address);
    let (ca, name) = (Some(sink.ca.clone()), Some("hooks.example".to_owned()));
    let known = TlsSettings { ca, server_name: name, ..Default::default() };
    let unchecked = TlsSettings { insecure_skip_verify: true, ..Default::default() };
    for (tls, delivered) in [
        (known.clone(), true),
        (TlsSettings { max_version_12: true, ..known.clone() }, true),
        (TlsSettings { min_version_13: true, ..known.clone() }, true),
        (unchecked, true),
        (TlsSettings { ca: None, ..known.clone() }, false),
        (TlsSettings { server_name: None, ..known.clone() }, false),
        (TlsSettings { server_name: Some("other.example".to_owned()), ..known.clone() }, false),
        (TlsSettings::default(), false),
    ] {
        let outcome = send(Outgoing::with_loopback(), &address, with_tls(tls.clone())).await;
        match outcome {
            SendOutcome::Delivered { .. } => assert!(delivered, "{tls:?}"),
            SendOutcome::Retry { ambiguous, detail, .. } => {
                assert!(!delivered && !ambiguous, "{tls:?} {detail}");
            }
            SendOutcome::Never { detail } => panic!("{detail}"),
        }
    }
    // The tunnel's end is the same server, so that the name is checked through it too.
    let mut through = with_tls(known);
    through.set_proxy(proxy(sink.address, NamedBy::Tenant));
    let outcome = send(Outgoing::with_loopback(), "https://hooks.example/", through).await;
    assert_eq!(outcome, SendOutcome::DELIVERED);
}

#[tokio::test]
async fn we_are_known_by_our_certificate() {
    let sink = tls_sink(true).await;
    let address = format!("https://{}/", sink.address);
    let (ca, name) = (Some(sink.ca.clone()), Some("hooks.example".to_owned()));
    let known =
        TlsSettings { ca, server_name: name, identity: Some(sink.client.clone()), ..Default::default() };
    assert_eq!(
        send(Outgoing::with_loopback(), &address, with_tls(known.clone())).await,
        SendOutcome::DELIVERED
    );
    let outcome =
        send(Outgoing::with_loopback(), &address, with_tls(TlsSettings { identity: None, ..known })).await;
    assert!(matches!(outcome, SendOutcome::Retry { .. }), "{outcome:?}");
}

#[tokio::test]
async fn tls_settings_that_cannot_work_are_told() {
    let sink = tls_sink(false).await;
    let (ca, (certificate, key)) = (sink.ca, sink.client);
    let other = tls_sink(false).await.client.1;
    let none = TlsSettings::default;
    let junk = Secret::new("hunter2");
    for (tls, want) in [
        (TlsSettings { ca: Some(junk.clone()), ..none() }, "`ca` holds no certificate"),
        (
            TlsSettings { identity: Some((junk.clone(), key.clone())), ..none() },
            "`cert` holds no certificate",
        ),
        (TlsSettings { identity: Some((certificate.clone(), junk)), ..none() }, "`key` holds no private key"),
        (TlsSettings { identity: Some((certificate, other)), ..none() }, "`cert` can't be used"),
        (TlsSettings { server_name: Some("a b".to_owned()), ..none() }, "`server_name` `a b`"),
        (TlsSettings { min_version_13: true, max_version_12: true, ..none() }, "no TLS version is left"),
    ] {
        let error: TlsSettingsError = HttpConfig::default().set_tls(tls).unwrap_err();
        assert!(error.to_string().starts_with(want), "{error}");
        assert!(!error.to_string().contains(PLANTED));
    }
    assert!(HttpConfig::default().set_tls(TlsSettings { ca: Some(ca), ..none() }).is_ok());
}
