//! `RateLimitResponse`, written without anything in between.

use super::message::Message;
use openclaw_admission::{
    DescriptorAnswer, DescriptorAnswers, DescriptorCode, DescriptorLimit, Learns, Unit,
};

const OK: u64 = 1;
const OVER_LIMIT: u64 = 2;

/// A frame's flag and length.
pub(super) const HEAD_BYTES: usize = 5;

/// What Envoy shall tell its client, and its own filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'t> {
    pub(super) tenant: &'t str,
    /// What a limit without a name is called.
    pub(super) domain: &'t str,
    /// What has set limits that were learned.
    pub(super) model: &'t str,
    /// Also the fields that came before the draft's.
    pub(super) x_ratelimit: bool,
}

/// Writes frames of gRPC.
#[derive(Default)]
pub(super) struct Writer {
    said: Said,
}

/// What was said last and doesn't change from answer to answer: most of one.
#[derive(Default)]
struct Said {
    name: String,
    tenant: String,
    model: String,
    reason: &'static str,
    burst: u64,
    window_s: u64,
    /// `ratelimit-policy`, as it goes out.
    policy: Vec<u8>,
    /// The limit's name in `ratelimit`.
    quoted: Vec<u8>,
    metadata: Vec<u8>,
}

/// What [`Said`] is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Saying<'a> {
    name: &'a str,
    tenant: &'a str,
    model: &'a str,
    reason: &'static str,
    burst: u64,
    window_s: u64,
}

impl Writer {
    pub(super) fn write(&mut self, out: &mut Vec<u8>, answers: &DescriptorAnswers<'_>, told: Told<'_>) {
        let head = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        self.body(&mut Message::at_end_of(out), answers, told);
        let length = (out.len() - head - HEAD_BYTES) as u32;
        out[head + 1..head + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
    }

    fn body(&mut self, out: &mut Message<'_>, answers: &DescriptorAnswers<'_>, told: Told<'_>) {
        out.varint(1, if answers.is_over { OVER_LIMIT } else { OK });
        for answer in &answers.each {
            out.nested(2, |out| status(out, answer));
        }
        let Some((answer, limit)) = nearest(&answers.each) else {
            return out.nested(6, |out| {
                text(out, "tenant", told.tenant);
                text(out, "reason", "no_limit");
            });
        };
        let said = self.said.of(Saying::of(answer, limit, answers.is_over, told));
        headers(out, answer, said, told.x_ratelimit);
        out.bytes(&said.metadata);
    }
}

impl Said {
    fn of(&mut self, saying: Saying<'_>) -> &Self {
        if self.saying() != saying {
            self.say(saying);
        }
        self
    }

    fn saying(&self) -> Saying<'_> {
        let Self { name, tenant, model, reason, burst, window_s, .. } = self;
        Saying { name, tenant, model, reason, burst: *burst, window_s: *window_s }
    }

    #[cold]
    fn say(&mut self, saying: Saying<'_>) {
        let Saying { name, tenant, model, reason, burst, window_s } = saying;
        let (mut quoted, mut policy, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
        quote(&mut Message::at_end_of(&mut quoted), name);
        header(&mut Message::at_end_of(&mut policy), "ratelimit-policy", |out| {
            out.bytes(&quoted);
            parameter(out, ";q=", burst);
            parameter(out, ";w=", window_s);
        });
        Message::at_end_of(&mut metadata).nested(6, |out| {
            for (key, value) in [("tenant", tenant), ("policy", name), ("model", model), ("reason", reason)] {
                text(out, key, value);
            }
        });
        let [name, tenant, model] = [name, tenant, model].map(str::to_owned);
        *self = Self { name, tenant, model, reason, burst, window_s, policy, quoted, metadata };
    }
}

impl<'a> Saying<'a> {
    fn of(answer: &DescriptorAnswer<'_>, limit: &DescriptorLimit<'a>, is_over: bool, told: Told<'a>) -> Self {
        Self {
            name: limit.name.unwrap_or(told.domain),
            tenant: told.tenant,
            model: if answer.learns == Learns::Enforced { told.model } else { "static" },
            reason: match (is_over, answer.would_deny) {
                (true, _) => "over_limit",
                (false, true) => "would_deny",
                (false, false) => "allow",
            },
            burst: answer.burst,
            window_s: window_s(answer.burst, limit),
        }
    }
}

type Limited<'a, 't> = (&'a DescriptorAnswer<'t>, &'a DescriptorLimit<'t>);

/// One that refuses, or else the one nearest its end.
fn nearest<'a, 't>(answers: &'a [DescriptorAnswer<'t>]) -> Option<Limited<'a, 't>> {
    let limited = answers.iter().filter_map(|answer| Some((answer, answer.limit.as_ref()?)));
    limited.min_by_key(|(answer, _)| (answer.code == DescriptorCode::Ok, answer.remaining))
}

