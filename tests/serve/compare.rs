//! `openclaw compare`, with another tenant in Alertmanager's place.

use crate::support::server::ServeOptions;
use crate::support::{Alert, Folder, until};

fn tenant(receiver: &str) -> String {
    format!("receivers: [{{ name: {receiver} }}]\nroute: {{ receiver: {receiver}, group_by: [alertname] }}\n")
}

#[test]
fn differences_are_named_and_fail_the_command() {
    let folder =
        Folder::new(&[("acme", &tenant("ops")), ("same", &tenant("ops")), ("other", &tenant("web"))]);
    let keys = ["acme", "same", "other"].map(|tenant| folder.full_key(tenant));
    let server = folder.serve();
    let up = Alert::new("up");
    keys.iter().for_each(|key| server.post_alerts(key, std::slice::from_ref(&up)));
    server.post_alerts(&keys[2], &[Alert::new("more")]);
    until("both are grouped", || {
        server.get("/api/v2/alerts/groups", &keys[2]).expect(200).json().as_array().unwrap().len() == 2
    });
    let compare = |tenant: &str, key: &str| {
        let alertmanager = format!("http://{tenant}:{key}@{}/t/{tenant}", server.address);
        let here = format!("http://{}", server.address);
        let mut command = folder.command(&ServeOptions::default().variable("OPENCLAW_KEY", &keys[0]));
        command.args(["compare", "--tenant", "acme", "--alertmanager", &alertmanager, "--url", &here]);
        let output = command.args(["--for", "300ms", "--every", "100ms"]).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    };
    let (text, status) = compare("same", &keys[1]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.ends_with(" looks, 1 alerts, 0 differences\n"), "{text}");
    let (text, status) = compare("other", &keys[2]);
    assert_eq!(status, Some(1), "{text}");
    let told: Vec<_> = text.lines().skip(1).collect();
    let want = [
        "only at Alertmanager: {alertname=\"more\"}",
        "other receivers: {alertname=\"up\"}",
        "  here:         ops",
        "  Alertmanager: web",
    ];
    assert_eq!(told, want);
    // Credentials are in no message.
    let (text, status) = compare("other", &keys[1]);
    assert_eq!((text.as_str(), status), ("", Some(1)));
}
