//! A mail as it goes over the wire: addresses, headers, and two ways to read it.
//!
//! Everything of a header comes through an encoder after line breaks were
//! taken out, so that no text of an alert becomes a header or an address.

use super::words::{html, text};
use super::{Settings, Threading};
use crate::headline::{push_subject, state};
use crate::template::{RenderError, Rendering, Template};
use crate::text::{as_it_is, push_clipped};
use crate::words::Words;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use openclaw_alert::{Notification, Timestamp, fnv1a};
use std::time::{Duration, UNIX_EPOCH};

const RECIPIENTS_MAX: usize = 100;
const SUBJECT_UNITS_MAX: usize = 250;
const HEADER_UNITS_MAX: usize = 900;
const PLACE: &str = "email_configs";

/// Ready to be handed over.
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) bytes: Vec<u8>,
}

/// The mail, the same for each attempt. Where templates of its words fail, ours
/// stand in their place with a note; without addresses there is no mail.
pub(super) fn mail(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
) -> Result<Mail, String> {
    let rendering = words.rendering(notification);
    let address = |key: &str, template: &Template| {
        rendering.render(template).map_err(|error| words.note(notification, &format!("`{key}`"), &error))
    };
    let (from, to) = (address("from", &settings.from)?, address("to", &settings.to)?);
    let from: Mailbox = from.trim().parse().map_err(|_| "`from` gives no address".to_owned())?;
    let to: Mailboxes = to.trim().parse().map_err(|_| "`to` gives no list of addresses".to_owned())?;
    let count = to.iter().count();
    if count == 0 || count > RECIPIENTS_MAX {
        return Err(format!("`to` gives {count} addresses: 1 to {RECIPIENTS_MAX} are needed"));
    }
    let written = |mailbox: &Mailbox| ascii(&mailbox.email);
    let sender = written(&from)?;
    let recipients = to.iter().map(written).collect::<Result<_, _>>()?;
    let own = Own::rendered(settings, &rendering);
    let parts = own.unwrap_or_else(|error| Own::failed(words.note(notification, PLACE, &error)));
    let builder = Message::builder().from(from).mailbox(lettre::message::header::To::from(to));
    let builder = headed(builder, settings, notification, &sender, &parts);
    let body = body(&parts, notification, words);
    let bytes = builder.multipart(body).map_err(|error| error.to_string())?.formatted();
    Ok(Mail { from: sender, to: recipients, bytes })
}

/// Servers that take others are too few to count on.
fn ascii(address: &Address) -> Result<String, String> {
    let text: &str = address.as_ref();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte));
    if is_plain { Ok(text.to_owned()) } else { Err("an address has characters beyond ASCII".to_owned()) }
}

/// What the owner's templates gave.
#[derive(Default)]
struct Own {
    headers: Vec<(String, String)>,
    html: Option<String>,
    text: Option<String>,
    note: Option<String>,
}

impl Own {
    fn rendered(settings: &Settings, rendering: &Rendering) -> Result<Self, RenderError> {
        let header = |(name, value): &(String, Template)| Ok((name.clone(), rendering.render(value)?));
        let html = settings.html.as_ref().map(|template| rendering.render_html(template));
        let text = settings.text.as_ref().map(|template| rendering.render(template));
        Ok(Self {
            headers: settings.headers.iter().map(header).collect::<Result<_, _>>()?,
            html: html.transpose()?,
            text: text.transpose()?,
            note: None,
        })
    }

    fn failed(note: String) -> Self {
        Self { note: Some(note), ..Self::default() }
    }
}

fn headed(
    mut builder: MessageBuilder,
    settings: &Settings,
    notification: &Notification,
    sender: &str,
    own: &Own,
) -> MessageBuilder {
    let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let decided = Duration::from_nanos(notification.decided_at.nanos().max(0).unsigned_abs());
    builder = builder
        .date(UNIX_EPOCH + decided)
        .message_id(Some(format!("<{}@{domain}>", id(&notification.idempotency_key))));
    if let Some(thread) = thread(settings.threading, notification) {
        let thread = format!("<{thread}@{domain}>");
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    let subject = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("subject");
    let own_subject = own.headers.iter().find(subject).map(|(_, value)| value.as_str());
    let subject_line = own_subject
        .filter(|text| !text.trim().is_empty())
        .map_or_else(|| subject_of(notification), |text| clipped(text, SUBJECT_UNITS_MAX));
    builder = builder.subject(subject_line);
    for (name, value) in own.headers.iter().filter(|header| !subject(header)) {
        if let Ok(name) = HeaderName::new_from_ascii(name.clone()) {
            builder = builder.raw_header(HeaderValue::new(name, clipped(value, HEADER_UNITS_MAX)));
        }
    }
    let machine = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];
    for (name, value) in machine.into_iter().filter(|(name, _)| settings.headers.get(name).is_none()) {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    builder
}

fn subject_of(notification: &Notification) -> String {
    let mut out = state(notification);
    out.push(' ');
    push_subject(&mut out, notification, as_it_is);
    clipped(&out, SUBJECT_UNITS_MAX)
}

/// On one line, without what reorders it.
fn clipped(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped(&mut out, text.trim(), units_max, as_it_is);
    out
}

/// As a part of a mail's id: as it is where it can be, otherwise a hash of it.
fn id(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=64).contains(&key.len()) && key.bytes().all(is_plain) {
        return key.to_owned();
    }
    format!("{:016x}", fnv1a(&[key.as_bytes()]))
}

/// Names a mail that there is not, to which all of the thread are replies.
fn thread(threading: Threading, notification: &Notification) -> Option<String> {
    let group = id(&notification.dedup_key);
    match threading {
        Threading::Off => None,
        Threading::Group => Some(format!("thread-{group}")),
        Threading::GroupAndDay => Some(format!("thread-{group}-{}", day(notification.decided_at))),
    }
}

/// `2026-11-22`, in UTC.
fn day(at: Timestamp) -> String {
    super::words::time(at).chars().take(10).collect()
}

fn body(own: &Own, notification: &Notification, words: &Words<'_>) -> MultiPart {
    let note = own.note.as_deref();
    let plain = own.text.clone().or_else(|| own.html.is_none().then(|| text(notification, words, note)));
    let rich = own.html.clone().unwrap_or_else(|| html(notification, words, note));
    // Fixed, so that a repeat is the same mail to the byte.
    let boundary = format!("=_{:016x}", fnv1a(&[notification.idempotency_key.as_bytes(), b"boundary"]));
    let mut parts = MultiPart::alternative().boundary(boundary).build();
    let plain = plain.filter(|text| !text.is_empty());
    let rich = Some(rich).filter(|text| !text.is_empty());
    if plain.is_none() && rich.is_none() {
        return parts.singlepart(part(ContentType::TEXT_PLAIN, text(notification, words, note)));
    }
    if let Some(plain) = plain {
        parts = parts.singlepart(part(ContentType::TEXT_PLAIN, plain));
    }
    if let Some(rich) = rich {
        parts = parts.singlepart(part(ContentType::TEXT_HTML, rich));
    }
    parts
}

fn part(kind: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(kind).body(text)
}
