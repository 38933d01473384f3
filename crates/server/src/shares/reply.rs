//! Redis's answers (RESP 2), and questions in the same form.

/// Nothing that the ledger says is near it.
pub(super) const BYTES_MAX: usize = 4 << 20;
const DEPTH_MAX: u32 = 4;

/// What Redis says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Text(Vec<u8>),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
    /// It refuses.
    Error(String),
}

/// Not what Redis would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of Redis")]
pub(crate) struct NotRedis;

impl Reply {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// The question, as Redis reads it.
pub(super) fn command(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The first answer and what follows it; nothing while it isn't whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Reply, &[u8])>, NotRedis> {
    parse_within(bytes, DEPTH_MAX)
}

fn parse_within(bytes: &[u8], depth: u32) -> Result<Option<(Reply, &[u8])>, NotRedis> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let (line, rest) = (&bytes[..end], &bytes[end + 2..]);
    let (kind, line) = line.split_first().ok_or(NotRedis)?;
    let text = || String::from_utf8_lossy(line).into_owned();
    let whole = |reply| Ok(Some((reply, rest)));
    match kind {
        b'+' => whole(Reply::Text(line.to_vec())),
        b'-' => whole(Reply::Error(text())),
        b':' => whole(Reply::Number(number(line)?)),
        b'$' => bulk(number(line)?, rest),
        b'*' => list(number(line)?, rest, depth.checked_sub(1).ok_or(NotRedis)?),
        _ => Err(NotRedis),
    }
}

fn number(line: &[u8]) -> Result<i64, NotRedis> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(NotRedis)
}

fn bulk(length: i64, rest: &[u8]) -> Result<Option<(Reply, &[u8])>, NotRedis> {
    if length == -1 {
        return Ok(Some((Reply::Nothing, rest)));
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= BYTES_MAX).ok_or(NotRedis)?;
    let Some((text, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    let Some((end, rest)) = rest.split_at_checked(2) else { return Ok(None) };
    if end != b"\r\n" {
        return Err(NotRedis);
    }
    Ok(Some((Reply::Text(text.to_vec()), rest)))
}

fn list(length: i64, mut rest: &[u8], depth: u32) -> Result<Option<(Reply, &[u8])>, NotRedis> {
    if length == -1 {
        return Ok(Some((Reply::Nothing, rest)));
    }
    // The shortest item has three bytes, and all of them less than the most.
    let length = usize::try_from(length).ok().filter(|length| *length <= BYTES_MAX / 3).ok_or(NotRedis)?;
    let mut items = Vec::new();
    for _ in 0..length {
        let Some((item, after)) = parse_within(rest, depth)? else { return Ok(None) };
        items.push(item);
        rest = after;
    }
    Ok(Some((Reply::List(items), rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(reply: &Reply) -> Vec<u8> {
        match reply {
            Reply::Text(text) => [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat(),
            Reply::Number(number) => format!(":{number}\r\n").into_bytes(),
            Reply::Nothing => b"$-1\r\n".to_vec(),
            Reply::Error(text) => format!("-{text}\r\n").into_bytes(),
            Reply::List(items) => {
                let items: Vec<u8> = items.iter().flat_map(written).collect();
                let Reply::List(all) = reply else { unreachable!() };
                [format!("*{}\r\n", all.len()).as_bytes(), &items].concat()
            }
        }
    }

    fn replies() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Reply::Text),
            any::<i64>().prop_map(Reply::Number),
            "[A-Z ]{0,20}".prop_map(Reply::Error),
            Just(Reply::Nothing),
        ];
        leaf.prop_recursive(3, 40, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Reply::List))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(reply in replies(), more in prop::collection::vec(any::<u8>(), 0..10)) {
            let bytes = written(&reply);
            for cut in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..cut]), Ok(None));
            }
            let all = [bytes, more.clone()].concat();
            prop_assert_eq!(parse(&all), Ok(Some((reply, &more[..]))));
        }

        #[test]
        fn anything_can_come(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn depth_and_length_have_bounds() {
        assert_eq!(parse(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), Err(NotRedis));
        assert_eq!(parse(b"$99999999999\r\n"), Err(NotRedis));
        assert_eq!(parse(b"*99999999999\r\n"), Err(NotRedis));
        assert_eq!(parse(b"*-1\r\n"), Ok(Some((Reply::Nothing, &b""[..]))));
        assert_eq!(command(&["GET", "a b"]), b"*2\r\n$3\r\nGET\r\n$3\r\na b\r\n");
    }
}
