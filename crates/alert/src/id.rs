//! The id of an alert episode.

use crate::PartitionId;
use std::fmt;
use std::str::FromStr;

/// One episode of an alert, from its first firing to its end. Its partition
/// and the offset of its first record there, so the same on every replay.
/// Written `al_` and 13 characters of Crockford's base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpisodeId {
    /// The tenant's partition.
    pub partition: PartitionId,
    /// Offset of the record that opened the episode, below 2^56.
    pub offset: u64,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 13;

impl fmt::Display for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = u64::from(self.partition.get()) << 56 | self.offset;
        let mut text = [b'0'; DIGITS];
        for digit in text.iter_mut().rev() {
            *digit = ALPHABET[(number & 31) as usize];
            number >>= 5;
        }
        f.write_str("al_")?;
        text.iter().try_for_each(|&digit| fmt::Write::write_char(f, digit as char))
    }
}

/// Not an episode's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeIdError;

impl fmt::Display for EpisodeIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert id is `al_` and 13 characters")
    }
}

impl std::error::Error for EpisodeIdError {}

impl FromStr for EpisodeId {
    type Err = EpisodeIdError;

    fn from_str(text: &str) -> Result<Self, EpisodeIdError> {
        let digits = text.strip_prefix("al_").ok_or(EpisodeIdError)?.as_bytes();
        if digits.len() != DIGITS {
            return Err(EpisodeIdError);
        }
        let mut number = 0_u128;
        for digit in digits {
            let value = ALPHABET.iter().position(|known| known == digit).ok_or(EpisodeIdError)?;
            number = number << 5 | value as u128;
        }
        let number = u64::try_from(number).map_err(|_| EpisodeIdError)?;
        let partition = PartitionId::new((number >> 56) as u8).ok_or(EpisodeIdError)?;
        Ok(Self { partition, offset: number & ((1 << 56) - 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_and_back(partition in 0_u8..64, offset in 0_u64..(1 << 56)) {
            let id = EpisodeId { partition: PartitionId::new(partition).unwrap(), offset };
            prop_assert_eq!(id.to_string().parse::<EpisodeId>().unwrap(), id);
        }

        #[test]
        fn any_text_is_refused_or_canonical(text in "al_[0-9a-z]{13}") {
            if let Ok(id) = text.parse::<EpisodeId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
