//! What must hold for any input, one function a parser. A fuzz target calls
//! one of them.

use head::Judged;
use openclaw_admission::Network;
use openclaw_alert::{Content, Timestamp};
use openclaw_learning::artifact::{Card, Model, read_pt};
use openclaw_sources::{
    Format, Kept, Mapping, MappingSettings, Post, decode, detect, grafana, pagerduty, standard_webhooks,
    way_back::{self, Deed, servicenow, slack},
};

#[path = "../../crates/server/src/http/fast/head.rs"]
#[allow(dead_code, unreachable_pub)]
mod head;

/// 2026-03-01T12:34:56Z.
const NOW: Timestamp = Timestamp::from_secs(1_772_368_496);

fn post<'r>(headers: &'r [(&'r str, &'r str)], body: &'r [u8]) -> Post<'r> {
    Post { method: "POST", path: "", query: "", headers, body, received_at: NOW }
}

/// The first line as text, and what follows it.
fn first_line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}

/// What is kept are alerts, and every answer is short enough and has a status.
fn check(format: Format, post: &Post<'_>, mapping: Option<&Mapping>) {
    let answer = match decode(format, post, mapping) {
        Err(refusal) => refusal.answer(),
        Ok(decoded) => {
            for alert in decoded.batch.iter() {
                let labels = Content::decode(alert.content).expect("a kept alert decodes").labels;
                assert!(!labels.is_empty());
                assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
            }
            decoded.answer(&Kept { accepted: decoded.batch.len(), ..Kept::default() })
        }
    };
    assert!((200..500).contains(&answer.status));
}

/// A body in a format without a mapping.
pub fn body(format: Format, input: &[u8]) {
    check(format, &post(&[], input), None);
}

/// A path below Opsgenie's, a query and a body.
pub fn opsgenie(input: &[u8]) {
    let Some((line, body)) = first_line(input) else { return };
    let (path, query) = line.split_once('?').unwrap_or((line, ""));
    for method in ["POST", "PUT", "DELETE", "GET"] {
        check(Format::Opsgenie, &Post { method, path, query, ..post(&[], body) }, None);
    }
}

/// An event in each mode; the first line is an attribute in a header.
pub fn cloudevents(input: &[u8]) {
    let Some((line, body)) = first_line(input) else { return };
    for kind in ["application/cloudevents+json", "application/cloudevents-batch+json"] {
        check(Format::CloudEvents, &post(&[("content-type", kind)], body), None);
    }
    let headers = [
        ("ce-id", "1"),
        ("ce-source", line),
        ("ce-specversion", "1.0"),
        ("ce-type", line),
        ("ce-subject", line),
        ("content-type", line),
    ];
    check(Format::CloudEvents, &post(&headers, body), None);
}

/// A mapping's expressions, and a body that it is used on.
pub fn mapped(input: &[u8]) {
    let Some((line, body)) = first_line(input) else { return };
    let text = Some(line.to_owned());
    let settings = MappingSettings {
        alertname: text.clone(),
        severity: text.clone(),
        state: text.clone(),
        key: text.clone(),
        starts_at: text.clone(),
        url: text,
        labels: [("label".to_owned(), line.to_owned())].into(),
        annotations: [("annotation".to_owned(), line.to_owned())].into(),
        ..MappingSettings::default()
    };
    if let Ok(mapping) = Mapping::new(&settings) {
        check(Format::Json, &post(&[], body), Some(&mapping));
    }
    if let Ok(mapping) =
        Mapping::new(&MappingSettings { each: Some(line.to_owned()), ..MappingSettings::default() })
    {
        check(Format::Json, &post(&[], body), Some(&mapping));
    }
}

/// Which format a body is in, and a credential inside it.
pub fn detected(input: &[u8]) {
    if let Ok(format) = detect(&post(&[], input)) {
        body(format, input);
    }
    if let Some(key) = pagerduty::routing_key(input) {
        assert!(!key.is_empty());
    }
}

/// What comes back from Slack, PagerDuty and ServiceNow.
pub fn way_back(input: &[u8]) {
    for content_type in [None, Some("application/json")] {
        if let Ok(slack::Interaction::Click(click)) = slack::decode(content_type, input) {
            in_bounds(&click.deed);
        }
    }
    if let Ok(Some(event)) = way_back::pagerduty::decode(input) {
        in_bounds(&event.deed);
    }
    if let Ok(Some(deed)) = servicenow::decode(input) {
        in_bounds(&deed);
    }
}

