//! Alerts on their way in.

use crate::codec::Put;
use crate::{Content, Feedback, LabelsBuilder, Zoned, fnv1a};
use std::time::Duration;

/// The label by which a sender names an alert for its whole life, where its
/// format has such a name: PagerDuty's `dedup_key`, Opsgenie's `alias`,
/// ServiceNow's `message_key`. Later posts of the same source may name the
/// alert by it alone.
pub const KEY_LABEL: &str = "dedup_key";

/// One alert as its sender posted it; times are absent where the sender left
/// them out.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'b> {
    /// Encoded [`Content`].
    pub content: &'b [u8],
    /// Start of the condition.
    pub starts_at: Option<Zoned>,
    /// End of the condition; in the past for a resolved alert.
    pub ends_at: Option<Zoned>,
    /// Whether the sender means the open alert with the same [`KEY_LABEL`],
    /// whatever its other labels say.
    pub is_keyed: bool,
}

/// What a sender says of an alert that it names by its key alone. Dropped
/// where no such alert is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal<'b> {
    /// The alert's [`KEY_LABEL`].
    pub key: &'b str,
    /// What is said.
    pub kind: SignalKind,
    /// Who says so; may be empty.
    pub by: &'b str,
    /// In their words; may be empty.
    pub note: &'b str,
}

/// What is said of a known alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalKind {
    /// The condition has ended, now unless said.
    Ended(Option<Zoned>),
    /// A person did something with it over there.
    Acted(Feedback),
}

/// One thing of a request.
#[derive(Debug, Clone, Copy)]
pub enum Item<'b> {
    /// An alert with all its content.
    Alert(Incoming<'b>),
    /// A word about one that is known.
    Signal(Signal<'b>),
}

/// What one request held, decoded, all text in one buffer.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    slots: Vec<Slot>,
    delivery: Option<u64>,
    lasts: Option<Duration>,
    starts_are_exact: bool,
    asks_for_ids: bool,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Alert { end: u32, starts_at: Option<Zoned>, ends_at: Option<Zoned>, is_keyed: bool },
    Signal { key_end: u32, by_end: u32, end: u32, kind: SignalKind },
}

impl Slot {
    fn end(self) -> usize {
        match self {
            Self::Alert { end, .. } | Self::Signal { end, .. } => end as usize,
        }
    }
}

impl Batch {
    /// Adds one alert. `labels` and `annotations` are written out sorted.
    /// Gives false, and adds nothing, when no label with a value is left.
    pub fn push(
        &mut self,
        labels: &mut LabelsBuilder,
        annotations: &mut LabelsBuilder,
        generator_url: &str,
        starts_at: Option<Zoned>,
        ends_at: Option<Zoned>,
    ) -> bool {
        let before = self.arena.len();
        if write_block(&mut self.arena, labels, true) == 0 {
            self.arena.truncate(before);
            return false;
        }
        write_block(&mut self.arena, annotations, false);
        self.arena.extend_from_slice(generator_url.as_bytes());
        let end = self.arena.len() as u32;
        self.slots.push(Slot::Alert { end, starts_at, ends_at, is_keyed: false });
        true
    }

    /// [`Batch::push`] of an alert that its sender names by `key`, which
    /// becomes its [`KEY_LABEL`]; it must not be empty.
    pub fn push_keyed(
        &mut self,
        key: &str,
        labels: &mut LabelsBuilder,
        annotations: &mut LabelsBuilder,
        generator_url: &str,
        starts_at: Option<Zoned>,
        ends_at: Option<Zoned>,
    ) -> bool {
        labels.push(KEY_LABEL, key);
        let is_pushed = self.push(labels, annotations, generator_url, starts_at, ends_at);
        if let Some(Slot::Alert { is_keyed, .. }) = self.slots.last_mut().filter(|_| is_pushed) {
            *is_keyed = true;
        }
        is_pushed
    }

    /// Adds an alert whose content is encoded already.
    pub fn push_encoded(&mut self, content: &[u8], starts_at: Option<Zoned>, ends_at: Option<Zoned>) {
        self.arena.extend_from_slice(content);
        let end = self.arena.len() as u32;
        self.slots.push(Slot::Alert { end, starts_at, ends_at, is_keyed: false });
    }

    /// Adds a word about an alert that is known by its key.
    pub fn push_signal(&mut self, signal: Signal<'_>) {
        let mut put = |text: &str| {
            self.arena.extend_from_slice(text.as_bytes());
            self.arena.len() as u32
        };
        let (key_end, by_end, end) = (put(signal.key), put(signal.by), put(signal.note));
        self.slots.push(Slot::Signal { key_end, by_end, end, kind: signal.kind });
    }

    /// Names the request as its sender does, source first, so that the same
    /// one sent again is known by it and changes nothing.
    pub fn set_delivery(&mut self, name: &[&str]) {
        let parts: Vec<&[u8]> = name.iter().flat_map(|part| [part.as_bytes(), &[0xff][..]]).collect();
        self.delivery = Some(fnv1a(&parts));
    }

    /// A hash of the name that its sender gave the request.
    #[must_use]
    pub fn delivery(&self) -> Option<u64> {
        self.delivery
    }

    /// How long its alerts fire that come without an end and that nobody
    /// repeats; the tenant's `resolve_timeout` where not set.
    pub fn set_lasts(&mut self, lasts: Duration) {
        self.lasts = Some(lasts);
    }