fn status(out: &mut Message<'_>, answer: &DescriptorAnswer<'_>) {
    out.varint(1, if answer.code == DescriptorCode::Ok { OK } else { OVER_LIMIT });
    if let Some(limit) = &answer.limit {
        out.nested(2, |out| {
            out.varint(1, u64::from(limit.rate.requests_per_unit));
            out.varint(2, number(limit.rate.unit));
            out.text(3, limit.name.unwrap_or_default());
        });
    }
    out.varint(3, u64::from(answer.remaining));
    if answer.limit.is_some() {
        out.nested(4, |out| {
            out.varint(1, answer.reset_after_nanos / 1_000_000_000);
            out.varint(2, answer.reset_after_nanos % 1_000_000_000);
        });
    }
}

/// In Envoy's list of units.
fn number(unit: Unit) -> u64 {
    match unit {
        Unit::Second => 1,
        Unit::Minute => 2,
        Unit::Hour => 3,
        Unit::Day => 4,
        Unit::Month => 5,
        Unit::Year => 6,
        Unit::Week => 7,
    }
}

fn headers(out: &mut Message<'_>, answer: &DescriptorAnswer<'_>, said: &Said, x_ratelimit: bool) {
    let (reset_s, more_s) = (seconds_up(answer.reset_after_nanos), answer.retry_after_nanos.map(seconds_up));
    out.bytes(&said.policy);
    header(out, "ratelimit", |out| {
        out.bytes(&said.quoted);
        parameter(out, ";r=", u64::from(answer.remaining));
        parameter(out, ";t=", more_s.unwrap_or(reset_s));
    });
    if let Some(more_s) = more_s.filter(|_| answer.code == DescriptorCode::OverLimit) {
        header(out, "retry-after", |out| out.number(more_s.max(1)));
    }
    if x_ratelimit {
        header(out, "x-ratelimit-limit", |out| out.number(answer.burst));
        header(out, "x-ratelimit-remaining", |out| out.number(u64::from(answer.remaining)));
        header(out, "x-ratelimit-reset", |out| out.number(reset_s));
    }
}

/// Seconds in which an empty bucket fills, at least one.
fn window_s(burst: u64, limit: &DescriptorLimit<'_>) -> u64 {
    let requests = u64::from(limit.rate.requests_per_unit).max(1);
    burst.saturating_mul(limit.rate.unit.seconds()).div_ceil(requests).max(1)
}

fn seconds_up(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000_000)
}

fn header(out: &mut Message<'_>, name: &str, write: impl FnOnce(&mut Message<'_>)) {
    out.nested(3, |out| {
        out.text(1, name);
        out.nested(2, write);
    });
}

/// A string of structured fields: printable ASCII.
fn quote(out: &mut Message<'_>, text: &str) {
    out.raw("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.raw("\\");
                out.raw(char.encode_utf8(&mut [0; 4]));
            }
            ' '..='~' => out.raw(char.encode_utf8(&mut [0; 4])),
            _ => out.raw("?"),
        }
    }
    out.raw("\"");
}

fn parameter(out: &mut Message<'_>, name: &str, value: u64) {
    out.raw(name);
    out.number(value);
}

/// For `envoy.filters.http.ratelimit`: a text in a `google.protobuf.Struct`.
fn text(out: &mut Message<'_>, name: &str, value: &str) {
    out.nested(1, |out| {
        out.text(1, name);
        out.nested(2, |out| out.text(3, value));
    });
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
