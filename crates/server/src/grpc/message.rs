//! Protocol Buffers, written.

/// A message as it is written. Fields at their default are left out.
pub(super) struct Message<'o>(&'o mut Vec<u8>);

const VARINT: u8 = 0;
const BYTES: u8 = 2;

/// All numbers that are written are below 16: a key is one byte.
fn key(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

impl<'o> Message<'o> {
    pub(super) fn at_end_of(out: &'o mut Vec<u8>) -> Self {
        Self(out)
    }

    pub(super) fn varint(&mut self, number: u8, value: u64) {
        if value > 0 {
            self.0.push(key(number, VARINT));
            push_varint(self.0, value);
        }
    }

    pub(super) fn text(&mut self, number: u8, text: &str) {
        if !text.is_empty() {
            self.0.push(key(number, BYTES));
            push_varint(self.0, text.len() as u64);
            self.0.extend_from_slice(text.as_bytes());
        }
    }

    /// A message, or text whose length isn't known yet; also an empty one.
    pub(super) fn nested(&mut self, number: u8, write: impl FnOnce(&mut Message<'_>)) {
        self.0.push(key(number, BYTES));
        let at = self.0.len();
        // Nearly all are shorter than 128 bytes.
        self.0.push(0);
        write(&mut Message(self.0));
        let length = self.0.len() - at - 1;
        match u8::try_from(length) {
            Ok(length @ 0..0x80) => self.0[at] = length,
            _ => self.lengthen(at, length),
        }
    }

    /// Makes room for a longer length.
    #[cold]
    fn lengthen(&mut self, at: usize, length: usize) {
        let mut encoded = Vec::with_capacity(10);
        push_varint(&mut encoded, length as u64);
        self.0.splice(at..=at, encoded);
    }

    /// A number in a text, within [`Message::nested`].
    pub(super) fn number(&mut self, number: u64) {
        self.raw(itoa::Buffer::new().format(number));
    }

    /// A piece of text, within [`Message::nested`].
    pub(super) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// What has been written before: whole fields, or a piece of text.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