fn in_bounds(deed: &Deed) {
    assert!(!deed.key.is_empty() && deed.key.len() <= 255);
    assert!(deed.by.len() <= 200 && deed.note.len() <= 4096);
    assert!(!deed.by.chars().any(char::is_control));
}

/// No header is a signature by chance.
pub fn signatures(input: &[u8]) {
    let Some((line, body)) = first_line(input) else { return };
    let time = NOW.secs().to_string();
    let headers = [
        ("x-grafana-alerting-signature", line),
        ("webhook-id", "1"),
        ("webhook-timestamp", &time),
        ("webhook-signature", line),
    ];
    let request = post(&headers, body);
    assert!(grafana::verify("a secret", &grafana::HmacHeaders::default(), &request, NOW).is_err());
    assert!(standard_webhooks::verify("a secret", &request, NOW).is_err());
}

/// What a connection has sent: what is answered of it has one reading.
pub fn request_heads(received: &[u8]) {
    let Judged::Hot(hot) = head::judge(received) else { return };
    let (head, body) = received[..hot.length].split_at(hot.length - hot.body.len());
    assert_eq!(body, hot.body);
    assert!(head.len() <= head::HEAD_BYTES_MAX && body.len() <= head::BODY_BYTES_MAX);
    // What follows changes nothing, and a part of it is never whole.
    assert_eq!(head::judge(&received[..hot.length]), Judged::Hot(hot));
    for end in [0, head.len() / 2, head.len().saturating_sub(1)] {
        assert_eq!(head::judge(&received[..end]), Judged::Partial);
    }
    // By a reading that is much simpler.
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let named = |name: &str| text.lines().filter(|line| line.starts_with(&format!("{name}:"))).count();
    assert_eq!(named("transfer-encoding") + named("expect") + named("upgrade"), 0);
    for name in ["host", "authorization", "content-length", "connection", "x-scope-orgid"] {
        assert!(named(name) <= 1, "{name}");
    }
    assert!(body.is_empty() || named("content-length") == 1);
}

/// A model of strangers, as each of its files.
pub fn model_files(input: &[u8]) {
    for file in [input, &torch_file(input)] {
        if let Ok(weights) = read_pt(file) {
            // Numbers need not be finite: the network says so.
            let _ = Network::new("m", weights);
        }
    }
    if let Ok(card) = Card::from_json(input) {
        let json = card.to_json().expect("a card that was read can be written");
        assert_eq!(Card::from_json(&json).expect("what was written is read"), card);
    }
    if let Some(end) = input.iter().position(|&byte| byte == b'\n') {
        let _ = Model::from_files(&input[..end], &input[end + 1..]);
    }
}

