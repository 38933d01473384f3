//! In which form a sender is answered: its own.

use crate::auth::Denied;
use crate::host::{Stepped, Unavailable};
use crate::http::Response;
use crate::http::alertmanager::Refusal;
use crate::http::body::BodyError;
use crate::http::strangers::CrowdedOut;
use crate::tenants::{Source, TenantHandle};
use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use openclaw_alert::Batch;
use openclaw_sources::alertmanager::{self, DecodeError};
use openclaw_sources::{Answer, Decoded, Format, Kept, SignatureError};
use std::time::Duration;

/// Before a sender comes again that was told that nothing can be taken now.
const UNAVAILABLE_RETRY_AFTER_S: u64 = 5;

/// Whose form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Alertmanager's API v2.
    ApiV2,
    /// A format's.
    Of(Format),
}

/// Why a request isn't taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// By its credential.
    Denied(Denied),
    /// The key in its body is none.
    NoKeyInBody,
    /// It is not signed as its source's settings ask for.
    Unsigned(SignatureError),
    /// The path leads to no intake.
    NotFound,
    /// The path takes other methods.
    NotAllowed(&'static str),
    /// By API v2, before its body is read.
    ApiV2(Refusal),
    /// The body didn't come.
    Unread(BodyError),
    /// The body is none of the format's.
    Refused(openclaw_sources::Refusal),
    /// The body is none of API v2.
    Undecoded(DecodeError),
    /// Nothing can be promised now.
    Unavailable(Unavailable),
    /// It had to make room for a newer one, of those that show who they are in
    /// their body.
    Crowded,
    /// A fault of ours.
    Internal,
}

/// What a request held.
pub(super) enum Held {
    /// Of API v2.
    ApiV2(alertmanager::Decoded),
    /// Of a format.
    Of(Decoded),
}

impl Form {
    /// The refusal.
    pub(super) fn refuse(self, trouble: Trouble) -> Response {
        match self {
            Self::ApiV2 => api_v2(trouble).into_response(),
            Self::Of(format) => of_format(format, &trouble),
        }
    }
}

fn api_v2(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Denied(denied) => denied.into(),
        Trouble::ApiV2(refusal) => refusal,
        Trouble::Unread(error) => error.into(),
        Trouble::Undecoded(error) => error.into(),
        Trouble::Unavailable(unavailable) => unavailable.into(),
        Trouble::Unsigned(why) => Refusal::Text(StatusCode::UNAUTHORIZED, why.to_string()),
        Trouble::Refused(refusal) => {
            let answer = refusal.answer();
            Refusal::Body(answer.status, answer.body)
        }
        Trouble::NotFound | Trouble::NotAllowed(_) => Refusal::Nothing,
        Trouble::NoKeyInBody => Denied::Unauthorized.into(),
        Trouble::Crowded => Unavailable::Busy.into(),
        Trouble::Internal => Refusal::Text(StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned()),
    }
}

fn of_format(format: Format, trouble: &Trouble) -> Response {
    use openclaw_sources::{Trouble as Said, refuse};
    let retry_after_s = UNAVAILABLE_RETRY_AFTER_S;
    let say = |said: &Said<'_>| response(refuse(format, said));
    match trouble {
        Trouble::Denied(denied) => {
            let why = denied.to_string();
            match denied.status() {
                StatusCode::UNAUTHORIZED => say(&Said::Unauthorized(&why)),
                StatusCode::FORBIDDEN => say(&Said::Forbidden(&why)),
                status => say(&Said::Unread { status: status.as_u16(), why: &why }),
            }
        }
        Trouble::NoKeyInBody => say(&Said::Unauthorized(
            "a live key is needed: as `routing_key`, or as `Authorization: Bearer KEY`",
        )),
        Trouble::Unsigned(why) => say(&Said::Unauthorized(&why.to_string())),
        Trouble::NotFound => say(&Said::NotFound),
        Trouble::NotAllowed(methods) => say(&Said::NotAllowed(methods)),
        Trouble::Unread(BodyError::TooLarge { bytes_max }) => say(&Said::TooLarge { bytes_max: *bytes_max }),
        Trouble::Unread(error) => {
            say(&Said::Unread { status: error.status().as_u16(), why: &error.to_string() })
        }
        Trouble::Refused(refusal) => response(refusal.answer()),
        Trouble::Unavailable(unavailable @ Unavailable::TooLarge) => {
            say(&Said::Unread { status: 413, why: &unavailable.to_string() })
        }
        Trouble::Unavailable(unavailable) => {
            say(&Said::Unavailable { why: &unavailable.to_string(), retry_after_s })
        }
        Trouble::Crowded => say(&Said::Unavailable { why: &CrowdedOut.to_string(), retry_after_s: 1 }),
        Trouble::ApiV2(_) | Trouble::Undecoded(_) | Trouble::Internal => say(&Said::Internal),
    }
}

impl Held {
    /// The alerts.
    pub(super) fn batch(&self) -> &Batch {
        match self {
            Self::ApiV2(decoded) => &decoded.batch,
            Self::Of(decoded) => &decoded.batch,
        }
    }

