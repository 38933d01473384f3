//! Patterns of the few kinds that settings know.

/// Whether `text` is `pattern`, in which `*` stands for any characters. Time
/// is bounded by the product of both lengths.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on when the last star has to take in one character more.
    let mut again = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == text[seen] => (at, seen) = (at + 1, seen + 1),
            _ => {
                let Some((star, from)) = again else { return false };
                again = Some((star, from + 1));
                (at, seen) = (star + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
