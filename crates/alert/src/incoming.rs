//! Alerts on their way in.

use crate::codec::Put;
use crate::{Content, LabelsBuilder, Zoned};

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
}

/// Decoded alerts of one request, all contents in one buffer.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    alerts: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    end: u32,
    starts_at: Option<Zoned>,
    ends_at: Option<Zoned>,
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
        self.alerts.push(Slot { end: self.arena.len() as u32, starts_at, ends_at });
        true
    }

    /// Adds an alert whose content is encoded already.
    pub fn push_encoded(&mut self, content: &[u8], starts_at: Option<Zoned>, ends_at: Option<Zoned>) {
        self.arena.extend_from_slice(content);
        self.alerts.push(Slot { end: self.arena.len() as u32, starts_at, ends_at });
    }

    /// The alerts in the order they were pushed.
    pub fn iter(&self) -> impl Iterator<Item = Incoming<'_>> {
        let mut start = 0;
        self.alerts.iter().map(move |slot| {
            let content = &self.arena[start..slot.end as usize];
            start = slot.end as usize;
            Incoming { content, starts_at: slot.starts_at, ends_at: slot.ends_at }
        })
    }

    /// Bytes of all contents.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Number of alerts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    /// True without alerts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
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
    fn only_empty_labels_are_no_alert() {
        let mut labels = LabelsBuilder::default();
        labels.push("a", "");
        assert!(!Batch::default().push(&mut labels, &mut LabelsBuilder::default(), "", None, None));
    }
}
