//! A tenant's intakes by name.

use openclaw_delivery::Secret;
use openclaw_sources::grafana::HmacHeaders;
use openclaw_sources::{Format, Mapping};
use std::sync::Arc;
use std::time::Duration;

/// An intake.
#[derive(Debug, Clone)]
pub struct Source {
    /// `source` in metrics and ratings, and the name in the intake's path.
    pub name: Arc<str>,
    /// What its senders write.
    pub format: Format,
    /// How long its alerts fire that come without an end and that nobody
    /// repeats, where the settings say so.
    pub resolve_timeout: Option<Duration>,
    /// Where its bodies say what, for formats that leave it open.
    pub mapping: Option<Mapping>,
    /// What its senders sign with.
    pub signing: Option<Signing>,
}

/// How an intake's senders show that a request is theirs.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Known to them and to us.
    pub secret: Secret,
    /// Where Grafana puts it; other formats have headers of their own.
    pub headers: HmacHeaders,
    /// Whether a key alone is not enough.
    pub is_required: bool,
}

/// All intakes of a tenant: those of its settings, and one a format for the
/// formats that these don't have.
#[derive(Debug, Clone)]
pub struct Sources {
    named: Vec<Arc<Source>>,
    /// In the order of [`Format::ALL`].
    by_format: Vec<Arc<Source>>,
}

impl Source {
    /// An intake of which the settings say nothing.
    #[must_use]
    pub fn plain(name: &str, format: Format) -> Self {
        Self { name: name.into(), format, resolve_timeout: None, mapping: None, signing: None }
    }
}

impl Sources {
    /// The settings' own, in their order.
    #[must_use]
    pub fn new(named: Vec<Source>) -> Self {
        let named: Vec<_> = named.into_iter().map(Arc::new).collect();
        // A mapping is for the bodies of those who name its source.
        let serves = |source: &Source, format, name: &str| {
            source.format == format && (source.mapping.is_none() || *source.name == *name)
        };
        let of = |(format, name): &(Format, &str)| {
            let first = named.iter().find(|source| serves(source, *format, name)).cloned();
            first.unwrap_or_else(|| Arc::new(Source::plain(name, *format)))
        };
        let by_format = Format::ALL.iter().map(of).collect();
        Self { named, by_format }
    }

    /// The one that a path names: by its own name, or by its format's.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Source>> {
        let own = self.named.iter().find(|source| &*source.name == name);
        own.or_else(|| Format::from_name(name).map(|format| self.of(format)))
    }

    /// The first of a format without a mapping, for paths that name none.
    pub(crate) fn of(&self, format: Format) -> &Arc<Source> {
        let at = Format::ALL.iter().position(|(known, _)| *known == format);
        &self.by_format[at.unwrap_or_default()]
    }

    /// One a format: where a path may lead to that names none.
    pub(crate) fn each_format(&self) -> &[Arc<Source>] {
        &self.by_format
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_for_those_who_name_its_source() {
        let mapped = |name| {
            let mapping = Mapping::new(&openclaw_sources::MappingSettings::default()).ok();
            Source { mapping, ..Source::plain(name, Format::Json) }
        };
        let json = |sources: Vec<Source>| Sources::new(sources).of(Format::Json).name.to_string();
        assert_eq!(json(vec![mapped("backups")]), "json");
        assert_eq!(json(vec![mapped("backups"), Source::plain("rest", Format::Json)]), "rest");
        assert_eq!(json(vec![mapped("backups"), mapped("json")]), "json");
        assert!(Sources::new(vec![mapped("json")]).of(Format::Json).mapping.is_some());
        assert!(Sources::new(vec![mapped("backups")]).named("backups").unwrap().mapping.is_some());
    }

    #[test]
    fn a_format_means_its_first_source_or_itself() {
        let sources = Sources::new(vec![
            Source::plain("dash", Format::Grafana),
            Source::plain("dash-2", Format::Grafana),
            Source::plain("prom", Format::Alertmanager),
        ]);
        assert_eq!(&*sources.of(Format::Grafana).name, "dash");
        assert_eq!(&*sources.of(Format::Alertmanager).name, "prom");
        assert_eq!(&*sources.of(Format::Json).name, "json");
        let named = |name: &str| sources.named(name).map(|source| (source.name.to_string(), source.format));
        assert_eq!(named("dash-2"), Some(("dash-2".to_owned(), Format::Grafana)));
        assert_eq!(named("grafana"), Some(("dash".to_owned(), Format::Grafana)));
        assert_eq!(named("pagerduty"), Some(("pagerduty".to_owned(), Format::PagerDuty)));
        assert_eq!(named("Dash"), None);
        assert_eq!(named(""), None);
        assert_eq!(sources.each_format().len(), Format::ALL.len());
        for (format, _) in Format::ALL {
            assert_eq!(sources.of(format).format, format);
        }
    }
}
