//! The paths that alerts come in by.

use super::form::Form;
use crate::tenants::{Source, Sources};
use http::Method;
use openclaw_sources::Format;
use std::slice::from_ref;
use std::sync::Arc;

/// Before a source's name.
const NAMED: &str = "/api/v1/ingest/";

/// Opsgenie's paths begin so; below it an alert may be named.
const OPSGENIE: &str = "/v2/alerts";

/// What Opsgenie's API takes.
const OPSGENIE_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";

/// A way in, as its path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum Door {
    /// `/api/v2/alerts`, of Alertmanager's own API.
    ApiV2,
    /// `/api/v1/alerts`: the format is found from the request.
    Generic,
    /// `/api/v1/ingest/{name}`: a source's name, or a format's.
    Named(Box<str>),
    /// A path that a vendor's tools have built in.
    Vendor(Format),
}

impl Door {
    /// The door that a request comes to. What else these paths take is
    /// answered elsewhere.
    pub(in crate::http) fn of(method: &Method, path: &str) -> Option<Self> {
        let (door, _) = Self::at(path)?;
        let is_mine = match door {
            Self::ApiV2 => method == Method::POST,
            Self::Generic => matches!(*method, Method::POST | Method::PUT | Method::OPTIONS),
            Self::Named(_) | Self::Vendor(_) => true,
        };
        is_mine.then_some(door)
    }

    /// The door of a path, and what the path says behind it.
    pub(super) fn at(path: &str) -> Option<(Self, &str)> {
        if let Some(rest) = path.strip_prefix(NAMED) {
            let (name, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            return Some((Self::Named(name.into()), without_base(below)));
        }
        match path {
            "/api/v2/alerts" => Some((Self::ApiV2, "")),
            "/api/v1/alerts" => Some((Self::Generic, "")),
            "/v2/enqueue" | "/v2/change/enqueue" => Some((Self::Vendor(Format::PagerDuty), &path[3..])),
            "/api/global/em/jsonv2" => Some((Self::Vendor(Format::ServiceNow), "")),
            "/em_event.do" => Some((Self::Vendor(Format::ServiceNow), path)),
            _ => Some((Self::Vendor(Format::Opsgenie), opsgenie(path)?)),
        }
    }

    /// The route's name in metrics.
    pub(super) fn route(&self) -> &'static str {
        match self {
            Self::ApiV2 => "/api/v2/alerts",
            Self::Generic => "/api/v1/alerts",
            Self::Named(_) => "/api/v1/ingest/{name}",
            Self::Vendor(Format::PagerDuty) => "/v2/enqueue",
            Self::Vendor(Format::ServiceNow) => "/api/global/em/jsonv2",
            Self::Vendor(_) => "/v2/alerts/{path}",
        }
    }

    /// The format, as far as the path alone says it.
    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::ApiV2 => Some(Format::Alertmanager),
            Self::Generic => None,
            Self::Named(name) => Format::from_name(name),
            Self::Vendor(format) => Some(*format),
        }
    }

    /// Whether the method may be one of its format's. Behind a source's name
    /// there may be any format: see [`Way::takes`].
    pub(super) fn takes(&self, method: &Method) -> bool {
        match self {
            Self::Named(_) => is_of(Format::Opsgenie, method),
            _ => is_of(self.format().unwrap_or(Format::Json), method),
        }
    }

    /// In which form it refuses while nothing is known but the path.
    pub(super) fn form(&self) -> Form {
        match self {
            Self::ApiV2 => Form::ApiV2,
            _ => Form::Of(self.format().unwrap_or(Format::Json)),
        }
    }

    /// In which form the senders of an intake are answered here.
    pub(super) fn form_of(&self, source: &Source) -> Form {
        match self {
            Self::ApiV2 => Form::ApiV2,
            _ => Form::Of(source.format),
        }
    }

    /// What its callers are told that it takes.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Vendor(Format::Opsgenie) => OPSGENIE_METHODS,
            Self::Generic | Self::Named(_) => "POST, PUT, OPTIONS",
            Self::ApiV2 | Self::Vendor(_) => "POST, PUT",
        }
    }

    /// Whether CloudEvents may be told to come here.
    pub(super) fn greets(&self) -> bool {
        matches!(self, Self::Generic | Self::Named(_))
    }

    /// Where it leads to among a tenant's intakes.
    pub(super) fn leads_to(&self, sources: &Sources) -> Option<Way> {
        match self {
            Self::Generic => Some(Way::Found),
            Self::Named(name) => sources.named(name).cloned().map(Way::To),
            Self::ApiV2 => Some(Way::To(Arc::clone(sources.of(Format::Alertmanager)))),
            Self::Vendor(format) => Some(Way::To(Arc::clone(sources.of(*format)))),
        }
    }
}

