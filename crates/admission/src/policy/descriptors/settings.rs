//! What a tenant's file says about descriptors.

use std::sync::Arc;

/// One domain's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainSettings {
    /// As requests name it.
    pub domain: Arc<str>,
    /// For a descriptor's first entry.
    pub rules: Vec<RuleSettings>,
}

/// What holds descriptors whose next entry is such.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSettings {
    /// The entry's key.
    pub key: Arc<str>,
    /// The entry's value, with `*` for any characters; none for all values.
    pub value: Option<Arc<str>>,
    /// None: the rule is there for those below it.
    pub limit: Option<RuleLimit>,
    /// As answers and [`RuleSettings::replaces`] call it.
    pub name: Option<Arc<str>>,
    /// Rules by name that don't count where this one is met by another
    /// descriptor of the same request.
    pub replaces: Vec<Arc<str>>,
    /// Decides, and refuses nothing.
    pub dry_run: bool,
    /// Refuses a request only where all such rules that it meets refuse.
    pub is_quota: bool,
    /// All values that the pattern takes in share one bucket.
    pub is_shared: bool,
    /// For the next entry.
    pub rules: Vec<RuleSettings>,
}

impl RuleSettings {
    /// A rule for all values of a key, without a limit.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self {
            key: key.into(),
            value: None,
            limit: None,
            name: None,
            replaces: Vec::new(),
            dry_run: false,
            is_quota: false,
            is_shared: false,
            rules: Vec::new(),
        }
    }
}

/// How much a rule lets through.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleLimit {
    /// Everything.
    Unlimited,
    /// A token bucket; nothing where its `requests_per_unit` is 0.
    Bucket {
        /// How fast it refills.
        rate: UnitRate,
        /// What it holds; else what comes back in one unit.
        burst: Option<u32>,
    },
    /// That of a policy by name; the client is the last entry's value.
    Policy(Arc<str>),
}

/// So many requests in a unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitRate {
    /// Requests.
    pub requests_per_unit: u32,
    /// In which time.
    pub unit: Unit,
}

impl UnitRate {
    /// The same in a second.
    #[must_use]
    pub fn per_s(self) -> f64 {
        f64::from(self.requests_per_unit) / self.unit.seconds() as f64
    }
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 1 s
    Second,
    /// 60 s
    Minute,
    /// 3 600 s
    Hour,
    /// 24 hours
    Day,
    /// 7 days
    Week,
    /// 30 days
    Month,
    /// 365 days
    Year,
}

impl Unit {
    /// How long it is.
    #[must_use]
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
        }
    }
}
