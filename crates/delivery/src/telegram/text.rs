//! Text with marks beside it: Telegram takes bold, code and links as ranges
//! of a plain text, so that nothing in it needs an escape and cutting can't
//! break a mark. It counts UTF-16 units.

use crate::text::units;
use serde_json::{Value, json};

/// As many units as a message may have.
pub(super) const UNITS_MAX: usize = 4096;
/// Telegram leaves out the marks beyond.
const MARKS_MAX: usize = 100;

/// A text that grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    pub(super) text: String,
    units: usize,
    marks: Vec<Value>,
}

impl Text {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.units += units(text);
    }

    /// `kind` is Telegram's word: `bold`, `code`.
    pub(super) fn push_marked(&mut self, kind: &str, text: &str) {
        self.mark(json!({ "type": kind }), text);
    }

    pub(super) fn push_link(&mut self, url: &str, text: &str) {
        self.mark(json!({ "type": "text_link", "url": url }), text);
    }

    fn mark(&mut self, mut mark: Value, text: &str) {
        let length = units(text);
        if length > 0 {
            mark["offset"] = json!(self.units);
            mark["length"] = json!(length);
            self.marks.push(mark);
        }
        self.push(text);
    }

    /// Whether both make one message.
    pub(super) fn has_room_for(&self, others: &[&Self]) -> bool {
        let units: usize = others.iter().map(|other| other.units).sum();
        let marks: usize = others.iter().map(|other| other.marks.len()).sum();
        self.units + units <= UNITS_MAX && self.marks.len() + marks <= MARKS_MAX
    }

    pub(super) fn append(&mut self, other: Self) {
        let shifted = other.marks.into_iter().map(|mut mark| {
            let offset = mark["offset"].as_u64().unwrap_or_default();
            mark["offset"] = json!(offset + self.units as u64);
            mark
        });
        self.marks.extend(shifted);
        self.text.push_str(&other.text);
        self.units += other.units;
    }

    pub(super) fn into_parts(self) -> (String, Vec<Value>) {
        (self.text, self.marks)
    }
}
