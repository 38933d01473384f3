//! What an alert says, as one block of bytes.

use crate::Labels;
use crate::codec::{Corrupt, Put, Reader};

/// Labels, annotations and generator URL of an alert in their encoded form:
/// `len labels · len annotations · generator URL`. The journal, the memory of
/// active alerts and notifications all hold these same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// The identity.
    pub labels: Labels<'a>,
    /// Data for people.
    pub annotations: Labels<'a>,
    /// Where the alert comes from; empty when the sender gave none.
    pub generator_url: &'a str,
}

impl<'a> Content<'a> {
    /// Views encoded bytes.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes were not written by [`Content::write`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes);
        let labels = Labels::from_encoded(reader.bytes()?);
        let annotations = Labels::from_encoded(reader.bytes()?);
        let generator_url = std::str::from_utf8(reader.rest()).map_err(|_| Corrupt("generator URL"))?;
        Ok(Self { labels, annotations, generator_url })
    }

    /// Views bytes that this process wrote or that a CRC has vouched for;
    /// anything else reads as an alert without labels.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self::decode(bytes).unwrap_or(Self {
            labels: Labels::EMPTY,
            annotations: Labels::EMPTY,
            generator_url: "",
        })
    }

    /// Appends the encoded form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.put_bytes(self.labels.as_bytes());
        out.put_bytes(self.annotations.as_bytes());
        out.extend_from_slice(self.generator_url.as_bytes());
    }
}
