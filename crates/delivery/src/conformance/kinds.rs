//! Every kind that speaks HTTP. The list is the last thing in this file.

use super::{Candidate, Place, answer, idempotency_key};
use crate::sink::Received;
use crate::{HttpConfig, Integration, slack, webhook};

fn http(place: &Place) -> HttpConfig {
    let mut http = HttpConfig::default();
    http.set_authorization("Bearer", &place.secret()).unwrap();
    http.add_header("X-Secret", &place.secret()).unwrap();
    http
}

fn webhook() -> Candidate {
    Candidate {
        integration: |place| {
            Integration::Webhook(webhook::Settings {
                http: http(place),
                timeout: place.timeout(),
                secret: Some(webhook::SigningKey::parse(&place.secret()).unwrap()),
                ..webhook::Settings::new(place.target("/hook"))
            })
        },
        yes: |_| answer("202 Accepted", ""),
        never: ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone", "413 Too Large"]
            .map(|head| answer(head, "no"))
            .into(),
        // All a webhook can say is its status.
        lies: Vec::new(),
        body_bytes_max: usize::MAX,
        identity: |request| {
            let id = request.header("webhook-id").unwrap_or("none");
            format!("{id} {}", idempotency_key(request))
        },
    }
}

fn slack() -> Candidate {
    Candidate {
        integration: |place| {
            Integration::Slack(slack::Settings {
                http: http(place),
                timeout: place.timeout(),
                send_resolved: true,
                ..slack::Settings::new(place.target("/services/T0/B0"))
            })
        },
        yes: |_: &Received| answer("200 OK", "ok"),
        never: [
            ("400 Bad Request", "invalid_payload"),
            ("403 Forbidden", "action_prohibited"),
            ("404 Not Found", "no_service"),
            ("410 Gone", "channel_is_archived"),
        ]
        .map(|(head, body)| answer(head, body))
        .into(),
        lies: ["", "invalid_token", "<html>ok</html>", r#"{"ok":false,"error":"fatal_error"}"#, r#"{"ok":"#]
            .map(|body| answer("200 OK", body))
            .into(),
        body_bytes_max: 100_000,
        identity: idempotency_key,
    }
}

/// Every kind, by the name it has in metrics.
pub(super) fn all() -> Vec<(&'static str, Candidate)> {
    vec![("webhook", webhook()), ("slack", slack())]
}
