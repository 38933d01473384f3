//! Every kind that speaks HTTP. The list is the last thing in this file.

use super::{Candidate, Place, answer, idempotency_key};
use crate::sink::Received;
use crate::template::Template;
use crate::{
    HttpConfig, Integration, Secret, msteams, opsgenie, pagerduty, servicenow, servicenow_em, slack,
    telegram, webhook,
};

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

fn pagerduty() -> Candidate {
    Candidate {
        integration: |place| {
            Integration::PagerDuty(pagerduty::Settings {
                http: http(place),
                timeout: place.timeout(),
                webhook_secret: Some(place.secret()),
                ..pagerduty::Settings::new(place.target("/v2/enqueue"), place.secret())
            })
        },
        yes: |_| {
            let body = r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#;
            answer("202 Accepted", body)
        },
        never: ["400 Bad Request", "401 Unauthorized", "404 Not Found", "413 Too Large"]
            .map(|head| {
                answer(head, r#"{"status":"invalid event","errors":["'hunter2' is no routing_key"]}"#)
            })
            .into(),
        lies: ["", "ok", "<html>", "{}", r#"{"status":"invalid event"}"#, r#"{"status":"succ"#]
            .map(|body| answer("202 Accepted", body))
            .into(),
        body_bytes_max: 512_000,
        identity: |request| {
            let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            event["dedup_key"].to_string()
        },
    }
}

fn opsgenie() -> Candidate {
    Candidate {
        integration: |place| {
            let mut http = HttpConfig::default();
            http.add_header("X-Secret", &place.secret()).unwrap();
            Integration::Opsgenie(opsgenie::Settings {
                update_alerts: true,
                timeout: place.timeout(),
                ..opsgenie::Settings::new(place.base(), &place.secret(), http).unwrap()
            })
        },
        yes: |_| {
            answer(
                "202 Accepted",
                r#"{"result":"Request will be processed","took":0.3,"requestId":"43a29c5c"}"#,
            )
        },
        never: ["400 Bad Request", "401 No", "402 Pay", "403 No", "404 Not Found", "422 Odd"]
            .map(|head| answer(head, r#"{"message":"hunter2"}"#))
            .into(),
        lies: ["", "ok", "<html>", "{}", r#"{"requestId":"#].map(|body| answer("202 Accepted", body)).into(),
        body_bytes_max: 200_000,
        identity: idempotency_key,
    }
}

fn servicenow() -> Candidate {
    Candidate {
        integration: |place| {
            Integration::ServiceNow(servicenow::Settings {
                timeout: place.timeout(),
                ..servicenow::Settings::new(place.base(), http(place))
            })
        },
        yes: |request| match request.head.starts_with("GET ") {
            true => answer("200 OK", r#"{"result":[]}"#),
            false => answer("201 Created", r#"{"result":{"sys_id":"9d385017c611228701d22104cc95c371"}}"#),
        },
        never: ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found"]
            .map(|head| answer(head, r#"{"error":{"message":"hunter2"},"status":"failure"}"#))
            .into(),
        lies: ["", "ok", "<html>", "{}", r#"{"result":[]}"#].map(|body| answer("200 OK", body)).into(),
        body_bytes_max: 100_000,
        identity: idempotency_key,
    }
}

fn servicenow_em() -> Candidate {
    Candidate {
        integration: |place| {
            Integration::ServiceNowEm(servicenow_em::Settings {
                timeout: place.timeout(),
                ..servicenow_em::Settings::new(place.base(), http(place))
            })
        },
        yes: |_| answer("200 OK", r#"{"result":{"Default Bulk Endpoint":"2 events were inserted"}}"#),
        never: ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found"]
            .map(|head| answer(head, "hunter2"))
            .into(),
        lies: ["", "ok", "<html>", "{}", r#"{"error":{"message":"hunter2"}}"#]
            .map(|body| answer("200 OK", body))
            .into(),
        body_bytes_max: 1 << 20,
        identity: idempotency_key,
    }
}

fn slack_app() -> Candidate {
    Candidate {
        integration: |place| {
            let url = place.base().join(&["api", "chat.postMessage"], &[]).unwrap();
            let mut app = slack::App::new(&url, place.secret(), Template::plain("#ops")).unwrap();
            app.signing_secret = Some(place.secret());
            Integration::Slack(slack::Settings {
                timeout: place.timeout(),
                send_resolved: true,
                ..slack::Settings::by(slack::Way::App(app))
            })
        },
        yes: |_| answer("200 OK", r#"{"ok":true,"channel":"C123ABC456","ts":"1503435956.000247"}"#),
        never: ["invalid_auth", "not_in_channel", "msg_blocks_too_long", "restricted_action"]
            .map(|word| answer("200 OK", &format!(r#"{{"ok":false,"error":"{word}"}}"#)))
            .into(),
        lies: ["", "invalid_token", "<html>ok</html>", r#"{"ok":false,"error":"fatal_error"}"#, r#"{"ok":"#]
            .map(|body| answer("200 OK", body))
            .into(),
        body_bytes_max: 60_000,
        identity: |request| {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            format!("{} {}", body["metadata"]["event_payload"]["idempotency_key"], idempotency_key(request))
        },
    }
}

fn telegram() -> Candidate {
    let refused = |code: u16, words: &str| {
        let body = format!(r#"{{"ok":false,"error_code":{code},"description":"{words}"}}"#);
        answer(&format!("{code} X"), &body)
    };
    Candidate {
        integration: |place| {
            let token = format!("1:{}", place.secret().expose());
            let bot = telegram::Bot::new(&place.base(), Secret::new(token)).unwrap();
            let settings = telegram::Settings::new(bot, telegram::ChatId::Number(-1_001_234_567_890));
            Integration::Telegram(telegram::Settings { timeout: place.timeout(), ..settings })
        },
        yes: |_| answer("200 OK", r#"{"ok":true,"result":{"message_id":17,"chat":{"id":-1001234567890}}}"#),
        never: vec![
            refused(400, "Bad Request: chat not found"),
            refused(401, "Unauthorized"),
            refused(403, "Forbidden: bot was kicked from the group chat"),
            refused(404, "Not Found"),
        ],
        lies: [
            "",
            "ok",
            "<html>ok</html>",
            r#"{"ok":false,"error_code":500,"description":"x"}"#,
            r#"{"ok":"#,
        ]
        .map(|body| answer("200 OK", body))
        .into(),
        body_bytes_max: 60_000,
        identity: idempotency_key,
    }
}

fn msteams() -> Candidate {
    let failed = |code: u16| {
        let said = format!("Microsoft Teams endpoint returned HTTP error {code} with ContextId tcid=0");
        answer("200 OK", &format!("Webhook message delivery failed with error: {said}"))
    };
    Candidate {
        integration: |place| {
            Integration::Msteams(msteams::Settings {
                http: http(place),
                timeout: place.timeout(),
                ..msteams::Settings::new(place.target("/workflows"))
            })
        },
        yes: |_| answer("202 Accepted", ""),
        never: vec![answer("400 Bad Request", "no"), answer("404 Not Found", ""), failed(413)],
        lies: vec![failed(429), failed(413), failed(502)],
        body_bytes_max: 20_000,
        identity: idempotency_key,
    }
}

/// Every kind, by the name it has in metrics.
pub(super) fn all() -> Vec<(&'static str, Candidate)> {
    vec![
        ("webhook", webhook()),
        ("slack", slack()),
        ("pagerduty", pagerduty()),
        ("opsgenie", opsgenie()),
        ("servicenow", servicenow()),
        ("servicenow_em", servicenow_em()),
        ("slack", slack_app()),
        ("telegram", telegram()),
        ("msteamsv2", msteams()),
    ]
}
