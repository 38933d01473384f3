//! Pages of other sites: a browser adds the password that it remembers to what
//! they send, and nobody has asked for that.

use crate::support::server::SILENT;
use crate::support::{Folder, Request};

const FEEDBACK: &str = r#"{"action":"dismiss"}"#;

#[test]
fn a_page_of_another_site_can_change_nothing_through_a_browsers_password() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    let ask = |target: &str, body: &str, headers: &[(&str, &str)]| {
        let request = Request::post_as(target, Some("text/plain"), body);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let elsewhere: [&[(&str, &str)]; 6] = [
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "http://evil.example")],
        &[("Origin", "http://test.evil.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://test")],
    ];
    let targets = [
        ("/api/v1/alerts", r#"{"summary":"planted"}"#),
        ("/t/acme/api/v1/alerts", r#"{"summary":"planted"}"#),
        ("/api/v1/ingest/json", r#"{"summary":"planted"}"#),
        ("/v2/alerts", r#"{"message":"planted"}"#),
        ("/api/global/em/jsonv2", r#"{"records":[{"source":"x","node":"n","severity":"1","type":"t"}]}"#),
        ("/api/v1/alerts/al_1/feedback", FEEDBACK),
        ("/api/v1/dead-letters/1/retry", ""),
        ("/api/v1/servicenow/callback", "{}"),
        ("/api/v1/rate", r#"{"labels":{"alertname":"x"}}"#),
    ];
    for headers in elsewhere {
        for (target, body) in targets {
            let answer = ask(target, body, headers).basic("acme", &key).send(server.address);
            assert_eq!(answer.status, 403, "{target} {headers:?}: {}", answer.text());
        }
        ask("/-/reload", "", headers).basic("operator", &operator).send(server.address).expect(403);
        // What a page does with a key that it has been given is its own doing.
        ask("/api/v1/rate", targets[8].1, headers).key(&key).send(server.address).expect(200);
        let reads =
            headers.iter().fold(Request::get("/api/v1/alerts"), |r, (name, value)| r.header(name, value));
        reads.basic("acme", &key).send(server.address).expect(200);
    }
    assert_eq!(server.get("/api/v1/alerts", &key).expect(200).json()["alerts"].as_array().unwrap().len(), 0);
    let here: [&[(&str, &str)]; 6] = [
        &[],
        &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://behind.a.proxy")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "http://test")],
        &[("Origin", "https://TEST")],
        &[("Sec-Fetch-Site", "same-origin")],
    ];
    for headers in here {
        ask("/api/v1/rate", targets[8].1, headers).basic("acme", &key).send(server.address).expect(200);
    }
}

/// A page may call API v2 from anywhere, as Alertmanager lets it: what a
/// browser sends there without asking first has no JSON's content type.
#[test]
fn api_v2_is_open_to_pages_that_ask_first() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let page = |request: Request| {
        let request = request.header("Origin", "http://karma.example").basic("acme", &key);
        request.header("Sec-Fetch-Site", "cross-site").send(server.address).status
    };
    for path in ["/api/v2/alerts", "/api/v2/silences"] {
        for unasked in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            assert_eq!(page(Request::post_as(path, Some(unasked), "[]")), 415, "{path} {unasked}");
        }
        assert_eq!(page(Request::post_as(path, None, "[]")), 415, "{path}");
    }
    assert_eq!(page(Request::post("/api/v2/alerts", "[]")), 200);
}

/// Asking for a decision takes tokens, by GET as well.
#[test]
fn a_page_of_another_site_takes_no_tokens_through_a_browsers_password() {
    let slow = format!("{SILENT}limits: {{ policies: {{ slow: {{ rate: 1/h, burst: 1000 }} }} }}\n");
    let folder = Folder::new(&[("acme", &slow)]);
    let key = folder.key("acme", "limit");
    let server = folder.serve();
    let page =
        |target: &str, site: &str| Request::get(target).header("Sec-Fetch-Site", site).basic("acme", &key);
    for target in ["/api/v1/rate?client=a", "/t/acme/api/v1/rate?client=a", "/auth?client=a"] {
        for site in ["cross-site", "same-site"] {
            page(target, site).send(server.address).expect(403);
        }
        assert!(page(target, "same-origin").send(server.address).status < 300);
        let by_address = Request::get(target).header("Origin", "http://evil.example").basic("acme", &key);
        by_address.send(server.address).expect(403);
        let bearer = Request::get(target).header("Sec-Fetch-Site", "cross-site").key(&key);
        assert!(bearer.send(server.address).status < 300);
    }
    let left = page("/api/v1/rate?client=a&cost=0", "none").send(server.address).expect(200).json();
    assert_eq!(left["remaining"], 994, "the six that were let in, and none beside");
    // What a browser says to a proxy is of the proxy's pages.
    let proxied = page("/auth", "cross-site").header("X-OpenClaw-Client", "a").header("X-Original-URI", "/");
    proxied.send(server.address).expect(204);
}
