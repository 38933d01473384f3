//! What senders say of alerts that they name by a key of their own.

use crate::Phase;
use crate::effects::{Ack, Effects};
use crate::partition::Partition;
use crate::people::Action;
use crate::record::Cause;
use crate::step::Origin;
use openclaw_alert::{Content, Feedback, KEY_LABEL, Signal, SignalKind, Timestamp, Zoned};

impl Partition {
    /// The content under the labels of the open alert that its sender means,
    /// where these differ: an alert keeps the labels it was opened with.
    pub(crate) fn under_known_labels(&self, from: &Origin, content: Content<'_>) -> Option<Vec<u8>> {
        let key = content.labels.get(KEY_LABEL);
        let slot = self.state.alerts.find_key(from.tenant, from.source, key)?;
        let known = self.state.alerts.get(slot).filter(|known| known.phase != Phase::Resolved)?;
        if known.labels() == content.labels {
            return None;
        }
        let mut bytes = Vec::new();
        Content { labels: known.labels(), ..content }.write(&mut bytes);
        Some(bytes)
    }

    /// Gives the episode that it is about, if any.
    pub(crate) fn take_signal(
        &mut self,
        from: &Origin,
        signal: &Signal<'_>,
        out: &mut Effects,
    ) -> Option<u64> {
        let known = self.state.alerts.find_key(from.tenant, from.source, signal.key);
        let open = known.and_then(|slot| Some((slot, self.state.alerts.get(slot)?)));
        let Some((slot, alert)) = open.filter(|(_, alert)| alert.phase != Phase::Resolved) else {
            // No such alert, or one that is over: nothing to do, and no fault.
            out.taken.renewed += 1;
            return None;
        };
        let episode = alert.id;
        match signal.kind {
            SignalKind::Ended(at) => self.end_by_key(from, slot, episode, at, out),
            SignalKind::Acted(action) => self.acted_by_key(from, slot, action, signal, out),
        }
        out.taken.accepted += 1;
        Some(episode)
    }

    fn end_by_key(&mut self, from: &Origin, slot: u32, episode: u64, at: Option<Zoned>, out: &mut Effects) {
        // An end to come is none yet: what its sender says is that it is over.
        let at = at.filter(|at| at.at > Timestamp::MIN && at.at <= from.now);
        let at = at.unwrap_or(Zoned::utc(from.now));
        self.end(slot, episode, at, Cause::Posted, from.now, out);
        out.ack = Ack::WhenDurable;
    }

    fn acted_by_key(
        &mut self,
        from: &Origin,
        slot: u32,
        action: Feedback,
        signal: &Signal<'_>,
        out: &mut Effects,
    ) {
        let source = self.state.tenant(from.tenant).and_then(|t| t.sources.get(usize::from(from.source)));
        let source = source.map(|source| source.name.clone()).unwrap_or_default();
        let by = if signal.by.is_empty() { &*source } else { signal.by };
        self.act_and_tell(slot, Action::new(action, by, signal.note), from.now, out);
    }
}
