//! What an edge does besides deciding.

use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::secret::SecretText;
use super::tls::{self, TlsSection};
use super::units::format_size;
use super::values::{Size, Text};
use openclaw_delivery::{Secret, Target};
use openclaw_server::UpstreamOptions;

const SPOOL_BYTES: u64 = 256 << 20;
const SPOOL_BOUNDS: std::ops::RangeInclusive<u64> = 8 << 20..=1 << 40;

section! {
    /// What an edge does besides deciding. Other roles don't use it.
    EdgeSection {
        /// The service that an edge's observations go on to. Without it they stay with the edge.
        upstream: UpstreamSection,
        /// The most that is kept on the disk while the upstream is away; beyond it the oldest go. Default `256MiB`.
        spool_bytes: Size,
    }
}

section! {
    /// A service of this kind that others are the edge of.
    UpstreamSection {
        /// Its address, such as `https://openclaw.internal:8080`.
        url: Text,
        /// An operator's key there, since observations are of many tenants.
        key: SecretText,
        /// With `https://`: how the server is known, and how we are known to it.
        tls: TlsSection,
    }
}

/// Where observations go on to; nothing for nowhere.
pub(super) fn checked(field: Field<EdgeSection>, cx: &mut Context<'_>) -> Option<UpstreamOptions> {
    let At { value: edge, .. } = field.into_set()?;
    let spool = edge.spool_bytes.into_set();
    if let Some(set) = spool.as_ref().filter(|set| !SPOOL_BOUNDS.contains(&set.value.0)) {
        let (least, most) = (format_size(*SPOOL_BOUNDS.start()), format_size(*SPOOL_BOUNDS.end()));
        cx.fault(&set.place, Problem::OutOfRange { key: "spool_bytes", least, most });
    }
    let Some(At { value: upstream, place }) = edge.upstream.into_set() else {
        if let Some(set) = spool {
            cx.fault(&set.place, Problem::SpoolWithoutUpstream);
        }
        return None;
    };
    let url = upstream.url.required("url", &place, cx);
    let key = upstream.key.required("key", &place, cx);
    let has_tls = upstream.tls.as_set().map(|tls| tls.place.clone());
    let tls = tls::checked(upstream.tls, cx).map(|tls| tls.value);
    let url = url?;
    if let Some(place) = has_tls.filter(|_| !url.value.0.starts_with("https://")) {
        cx.fault(&place, Problem::UpstreamTlsWithoutTls);
    }
    Some(UpstreamOptions {
        url: cx.keep(&url.place, target(&url.value.0))?,
        key: key?.value.0,
        tls: tls.unwrap_or_default(),
        spool_bytes: spool.map_or(SPOOL_BYTES, |set| set.value.0),
    })
}

/// What else an address can hold would be lost on the way, or shown.
fn target(url: &str) -> Result<Target, Problem> {
    let target = Target::parse(&Secret::new(url)).ok().filter(|_| !url.contains(['@', '?', '#']));
    target.ok_or(Problem::UpstreamUrl)
}
