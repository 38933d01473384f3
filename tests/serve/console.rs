//! The page for people.

use crate::support::server::told_at_once;
use crate::support::{Alert, Folder, Request, Sink};

#[test]
fn hostile_text_stays_text() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let script = "<script>alert(1)</script>";
    let alert = Alert::new(&format!("{script}name"))
        .label("job", &format!("\"'{script}"))
        .label("severity", &format!("x\" onload={script}"))
        .annotation("summary", &format!("{script}summary"));
    server.post_alerts(&key, &[alert]);
    sink.wait_for("/hook", 1);
    server.wait_delivered(&key);
    let page = server.get("/console", &key).expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let html = page.text();
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("&lt;script&gt;") && html.contains("summary"));
}

#[test]
fn it_is_shown_to_those_who_may_read() {
    let folder =
        Folder::new(&[("acme", crate::support::server::SILENT), ("globex", crate::support::server::SILENT)]);
    let (acme, globex, operator) =
        (folder.full_key("acme"), folder.full_key("globex"), folder.operator_key());
    let ingest_only = folder.key("acme", "ingest");
    let server = folder.serve();
    server.post_alerts(&acme, &[Alert::new("of-acme")]);
    server.post_alerts(&globex, &[Alert::new("of-globex")]);
    assert_eq!(Request::get("/console").send(server.address).status, 401);
    assert_eq!(server.get("/console", &ingest_only).status, 403);
    assert_eq!(server.get("/t/globex/console", &acme).status, 403);
    let page = server.get("/console", &acme).expect(200).text();
    assert!(page.contains("of-acme") && !page.contains("globex"));
    let page = server.get("/console", &operator).expect(200).text();
    assert!(page.contains("of-acme") && page.contains("of-globex"));
}

#[test]
fn limits_and_models_are_shown() {
    let limited = "limits: { policies: { api: { rate: 1/m, burst: 2 } } }\n";
    let folder = Folder::new(&[("acme", limited), ("globex", limited)]);
    let (acme, globex) = (folder.key("acme", "limit,read"), folder.key("globex", "limit"));
    let operator = folder.operator_key();
    let server = folder.serve();
    let asked = [&acme, &acme, &acme, &globex].map(|key| server.get("/api/v1/rate?client=a", key).status);
    assert_eq!(asked, [200, 200, 429, 200]);
    let own = server.get("/console", &acme).expect(200).text();
    for part in [
        "none: it has limits alone",
        "<b>api</b>",
        "<td class=\"number\">2</td>",
        "<td class=\"number mid\">1</td>",
        "33.3 %",
    ] {
        assert!(own.contains(part), "{part}: {own}");
    }
    assert!(!own.contains("globex") && !own.contains("Models that"), "{own}");
    assert!(!own.contains("0.75"), "nothing pages: {own}");
    let all = server.get("/console", &operator).expect(200).text();
    assert!(all.contains("globex") && all.contains("<td>serving</td>"), "{all}");
}
