//! Every way in for alerts, served on the I/O thread.
//!
//! credential → body (bounded) → signature → decode → step → durable → answer

mod door;
mod entry;
mod form;
mod signature;

pub(super) use door::Door;
pub(super) use form::response;

use super::alertmanager::check_content_type;
use super::service::{Answered, App, Target};
use super::{BODY_BYTES_MAX, Response, body};
use crate::auth::Denied;
use crate::tenants::{Source, Sources, TenantHandle};
use axum::body::Bytes;
use door::Way;
use entry::{Admitted, Body, admit};
use form::{Form, Held, Trouble};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use openclaw_alert::Timestamp;
use openclaw_journal::crashpoint;
use openclaw_pipeline::Taken;
use openclaw_sources::{Format, Post, alertmanager, cloudevents, pagerduty};
use std::slice::from_ref;
use std::sync::Arc;

/// A larger body is checked and decoded on the work runtime: it would hold up the
/// decisions of its I/O thread.
const INLINE_BYTES_MAX: usize = 256 << 10;

/// Answers a request that may bring alerts.
pub(super) async fn take(app: &Arc<App>, door: Door, request: Request<Incoming>) -> Response {
    let route = door.route();
    let (parts, body) = request.into_parts();
    let (tenant, mut response) = if door.takes(&parts.method) {
        match admit(app, &door, &parts, body).await {
            Ok(admitted) => {
                let tenant = admitted.handle.name().clone();
                (Some(tenant), carry(app, door, parts, admitted).await)
            }
            Err(refusal) => (None, refusal),
        }
    } else {
        (None, greet(&door, &parts))
    };
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Answered { route, tenant });
    response
}

/// Whoever delivers CloudEvents asks first whether it may; nothing is said of
/// tenants, and each delivery shows its own credential.
fn greet(door: &Door, parts: &Parts) -> Response {
    if parts.method != Method::OPTIONS || !door.greets() {
        return door.form().refuse(Trouble::NotAllowed(door.methods()));
    }
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    response(cloudevents::handshake(header("webhook-request-origin"), header("webhook-request-rate")))
}

/// From the body to the answer, for a sender that is known.
async fn carry(app: &Arc<App>, door: Door, parts: Parts, admitted: Admitted) -> Response {
    let Admitted { handle, body, is_by_signature } = admitted;
    let Some(way) = door.leads_to(&handle.config().sources) else {
        return door.form().refuse(Trouble::NotFound);
    };
    if !way.takes(&parts.method) {
        return way.form(&door).refuse(Trouble::NotAllowed(door.methods()));
    }
    let read = match handle.config().takes_alerts {
        true => read(&door, &way, &parts, body).await,
        false => Err(Trouble::Denied(Denied::NoRoute)),
    };
    let body = match read {
        Ok(body) => body,
        Err(trouble) => {
            turned_away(app, &handle, way.sources(&handle.config().sources)).await;
            return way.form(&door).refuse(trouble);
        }
    };
    let form = way.form(&door);
    let arrived = Arrived { door, way, parts, body, is_signed: is_by_signature };
    if arrived.body.len() <= INLINE_BYTES_MAX {
        return arrived.settle(app, &handle).await;
    }
    let app = Arc::clone(app);
    let work = app.work.clone();
    let settled = work.spawn(async move { arrived.settle(&app, &handle).await });
    settled.await.unwrap_or_else(|_| form.refuse(Trouble::Internal))
}

async fn read(door: &Door, way: &Way, parts: &Parts, body: Body) -> Result<Bytes, Trouble> {
    if *door == Door::ApiV2 {
        check_content_type(&parts.headers).map_err(Trouble::ApiV2)?;
    }
    let bytes_max = match way {
        Way::To(source) if source.format == Format::PagerDuty => pagerduty::BODY_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    };
    match body {
        Body::Here(body) => Ok(body),
        Body::Coming(body) => body::read(body, bytes_max).await.map_err(Trouble::Unread),
    }
}

