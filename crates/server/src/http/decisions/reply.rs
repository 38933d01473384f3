//! An answer as bytes, in buffers that are used again.

use super::super::problem::Problem;

/// An answer without its first line and what the connection adds to it.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// `name: value` lines, each ended by CR LF.
    pub(crate) fields: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn clear(&mut self) {
        self.status = 200;
        self.fields.clear();
        self.body.clear();
    }

    /// Gives room beyond `bytes` back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        if self.body.capacity() > bytes {
            self.body = Vec::new();
        }
    }

    /// Adds a header; nothing in it comes from a stranger unchecked.
    pub(super) fn field(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.fields.extend_from_slice(name.as_bytes());
        self.fields.extend_from_slice(b": ");
        value(&mut self.fields);
        self.fields.extend_from_slice(b"\r\n");
    }

    pub(super) fn text_field(&mut self, name: &str, value: &str) {
        self.field(name, |out| out.extend_from_slice(value.as_bytes()));
    }

    pub(super) fn number_field(&mut self, name: &str, value: u64) {
        self.field(name, |out| number(out, value));
    }

    /// An error takes the place of what has been written.
    pub(super) fn problem(&mut self, problem: &Problem) {
        self.clear();
        self.status = problem.status().as_u16();
        for (name, value) in problem.headers() {
            self.text_field(name.as_str(), value);
        }
        self.not_stored();
        self.body.extend_from_slice(problem.body().as_bytes());
    }

    pub(super) fn not_stored(&mut self) {
        self.fields.extend_from_slice(b"cache-control: no-store\r\n");
    }

    pub(super) fn json(&mut self) {
        self.fields.extend_from_slice(b"content-type: application/json\r\ncache-control: no-store\r\n");
    }
}

pub(super) fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
