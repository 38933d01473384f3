//! The byte encoding of everything that is kept: LEB128 varints, zigzag for
//! signed numbers, length-prefixed strings. Journal records, snapshots and the
//! alerts in memory all use it, so an alert is copied, never converted.

use std::fmt;

/// Bytes that don't decode: cut short, or a value outside its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt(
    /// What was being read.
    pub &'static str,
);

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record does not decode: {}", self.0)
    }
}

impl std::error::Error for Corrupt {}

/// Appends encoded values; implemented for `Vec<u8>` alone.
pub trait Put {
    /// One byte.
    fn put_u8(&mut self, value: u8);
    /// Unsigned LEB128, 1 to 10 bytes.
    fn put_varint(&mut self, value: u64);
    /// Zigzag LEB128.
    fn put_signed(&mut self, value: i64);
    /// Length, then the bytes.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// Four bytes, little endian, every bit kept.
    fn put_f32(&mut self, value: f32);
    /// Eight bytes, little endian, every bit kept.
    fn put_f64(&mut self, value: f64);
    /// Eight bytes, little endian.
    fn put_u64(&mut self, value: u64);
    /// Length, then UTF-8.
    fn put_str(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }
}

impl Put for Vec<u8> {
    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn put_signed(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)) as u64);
    }

    #[inline]
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }

    fn put_f32(&mut self, value: f32) {
        self.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    fn put_f64(&mut self, value: f64) {
        self.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
}

/// Takes values off the front of a slice, in the order they were put.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Corrupt> {
        let (&first, rest) = self.rest.split_first().ok_or(Corrupt("byte"))?;
        self.rest = rest;
        Ok(first)
    }

    /// Unsigned LEB128.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8().map_err(|_| Corrupt("varint"))?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Corrupt("varint longer than ten bytes"))
    }

    /// A varint that must fit `u32`.
    pub fn varint_u32(&mut self) -> Result<u32, Corrupt> {
        u32::try_from(self.varint()?).map_err(|_| Corrupt("u32"))
    }

    /// A length or count: a varint no longer than what is left to read.
    pub fn length(&mut self) -> Result<usize, Corrupt> {
        match usize::try_from(self.varint()?) {
            Ok(length) if length <= self.rest.len() => Ok(length),
            _ => Err(Corrupt("length beyond the end")),
        }
    }

    /// Zigzag LEB128.
    pub fn signed(&mut self) -> Result<i64, Corrupt> {
        let raw = self.varint()?;
        Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Corrupt("bytes"))?;
        self.rest = rest;
        Ok(head)
    }

    /// Length, then the bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = self.length()?;
        self.take(length)
    }

    /// Length, then UTF-8.
    pub fn str(&mut self) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Corrupt("text is not UTF-8"))
    }

    /// Four bytes as they were put.
    pub fn f32(&mut self) -> Result<f32, Corrupt> {
        let bytes = self.take(4)?.first_chunk().ok_or(Corrupt("f32"))?;
        Ok(f32::from_bits(u32::from_le_bytes(*bytes)))
    }

    /// Eight bytes as they were put.
    pub fn f64(&mut self) -> Result<f64, Corrupt> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// Eight bytes, little endian.
    pub fn u64(&mut self) -> Result<u64, Corrupt> {
        let bytes = self.take(8)?.first_chunk().ok_or(Corrupt("u64"))?;
        Ok(u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(a: u64, b: i64, text: String, f: u32, byte: u8) {
            let mut out = Vec::new();
            out.put_varint(a);
            out.put_signed(b);
            out.put_str(&text);
            out.put_f32(f32::from_bits(f));
            out.put_u8(byte);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint().unwrap(), a);
            prop_assert_eq!(reader.signed().unwrap(), b);
            prop_assert_eq!(reader.str().unwrap(), text);
            prop_assert_eq!(reader.f32().unwrap().to_bits(), f);
            prop_assert_eq!(reader.u8().unwrap(), byte);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let _ = (reader.varint(), reader.str(), reader.signed(), reader.f64(), reader.length());
        }
    }
}