    /// See [`Batch::set_lasts`].
    #[must_use]
    pub fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// Says that a condition which fires anew has a new start, so that a firing
    /// post with the start of an episode that is over is a late repeat of it.
    pub fn set_starts_are_exact(&mut self) {
        self.starts_are_exact = true;
    }

    /// See [`Batch::set_starts_are_exact`].
    #[must_use]
    pub fn starts_are_exact(&self) -> bool {
        self.starts_are_exact
    }

    /// Asks for the ids that its alerts are given.
    pub fn ask_for_ids(&mut self) {
        self.asks_for_ids = true;
    }

    /// See [`Batch::ask_for_ids`].
    #[must_use]
    pub fn asks_for_ids(&self) -> bool {
        self.asks_for_ids
    }

    /// Everything in the order it was pushed.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let mut start = 0;
        self.slots.iter().map(move |&slot| {
            let at = std::mem::replace(&mut start, slot.end());
            self.item(at, slot)
        })
    }

    fn item(&self, at: usize, slot: Slot) -> Item<'_> {
        match slot {
            Slot::Alert { end, starts_at, ends_at, is_keyed } => {
                let content = &self.arena[at..end as usize];
                Item::Alert(Incoming { content, starts_at, ends_at, is_keyed })
            }
            Slot::Signal { key_end, by_end, end, kind } => {
                // Pushed as text, between these places.
                let text = |from: usize, to: u32| {
                    std::str::from_utf8(&self.arena[from..to as usize]).unwrap_or_default()
                };
                let (by, note) = (text(key_end as usize, by_end), text(by_end as usize, end));
                Item::Signal(Signal { key: text(at, key_end), kind, by, note })
            }
        }
    }

    /// The alerts with all their content, in the order they were pushed.
    pub fn iter(&self) -> impl Iterator<Item = Incoming<'_>> {
        self.items().filter_map(|item| match item {
            Item::Alert(alert) => Some(alert),
            Item::Signal(_) => None,
        })
    }

    /// Bytes of all that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Number of alerts and signals.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl Incoming<'_> {
    /// The content as labels, annotations and URL.
    #[must_use]
    pub fn view(&self) -> Content<'_> {
        Content::of(self.content)
    }
}

/// Writes the block with its length before it, in one pass: two bytes are kept
/// for the length, and the rare block that needs fewer or more is moved.
fn write_block(arena: &mut Vec<u8>, builder: &mut LabelsBuilder, drop_empty: bool) -> usize {
    let at = arena.len();
    arena.extend_from_slice(&[0; 2]);
    let written = builder.write(arena, drop_empty);
    let length = arena.len() - at - 2;
    if (0x80..0x4000).contains(&length) {
        arena[at] = (length as u8) | 0x80;
        arena[at + 1] = (length >> 7) as u8;
    } else {
        let mut prefix = Vec::new();
        prefix.put_varint(length as u64);
        arena.splice(at..at + 2, prefix);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_every_length_decode() {
        for size in [0, 1, 60, 127, 128, 16_000, 20_000] {
            let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
            labels.push("alertname", "A");
            annotations.push("text", &"x".repeat(size));
            let mut batch = Batch::default();
            assert!(batch.push(&mut labels, &mut annotations, "http://g", None, None));
            let alert = batch.iter().next().unwrap();
            let content = alert.view();
            assert_eq!(content.labels.get("alertname"), "A");
            assert_eq!(content.annotations.get("text").len(), size);
            assert_eq!(content.generator_url, "http://g");
        }
    }

    #[test]
    fn alerts_and_signals_come_back_in_order() {
        let mut batch = Batch::default();
        let mut labels = LabelsBuilder::default();
        labels.push("alertname", "A");
        assert!(batch.push_keyed("k1", &mut labels, &mut LabelsBuilder::default(), "", None, None));
        let ended = Signal { key: "k1", kind: SignalKind::Ended(None), by: "", note: "" };
        let acted = Signal { key: "ü", kind: SignalKind::Acted(Feedback::Ack), by: "ann", note: "mine" };
        batch.push_signal(ended);
        batch.push_signal(acted);
        let items: Vec<_> = batch.items().collect();
        let [Item::Alert(alert), Item::Signal(first), Item::Signal(second)] = items[..] else {
            panic!("{items:?}")
        };
        assert!(alert.is_keyed);
        assert_eq!(alert.view().labels.get(KEY_LABEL), "k1");
        assert_eq!((first, second), (ended, acted));
        assert_eq!((batch.len(), batch.iter().count()), (3, 1));
    }

    #[test]
    fn a_delivery_is_known_by_all_parts_of_its_name() {
        let name = |parts: &[&str]| {
            let mut batch = Batch::default();
            batch.set_delivery(parts);
            batch.delivery()
        };
        assert_eq!(name(&["a", "b"]), name(&["a", "b"]));
        assert_ne!(name(&["a", "b"]), name(&["ab", ""]));
    }

    #[test]
    fn only_empty_labels_are_no_alert() {
        let mut labels = LabelsBuilder::default();
        labels.push("a", "");
        assert!(!Batch::default().push(&mut labels, &mut LabelsBuilder::default(), "", None, None));
    }
}
