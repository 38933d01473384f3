//! Writing JSON by hand, for answers and payloads that are mostly text that
//! needs no escape: runs are copied whole, found eight bytes at a time.

use crate::Labels;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string, quotes included, escaping no more than
/// RFC 8259 asks for.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(length) = plain_run(rest) {
        out.extend_from_slice(&rest[..length]);
        push_escape(out, rest[length]);
        rest = &rest[length + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends a label set as a JSON object, in its own order.
pub fn write_json_labels(out: &mut Vec<u8>, labels: Labels<'_>) {
    out.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, name);
        out.push(b':');
        write_json_string(out, value);
    }
    out.push(b'}');
}

/// How many bytes come before the first that needs an escape; `None` when
/// none does.
fn plain_run(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marks = escape_marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(index * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    let at = tail.iter().position(|&byte| needs_escape(byte))?;
    Some(words.len() * 8 + at)
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A set high bit for each byte that needs an escape. Borrows may mark bytes
/// above a true one as well, so only the lowest mark counts.
fn escape_marks(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGH_BITS
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            let hex = |nibble: u8| HEX[usize::from(nibble)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelsBuilder;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_json_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_ascii_byte_at_every_offset() {
        for byte in 0..=0x7f_u8 {
            for before in 0..18 {
                let text = format!("{}{}tail", "x".repeat(before), byte as char);
                assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn no_labels_are_an_empty_object() {
        let mut out = Vec::new();
        write_json_labels(&mut out, Labels::EMPTY);
        assert_eq!(out, b"{}");
    }

    /// Text rich in what needs an escape, beside bytes that a borrow could mark wrongly.
    fn thorny() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("!#[]".to_owned()),
            "[\u{0}-\u{22}\u{5b}-\u{5d}é\u{80}\u{2028}😀]{0,9}",
            any::<String>(),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn strings_equal_serde_jsons(text in thorny()) {
            prop_assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn labels_equal_serde_jsons(pairs in proptest::collection::btree_map(thorny(), thorny(), 0..6)) {
            let bytes = LabelsBuilder::encode(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let kept: std::collections::BTreeMap<_, _> = pairs.iter().filter(|(_, v)| !v.is_empty()).collect();
            let mut out = Vec::new();
            write_json_labels(&mut out, Labels::from_encoded(&bytes));
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&kept).unwrap());
        }
    }
}