/// Where a door leads to.
pub(super) enum Way {
    /// To one intake.
    To(Arc<Source>),
    /// To the one of the format that is found.
    Found,
}

impl Way {
    /// Whose a body may have been that nobody could read.
    pub(super) fn sources<'a>(&'a self, all: &'a Sources) -> &'a [Arc<Source>] {
        match self {
            Self::To(source) => from_ref(source),
            Self::Found => all.each_format(),
        }
    }

    /// Whether the method is one of its format's.
    pub(super) fn takes(&self, method: &Method) -> bool {
        let format = match self {
            Self::To(source) => source.format,
            Self::Found => Format::Json,
        };
        is_of(format, method)
    }

    /// In which form a request is refused that came this way.
    pub(super) fn form(&self, door: &Door) -> Form {
        match self {
            Self::To(source) => door.form_of(source),
            Self::Found => door.form(),
        }
    }

    /// The intake, where it is known before the body.
    pub(super) fn source(self) -> Option<Arc<Source>> {
        match self {
            Self::To(source) => Some(source),
            Self::Found => None,
        }
    }
}

fn is_of(format: Format, method: &Method) -> bool {
    match *method {
        Method::POST | Method::PUT => true,
        Method::GET | Method::PATCH | Method::DELETE => format == Format::Opsgenie,
        _ => false,
    }
}

fn opsgenie(path: &str) -> Option<&str> {
    path.strip_prefix(OPSGENIE).filter(|below| below.is_empty() || below.starts_with('/'))
}

/// Tools that are given another server's address go on with their own paths.
fn without_base(below: &str) -> &str {
    opsgenie(below)
        .or_else(|| below.strip_prefix("/v2").filter(|rest| rest.starts_with('/')))
        .unwrap_or(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_door() {
        let named = |name: &str| Door::Named(name.into());
        for (path, door, below) in [
            ("/api/v2/alerts", Door::ApiV2, ""),
            ("/api/v1/alerts", Door::Generic, ""),
            ("/api/v1/ingest/prom-eu", named("prom-eu"), ""),
            ("/api/v1/ingest/pd/v2/enqueue", named("pd"), "/enqueue"),
            ("/api/v1/ingest/pd/v2/change/enqueue", named("pd"), "/change/enqueue"),
            ("/api/v1/ingest/og/v2/alerts/x/close", named("og"), "/x/close"),
            ("/api/v1/ingest/og/v2/alerts", named("og"), ""),
            ("/api/v1/ingest/og/x/close", named("og"), "/x/close"),
            ("/api/v1/ingest/", named(""), ""),
            ("/v2/enqueue", Door::Vendor(Format::PagerDuty), "/enqueue"),
            ("/v2/change/enqueue", Door::Vendor(Format::PagerDuty), "/change/enqueue"),
            ("/v2/alerts", Door::Vendor(Format::Opsgenie), ""),
            ("/v2/alerts/x/close", Door::Vendor(Format::Opsgenie), "/x/close"),
            ("/api/global/em/jsonv2", Door::Vendor(Format::ServiceNow), ""),
            ("/em_event.do", Door::Vendor(Format::ServiceNow), "/em_event.do"),
        ] {
            assert_eq!(Door::at(path), Some((door, below)), "{path}");
        }
        for path in ["/", "/v2", "/v2/alertsx", "/api/v1/ingest", "/api/v2/alerts/", "/api/v1/alerts/al_1"] {
            assert_eq!(Door::at(path), None, "{path}");
        }
    }
}
