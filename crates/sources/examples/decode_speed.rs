//! Times the Alertmanager decoder and encoder on requests as Prometheus sends
//! them: `cargo run --release -p openclaw-sources --example decode_speed`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a stopwatch for a terminal")]

use openclaw_alert::{Timestamp, Zoned};
use openclaw_sources::alertmanager::{GettableAlert, GettableStatus, decode, write_gettable};
use std::time::Instant;

const ALERTS: usize = 100;
const ROUNDS: usize = 2_000;

/// About 690 bytes; `\u0026` and `\"` as Prometheus writes them.
fn alert(number: usize, escapes: bool) -> String {
    let (amp, quote) = if escapes { ("\\u0026", "\\\"") } else { ("&", "'") };
    format!(
        "{{\"annotations\":{{\"description\":\"Latency of instance web-{number}.example.net:9090 has been over its objective {quote}p99{quote} for ten minutes; the current value is 1.{number} seconds.\",\
         \"runbook_url\":\"https://runbooks.example.net/latency/high-latency\",\"summary\":\"High request latency on web-{number}\"}},\
         \"endsAt\":\"2026-03-01T12:34:56.789Z\",\"startsAt\":\"2026-03-01T12:30:56.789Z\",\
         \"generatorURL\":\"http://prometheus.example.net:9090/graph?g0.expr=job%3Arequest_latency_seconds%3Ap99+%3E+1{amp}g0.tab=1\",\
         \"labels\":{{\"alertname\":\"HighLatency\",\"cluster\":\"eu-west-1\",\"instance\":\"web-{number}.example.net:9090\",\"job\":\"web\",\
         \"namespace\":\"shop\",\"replica\":\"a\",\"severity\":\"warning\",\"team\":\"checkout\"}}}}"
    )
}

fn body(escapes: bool) -> Vec<u8> {
    let alerts: Vec<String> = (0..ALERTS).map(|number| alert(number, escapes)).collect();
    format!("[{}]", alerts.join(",")).into_bytes()
}

fn best_of(runs: usize, mut work: impl FnMut()) -> f64 {
    let run = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e6 / (ROUNDS * ALERTS) as f64
    };
    (0..runs).map(|_| run(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() {
    for escapes in [false, true] {
        let body = body(escapes);
        let micros = best_of(5, || {
            std::hint::black_box(decode(std::hint::black_box(&body)).map(|decoded| decoded.batch.len()).ok());
        });
        let length = body.len() / ALERTS;
        println!("decode, {length} bytes an alert, escapes {escapes}: {micros:.3} us an alert");
    }
    let Ok(decoded) = decode(&body(true)) else { return };
    let mut out = Vec::new();
    let micros = best_of(5, || {
        out.clear();
        for incoming in decoded.batch.iter() {
            let at = Zoned::utc(Timestamp::from_secs(1_772_000_000));
            let alert = GettableAlert {
                content: incoming.view(),
                starts_at: at,
                ends_at: at,
                updated_at: at.at,
                receivers: &["ops"],
                status: GettableStatus {
                    state: "active",
                    silenced_by: &[],
                    inhibited_by: &[],
                    muted_by: &[],
                },
            };
            write_gettable(&mut out, &alert);
        }
        std::hint::black_box(&out);
    });
    println!("encode, {} bytes an alert: {micros:.3} us an alert", out.len() / ALERTS);
}