/// What was turned away may have held repeats: its source must not seem silent.
async fn turned_away(app: &App, handle: &TenantHandle, sources: &[Arc<Source>]) {
    for source in sources {
        if app.tenants.has_to_note_refusal(handle.config(), source, app.host.now()) {
            handle.turned_away(&source.name).await;
        }
    }
}

/// A request whose sender is known, with its body.
struct Arrived {
    door: Door,
    way: Way,
    parts: Parts,
    body: Bytes,
    is_signed: bool,
}

/// A body that isn't taken, and whose it may have been.
struct Refused {
    form: Form,
    trouble: Trouble,
    sources: Vec<Arc<Source>>,
}

impl Arrived {
    async fn settle(self, app: &App, handle: &TenantHandle) -> Response {
        let (source, form, held) = match self.open(&handle.config().sources, app.host.now()) {
            Ok(opened) => opened,
            Err(Refused { form, trouble, sources }) => {
                if let [source] = &sources[..] {
                    app.metrics.received(handle.name(), &source.name, &Taken::default(), 1);
                }
                turned_away(app, handle, &sources).await;
                return form.refuse(trouble);
            }
        };
        crashpoint::hit("post");
        if held.is_nothing() {
            return held.answer_nothing();
        }
        let stepped = match handle.ingest(&source.name, held.batch()).await {
            Ok(stepped) => stepped,
            Err(unavailable) => {
                turned_away(app, handle, from_ref(&source)).await;
                return form.refuse(Trouble::Unavailable(unavailable));
            }
        };
        app.metrics.received(handle.name(), &source.name, &stepped.taken, held.rejected());
        match handle.durable(stepped.wait_for).await {
            Ok(()) => held.answer(&stepped, handle),
            Err(unavailable) => form.refuse(Trouble::Unavailable(unavailable)),
        }
    }

    /// Finds the intake, checks the signature where it asks for one, decodes.
    fn open(&self, sources: &Sources, now: Timestamp) -> Result<(Arc<Source>, Form, Held), Refused> {
        let headers = self.headers();
        let post = self.post(&headers, now);
        let source = match &self.way {
            Way::To(source) => source,
            Way::Found => match openclaw_sources::detect(&post) {
                Ok(format) => sources.of(format),
                Err(refusal) => {
                    let trouble = Trouble::Refused(refusal);
                    return Err(Refused {
                        form: self.door.form(),
                        trouble,
                        sources: sources.each_format().to_vec(),
                    });
                }
            },
        };
        let form = self.door.form_of(source);
        let refused = |trouble| Refused { form, trouble, sources: vec![Arc::clone(source)] };
        let held = self.decode(source, &post).map_err(refused)?;
        Ok((Arc::clone(source), form, held))
    }

    fn decode(&self, source: &Source, post: &Post<'_>) -> Result<Held, Trouble> {
        if !self.is_signed {
            signature::check(source, post).map_err(Trouble::Unsigned)?;
        }
        let mut held = match self.door {
            Door::ApiV2 => Held::ApiV2(alertmanager::decode(post.body).map_err(Trouble::Undecoded)?),
            _ => {
                let decoded = openclaw_sources::decode(source.format, post, source.mapping.as_ref());
                Held::Of(decoded.map_err(Trouble::Refused)?)
            }
        };
        held.complete(source);
        Ok(held)
    }

    /// Those that are plain text; API v2 has no use for any but a signature's.
    fn headers(&self) -> Vec<(&str, &str)> {
        if self.door == Door::ApiV2 && !signature::is_there(&self.parts.headers) {
            return Vec::new();
        }
        let all = self.parts.headers.iter();
        all.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
    }

    fn post<'r>(&'r self, headers: &'r [(&'r str, &'r str)], now: Timestamp) -> Post<'r> {
        let path = Target::in_front(&self.parts).path;
        Post {
            method: self.parts.method.as_str(),
            path: Door::at(path).map_or("", |(_, below)| below),
            query: self.parts.uri.query().unwrap_or_default(),
            headers,
            body: &self.body,
            received_at: now,
        }
    }
}
