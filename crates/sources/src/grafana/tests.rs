use super::*;
use crate::testing::{NOW, check_all, post};
use hmac::{Hmac, KeyInit, Mac};
use insta::assert_snapshot;

/// The documentation's example, shortened.
const NOTIFICATION: &str = r#"{
  "receiver": "My Super Webhook", "status": "firing", "orgId": 1,
  "alerts": [
    {"status": "firing", "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
     "annotations": {"description": "The system has high memory usage", "runbook_url": "https://myrunbook.com/runbook/1234"},
     "startsAt": "2026-03-01T09:51:03.157076+02:00", "endsAt": "0001-01-01T00:00:00Z",
     "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit", "fingerprint": "c6eadffa33fcdf37",
     "silenceURL": "https://play.grafana.org/alerting/silence/new", "dashboardURL": "", "panelURL": "",
     "imageURL": "https://play.grafana.org/render/1.png", "values": {"B": 44.23943737541908, "C": 1}},
    {"status": "resolved", "labels": {"alertname": "High CPU usage", "team": "blue", "zone": "eu-1"},
     "annotations": {}, "startsAt": "2026-03-01T09:56:26Z", "endsAt": "2026-03-01T10:01:00Z",
     "generatorURL": "https://play.grafana.org/alerting/d1rdpdv7k/edit", "fingerprint": "bc97ff14869b13e3"}
  ],
  "groupLabels": {}, "commonLabels": {"team": "blue"}, "commonAnnotations": {}, "externalURL": "https://play.grafana.org/",
  "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0,
  "title": "[FIRING:2]  (blue)", "state": "alerting", "message": "**Firing**"
}"#;

#[test]
fn notifications() {
    assert_snapshot!(check_all(
        Format::Grafana,
        &[
            ("the documentation's example", NOTIFICATION),
            (
                "a template of its own",
                r#"{"title":"Disk","state":"alerting","message":"90 %","host":"web-1"}"#
            ),
            ("its end", r#"{"title":"Disk","state":"ok","host":"web-1"}"#),
            ("a template without a name", r#"{"text":"90 %"}"#),
        ]
    ));
}

fn hmac(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn signatures() {
    let body = br#"{"orgId":1}"#;
    let check = |secret: &str, settings: &HmacHeaders, headers: &[(&str, &str)]| {
        verify(secret, settings, &Post { headers, ..post(body) }, NOW)
    };
    let plain = HmacHeaders::default();
    let right = hmac("secret", &[body]);
    for name in SIGNATURES {
        assert_eq!(check("secret", &plain, &[(name, &right)]), Ok(()));
        assert_eq!(check("other", &plain, &[(name, &right)]), Err(SignatureError::Mismatch));
        assert_eq!(check("", &plain, &[(name, &hmac("", &[body]))]), Err(SignatureError::Mismatch));
        assert_eq!(check("secret", &plain, &[(name, &right[2..])]), Err(SignatureError::Mismatch));
        assert!(matches!(check("secret", &plain, &[(name, "zz")]), Err(SignatureError::Malformed { .. })));
    }
    assert!(matches!(check("secret", &plain, &[]), Err(SignatureError::Missing { .. })));
    let named = HmacHeaders { signature: Some("x-sig".into()), timestamp: Some("x-time".into()) };
    let time = NOW.secs().to_string();
    let timed = hmac("secret", &[time.as_bytes(), b":", body]);
    assert_eq!(check("secret", &named, &[("x-sig", &timed), ("x-time", &time)]), Ok(()));
    let later = (NOW.secs() + 1).to_string();
    assert_eq!(
        check("secret", &named, &[("x-sig", &timed), ("x-time", &later)]),
        Err(SignatureError::Mismatch)
    );
    let old = (NOW.secs() - 301).to_string();
    let stale = hmac("secret", &[old.as_bytes(), b":", body]);
    assert_eq!(check("secret", &named, &[("x-sig", &stale), ("x-time", &old)]), Err(SignatureError::Stale));
    // Without the time's header the plain signature must not do.
    assert_eq!(check("secret", &named, &[("x-sig", &right)]), Err(SignatureError::Untimed));
    assert_eq!(
        check("secret", &named, &[("x-sig", &timed), ("x-time", "now")]),
        Err(SignatureError::Untimed)
    );
    assert!(matches!(
        check("secret", &named, &[(SIGNATURES[0], &timed)]),
        Err(SignatureError::Missing { .. })
    ));
}
