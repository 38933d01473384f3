use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

/// One thing that a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Send alerts and observations.
    Ingest,
    /// List alerts, deliveries, silences, usage.
    Read,
    /// Acknowledge, dismiss, silence, retry.
    Respond,
    /// Ask for rate-limit decisions.
    Limit,
    /// Everything that concerns the service or more than one tenant.
    Operator,
}

impl Scope {
    /// Every scope with its name, in the order of their bits.
    pub const ALL: [(Scope, &'static str); 5] = [
        (Scope::Ingest, "ingest"),
        (Scope::Read, "read"),
        (Scope::Respond, "respond"),
        (Scope::Limit, "limit"),
        (Scope::Operator, "operator"),
    ];

    /// The scope of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(scope, _)| *scope)
    }

    /// Name in settings and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One or more scopes: there is no way to make an empty set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// Text that is not a list of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a scope: use a comma list of `ingest`, `read`, `respond`, `limit`, `operator`")]
pub struct ScopesError {
    /// The part that isn't one.
    pub text: String,
}

impl Scopes {
    /// True where `scope` is one of them.
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Each scope, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().map(|(scope, _)| scope).filter(move |&scope| self.contains(scope))
    }

    /// Those of `scopes`; nothing where there is none.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let bits = scopes.into_iter().fold(0, |bits, scope| bits | bit(scope));
        (bits != 0).then_some(Self(bits))
    }

    /// These and others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// As stored: bit n stands for the n-th of [`Scope::ALL`].
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: i64) -> Option<Self> {
        (1..1 << Scope::ALL.len()).contains(&bits).then_some(Self(bits as u8))
    }
}

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(bit(scope))
    }
}

impl BitOr<Scope> for Scopes {
    type Output = Self;

    fn bitor(self, scope: Scope) -> Self {
        Self(self.0 | bit(scope))
    }
}

impl BitOr for Scope {
    type Output = Scopes;

    fn bitor(self, other: Self) -> Scopes {
        Scopes::from(self) | other
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    fn from_str(text: &str) -> Result<Self, ScopesError> {
        let mut bits = 0;
        for name in text.split(',').map(str::trim) {
            let scope = Scope::named(name).ok_or_else(|| ScopesError {
                text: name.chars().take(80).flat_map(char::escape_debug).collect(),
            })?;
            bits |= bit(scope);
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_printed_and_read() {
        for bits in 1..32 {
            let scopes = Scopes::from_bits(bits).unwrap();
            assert_eq!(scopes.to_string().parse::<Scopes>(), Ok(scopes));
            assert_eq!(scopes.iter().count() as u32, bits.count_ones());
            assert_eq!(Scopes::of(scopes.iter()), Some(scopes));
        }
        assert_eq!(Scopes::of([]), None);
        assert_eq!(Scopes::from_bits(0), None);
        assert_eq!(Scopes::from_bits(32), None);
    }

    #[test]
    fn nothing_else_is_a_scope() {
        for bad in ["", ",", "read,", "Read", "admin", "read ingest"] {
            assert!(bad.parse::<Scopes>().is_err(), "{bad}");
        }
        assert_eq!("respond, ingest,read".parse(), Ok(Scope::Ingest | Scope::Read | Scope::Respond));
    }
}