    /// Whether there is nothing to be done about it.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Of(decoded) if decoded.batch.is_empty() && decoded.rejected.is_empty())
    }

    /// Adds what the settings of its intake say.
    pub(super) fn complete(&mut self, source: &Source) {
        let batch = match self {
            Self::ApiV2(decoded) => &mut decoded.batch,
            Self::Of(decoded) => {
                decoded.batch.ask_for_ids();
                &mut decoded.batch
            }
        };
        if let Some(lasts) = source.resolve_timeout {
            batch.set_lasts(lasts);
        }
    }

    /// How many alerts are refused alone.
    pub(super) fn rejected(&self) -> usize {
        match self {
            Self::ApiV2(decoded) => decoded.rejected.len(),
            Self::Of(decoded) => decoded.rejected.len(),
        }
    }

    /// The answer once the alerts are kept.
    pub(super) fn answer(&self, stepped: &Stepped, handle: &TenantHandle) -> Response {
        match self {
            Self::ApiV2(decoded) => answer_api_v2(decoded, stepped),
            Self::Of(decoded) => answer(decoded, stepped, handle),
        }
    }

    /// The answer where there was nothing to be done.
    pub(super) fn answer_nothing(&self) -> Response {
        match self {
            Self::ApiV2(_) => Response::new(Body::empty()),
            Self::Of(decoded) => response(decoded.answer(&Kept::default())),
        }
    }
}

fn answer_api_v2(decoded: &alertmanager::Decoded, stepped: &Stepped) -> Response {
    if stepped.taken.refused > 0 {
        let said = format!(
            "{} new alerts are beyond the tenant's limit and backlog; repeats and resolves were taken",
            stepped.taken.refused
        );
        let mut refused = Refusal::Text(StatusCode::TOO_MANY_REQUESTS, said).into_response();
        refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s(stepped)));
        return refused;
    }
    let (status, body) = decoded.answer();
    if body.is_empty() { Response::new(Body::empty()) } else { Refusal::Body(status, body).into_response() }
}

fn answer(decoded: &Decoded, stepped: &Stepped, handle: &TenantHandle) -> Response {
    let ids: Vec<_> =
        stepped.episodes.iter().map(|episode| episode.map(|offset| handle.episode(offset))).collect();
    let kept = Kept {
        accepted: (stepped.taken.accepted + stepped.taken.renewed) as usize,
        refused: stepped.taken.refused as usize,
        ids: &ids,
        retry_after_s: Some(retry_after_s(stepped)),
    };
    response(decoded.answer(&kept))
}

fn retry_after_s(stepped: &Stepped) -> u64 {
    let wait = stepped.retry_after.unwrap_or(Duration::from_secs(1));
    wait.as_secs_f64().ceil().max(1.0) as u64
}

/// An answer as it goes out.
pub(in crate::http) fn response(answer: Answer) -> Response {
    let Answer { status, content_type, headers, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !content_type.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in headers {
        // What a sender wrote and no header can hold is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::fmt::Write as _;

    /// One form of each kind.
    const FORMS: [Form; 5] = [
        Form::ApiV2,
        Form::Of(Format::Alertmanager),
        Form::Of(Format::PagerDuty),
        Form::Of(Format::Opsgenie),
        Form::Of(Format::ServiceNow),
    ];

    fn troubles() -> Vec<Trouble> {
        vec![
            Trouble::Denied(Denied::Unauthorized),
            Trouble::Denied(Denied::Tenant),
            Trouble::Denied(Denied::Ambiguous),
            Trouble::NoKeyInBody,
            Trouble::Unsigned(SignatureError::Stale),
            Trouble::NotFound,
            Trouble::NotAllowed("POST"),
            Trouble::Unread(BodyError::TooLarge { bytes_max: 10 }),
            Trouble::Unread(BodyError::CutOff),
            Trouble::Unread(BodyError::Slow),
            Trouble::Unavailable(Unavailable::DiskFull),
            Trouble::Unavailable(Unavailable::TooLarge),
            Trouble::Crowded,
            Trouble::Internal,
        ]
    }

    fn shown(response: Response) -> String {
        let (parts, body) = response.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        let heads = ["retry-after", "www-authenticate", "allow"];
        let heads = heads.iter().filter(|name| parts.headers.contains_key(**name));
        let heads: String = heads.map(|name| format!(" +{name}")).collect();
        format!("{}{heads} {}", parts.status.as_u16(), String::from_utf8_lossy(&body))
    }

    #[test]
    fn each_form_says_each_trouble() {
        let mut said = String::new();
        for form in FORMS.into_iter().chain([Form::Of(Format::Json)]) {
            let _ = writeln!(said, "{form:?}");
            for trouble in troubles() {
                let _ = write!(said, "  {trouble:?}: ");
                let _ = writeln!(said, "{}", shown(form.refuse(trouble)));
            }
        }
        insta::assert_snapshot!(said);
    }
}