/// An archive around a pickle, with numbers for two tensors.
fn torch_file(pickle: &[u8]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in [("m/data.pkl", pickle), ("m/data/0", &[0; 1280]), ("m/data/1", &[0; 128])] {
        let at = file.len() as u32;
        let sizes = [crc32(bytes), bytes.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat();
        let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &sizes[..], &[name.len() as u8, 0, 0, 0]].concat();
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        let place = [&[0; 10], &at.to_le_bytes()[..]].concat();
        directory.extend([b"PK\x01\x02\x14\x00", &common[..], &place, name.as_bytes()].concat());
    }
    let end = [directory.len() as u32, file.len() as u32].map(u32::to_le_bytes).concat();
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0\x03\0\x03\0", &end, &[0, 0]].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (0..8).fold(crc, |crc, _| crc >> 1 ^ 0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| shift(crc ^ u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: [&str; 6] = [
        "/a/close?identifierType=alias\n{\"message\":\"M\",\"alias\":\"a\",\"tags\":[\"a:b\"],\"details\":{\"x\":1}}",
        "/title || {/host}\n{\"title\":\"T\",\"host\":\"h\",\"labels\":{\"a\":\"b\"},\"status\":\"resolved\",\"time\":1772368000}",
        "v0=00,v1=00\n{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":\"2026-03-01T12:00:00Z\"}],\"orgId\":1}",
        "s%20\n{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\",\"data_base64\":\"e30=\"}",
        "x\n{\"records\":[{\"node\":\"n\",\"severity\":\"1\",\"additional_info\":\"{\\\"a\\\":1}\"}],\"event_action\":\"trigger\",\"payload\":{\"summary\":\"s\",\"source\":\"h\",\"severity\":\"info\"}}",
        "payload=%7B%22type%22%3A%22block_actions%22%7D\n{\"app\":\"a\",\"health\":\"Degraded\",\"correlation_id\":\"k\",\"state\":\"6\"}",
    ];

    /// Marsaglia's xorshift, 64 bit.
    fn next_random(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state as usize
    }

    /// Without a fuzzer at hand, the targets at least run on damaged seeds.
    #[test]
    fn targets_hold_on_damaged_seeds() {
        let mut random = 0x5eed_u64;
        for round in 0..3000 {
            let mut input = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
            for _ in 0..next_random(&mut random) % 4 {
                let at = next_random(&mut random) % input.len();
                match next_random(&mut random) % 3 {
                    0 => input[at] = next_random(&mut random) as u8,
                    1 => drop(input.remove(at)),
                    _ => input.insert(at, b"{}[]\",:\\0n"[next_random(&mut random) % 10]),
                }
            }
            let behind = first_line(&input).map_or(&input[..], |(_, rest)| rest);
            for (format, _) in Format::ALL {
                body(format, behind);
            }
            for target in [opsgenie, cloudevents, mapped, detected, way_back, signatures] {
                target(&input);
            }
            detected(behind);
            way_back(behind);
        }
    }

    #[test]
    fn heads_hold_on_damaged_seeds() {
        let seeds = [
            "GET /api/v1/rate?client=a&cost=2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\nGET /",
            "POST /api/v1/decisions HTTP/1.1\r\nContent-Length: 4\r\nConnection: close\r\n\r\n[{}]",
            "HEAD /auth HTTP/1.1\r\nX-Original-URI: /a\r\nContent-Length: 0\r\nX-OpenClaw-Client: \u{e9}\r\n\r\n",
        ];
        let (mut random, mut hot) = (0x5eed_u64, 0);
        for round in 0..30_000 {
            let mut input = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..next_random(&mut random) % 4 {
                let at = next_random(&mut random) % input.len();
                match next_random(&mut random) % 3 {
                    0 => input[at] = next_random(&mut random) as u8,
                    1 => drop(input.remove(at)),
                    _ => input.insert(at, b"\r\n: ?/4aT\t"[next_random(&mut random) % 10]),
                }
            }
            request_heads(&input);
            hot += usize::from(matches!(head::judge(&input), Judged::Hot(_)));
        }
        assert!(hot > 5_000, "{hot}");
    }

    const PICKLE: &[u8] = b"\x80\x02}(X\x06\0\0\0weightctorch._utils\n_rebuild_tensor_v2\n((\
        X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0\x30X\x03\0\0\0cpuK\x14tQK\0K\x02K\n\x86K\nK\x01\x86\x89}tR\
        X\x04\0\0\0biasctorch._utils\n_rebuild_tensor_v2\n((\
        X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0\x31X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89}tRu.";
    const CARD: &str = r#"{"name":"model-20261122","created_at":"2026-11-22T00:00:00Z","tick_s":1,"window_ticks":12,
        "features":{"list":"serving10","names":["last","max6","season","slope","sigma","burst","burst6","sigma_b",
        "own_faults","latency"]},"quantile":[0.99,0.99],"layers":[10,2],"metrics":{"a":1.5},"weights_sha256":
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#;

    #[test]
    fn model_files_hold_on_damaged_seeds() {
        assert!(read_pt(&torch_file(PICKLE)).is_ok());
        assert!(Card::from_json(CARD.as_bytes()).is_ok());
        let seeds = [PICKLE.to_vec(), torch_file(PICKLE), CARD.as_bytes().to_vec()];
        let mut random = 0x5eed_u64;
        for round in 0..30_000 {
            let mut input = seeds[round % seeds.len()].clone();
            for _ in 0..next_random(&mut random) % 4 {
                let at = next_random(&mut random) % input.len();
                match next_random(&mut random) % 3 {
                    0 => input[at] = next_random(&mut random) as u8,
                    1 => drop(input.remove(at)),
                    _ => input.insert(at, b"()}tuRQb\x85\"9"[next_random(&mut random) % 11]),
                }
            }
            model_files(&input);
        }
    }
}
