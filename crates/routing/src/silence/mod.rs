//! Silences: what people don't want to be told for a while.
//!
//! Alertmanager's rules, and three things that its users have wished for.
//! They travel in a silence's annotations, so that every client of the API can
//! set them and none loses them:
//!
//! | annotation | meaning |
//! |---|---|
//! | `openclaw/until: resolved` | ends when nothing that it matches fires any more |
//! | `openclaw/receivers: a,b` | holds messages to these receivers only |
//! | `openclaw/during: NAME` | holds in the times of this time interval only: maintenance that comes again |

#[cfg(test)]
mod tests;

use crate::index::MatcherIndex;
use openclaw_alert::codec::{Corrupt, Put, Reader};
use openclaw_alert::{Labels, MatchOp, Matcher, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An expired silence is kept for this long.
const RETENTION: Duration = Duration::from_secs(120 * 3600);

/// Silences of one tenant, expired ones included.
const SILENCES_MAX: usize = 20_000;

/// Bytes of one silence.
const SILENCE_BYTES_MAX: usize = 64 << 10;

/// Bytes of all silences of a tenant.
const ALL_BYTES_MAX: usize = 16 << 20;

/// Patterns in all silences of a tenant that have not expired: each may take
/// far more memory than its text.
const PATTERNS_MAX: usize = 4096;

/// Those that have expired for too long are looked for this often.
const SWEEP: Duration = Duration::from_secs(3600);

/// A silence's name: a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceId([u8; 16]);

impl SilenceId {
    /// A random UUID (RFC 9562, version 4) of these bits.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// Appends the encoded form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    /// Reads what [`SilenceId::write`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes end early.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self(*r.take(16)?.first_chunk().ok_or(Corrupt("silence id"))?))
    }
}

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Text that is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoUuid;

impl FromStr for SilenceId {
    type Err = NoUuid;

    fn from_str(text: &str) -> Result<Self, NoUuid> {
        let parts: Vec<&str> = text.split('-').collect();
        if !parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) {
            return Err(NoUuid);
        }
        let number = u128::from_str_radix(&parts.concat(), 16).map_err(|_| NoUuid)?;
        // `from_str_radix` also takes a sign.
        if text.contains('+') { Err(NoUuid) } else { Ok(Self(number.to_be_bytes())) }
    }
}

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// In force.
    Active,
    /// Still to come.
    Pending,
    /// Over.
    Expired,
}

impl SilenceState {
    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// What goes beyond Alertmanager's silences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SilenceScope {
    /// Holds messages to these receivers only; to all where empty.
    pub receivers: Vec<Box<str>>,
    /// Ends when nothing that it matches fires any more.
    pub is_until_resolved: bool,
    /// Holds in the times of this name only.
    pub during: Option<Box<str>>,
}

impl SilenceScope {
    fn of(annotations: &[(Box<str>, Box<str>)]) -> Self {
        let mut scope = Self::default();
        for (name, value) in annotations {
            match &**name {
                "openclaw/receivers" => {
                    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                    scope.receivers = names.map(Into::into).collect();
                }
                "openclaw/until" => scope.is_until_resolved = &**value == "resolved",
                "openclaw/during" => scope.during = Some(value.clone()),
                _ => {}
            }
        }
        scope
    }

    /// Whether messages to this receiver are held.
    #[must_use]
    pub fn covers(&self, receiver: &str) -> bool {
        self.receivers.is_empty() || self.receivers.iter().any(|name| **name == *receiver)
    }
}

/// A silence as people post it.
#[derive(Debug, Clone)]
pub struct PostedSilence {
    /// Set to change one.
    pub id: Option<SilenceId>,
    /// What is silenced: what meets all of these.
    pub matchers: Vec<Matcher>,
    /// From when; from now where not said.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Timestamp,
    /// By whom.
    pub created_by: Box<str>,
    /// Why.
    pub comment: Box<str>,
    /// Data for people, and the wishes above.
    pub annotations: Vec<(Box<str>, Box<str>)>,
}

impl PostedSilence {
    /// About as many bytes as it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes_of(&self.matchers, &self.annotations) + self.created_by.len() + self.comment.len()
    }
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Its name.
    pub id: SilenceId,
    /// What is silenced: what meets all of these.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// By whom.
    pub created_by: Box<str>,
    /// Why.
    pub comment: Box<str>,
    /// Data for people.
    pub annotations: Vec<(Box<str>, Box<str>)>,
    /// What the annotations ask for.
    pub scope: SilenceScope,
}

impl Silence {
    /// Where it stands at a time.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now >= self.ends_at {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    fn bytes(&self) -> usize {
        bytes_of(&self.matchers, &self.annotations) + self.created_by.len() + self.comment.len()
    }

    /// Whether people may still see it.
    fn is_kept(&self, now: Timestamp) -> bool {
        self.ends_at.plus(RETENTION) >= now
    }

    /// Whether a label set meets all its matchers.
    #[must_use]
    pub fn matches(&self, labels: Labels<'_>) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// Appends the encoded form.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.id.write(out);
        out.put_varint(self.matchers.len() as u64);
        for matcher in &self.matchers {
            out.put_str(matcher.name());
            out.put_u8(matcher.op() as u8);
            out.put_str(matcher.value());
        }
        [self.starts_at, self.ends_at, self.updated_at].iter().for_each(|at| out.put_signed(at.nanos()));
        out.put_str(&self.created_by);
        out.put_str(&self.comment);
        out.put_varint(self.annotations.len() as u64);
        for (name, value) in &self.annotations {
            out.put_str(name);
            out.put_str(value);
        }
    }

    /// Reads what [`Silence::write`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`] for anything else.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let id = SilenceId::read(r)?;
        let matchers = (0..r.length()?).map(|_| read_matcher(r)).collect::<Result<_, _>>()?;
        let mut time = || Ok::<_, Corrupt>(Timestamp::from_nanos(r.signed()?));
        let (starts_at, ends_at, updated_at) = (time()?, time()?, time()?);
        let (created_by, comment) = (r.str()?.into(), r.str()?.into());
        let pairs = (0..r.length()?).map(|_| Ok((r.str()?.into(), r.str()?.into())));
        let annotations: Vec<(Box<str>, Box<str>)> = pairs.collect::<Result<_, Corrupt>>()?;
        let scope = SilenceScope::of(&annotations);
        Ok(Self { id, matchers, starts_at, ends_at, updated_at, created_by, comment, annotations, scope })
    }
}

fn read_matcher(r: &mut Reader<'_>) -> Result<Matcher, Corrupt> {
    let name = r.str()?;
    let op = match r.u8()? {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        _ => return Err(Corrupt("matcher of a silence")),
    };
    Matcher::new(name, op, r.str()?).map_err(|_| Corrupt("matcher of a silence"))
}

/// Why a silence can't be set, in Alertmanager's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SilenceRefusal {
    /// No silence has this id.
    NotFound,
    /// Without matchers it would silence everything.
    NoMatcher,
    /// All its matchers match what isn't there, so it would silence everything.
    MatchesAll,
    /// It ends before it starts.
    EndsBeforeStart,
    /// It has ended already.
    EndsInThePast,
    /// The tenant has too many.
    TooMany,
    /// The tenant's have too many bytes or patterns together.
    TooMuch,
    /// It is too long.
    TooLarge,
}

impl fmt::Display for SilenceRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("silence not found"),
            Self::NoMatcher => f.write_str("invalid silence: at least one matcher required"),
            Self::MatchesAll => {
                f.write_str("invalid silence: at least one matcher must not match the empty string")
            }
            Self::EndsBeforeStart => {
                f.write_str("Failed to create silence: start time must be before end time")
            }
            Self::EndsInThePast => f.write_str("Failed to create silence: end time can't be in the past"),
            Self::TooMany => write!(f, "exceeded maximum number of silences: {SILENCES_MAX}"),
            Self::TooMuch => write!(
                f,
                "exceeded what all silences may take together: {ALL_BYTES_MAX} bytes, {PATTERNS_MAX} patterns"
            ),
            Self::TooLarge => write!(f, "silence exceeded maximum size: {SILENCE_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for SilenceRefusal {}

/// What setting a silence comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceChange {
    /// The silence as it will be.
    pub set: Silence,
    /// One that ends, since the new one takes its place.
    pub expire: Option<SilenceId>,
}

/// A tenant's silences.
#[derive(Debug)]
pub struct Silences {
    by_id: BTreeMap<SilenceId, Silence>,
    /// Those that had not expired when they were set, under their numbers in
    /// the index; `None` for one that has been ended since.
    current: Vec<Option<SilenceId>>,
    numbers: HashMap<SilenceId, u32>,
    index: MatcherIndex,
    /// When the index is made anew, without what has expired.
    rebuild_at: usize,
    sweep_at: Timestamp,
}

impl Default for Silences {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            current: Vec::new(),
            numbers: HashMap::new(),
            index: MatcherIndex::default(),
            rebuild_at: 64,
            sweep_at: Timestamp::MIN,
        }
    }
}

impl Silences {
    /// What setting this silence would come to; `new_id` is used where it
    /// doesn't take the place of itself.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn change(
        &self,
        posted: PostedSilence,
        new_id: SilenceId,
        now: Timestamp,
    ) -> Result<SilenceChange, SilenceRefusal> {
        let starts_at = posted.starts_at.unwrap_or(now);
        check(&posted, starts_at, now)?;
        let before = match posted.id {
            Some(id) => Some(self.by_id.get(&id).ok_or(SilenceRefusal::NotFound)?),
            None => None,
        };
        let in_place =
            before.filter(|before| may_become(before, &posted.matchers, starts_at, posted.ends_at, now));
        if in_place.is_none() {
            self.check_room(&posted, now)?;
        }
        let set = Silence {
            id: in_place.map_or(new_id, |before| before.id),
            matchers: posted.matchers,
            // What a silence has held before it was posted was told already.
            starts_at: if in_place.is_some() { starts_at } else { starts_at.max(now) },
            ends_at: posted.ends_at,
            updated_at: now,
            created_by: posted.created_by,
            comment: posted.comment,
            scope: SilenceScope::of(&posted.annotations),
            annotations: posted.annotations,
        };
        let replaced =
            before.filter(|before| in_place.is_none() && before.state(now) != SilenceState::Expired);
        Ok(SilenceChange { set, expire: replaced.map(|before| before.id) })
    }

    fn check_room(&self, posted: &PostedSilence, now: Timestamp) -> Result<(), SilenceRefusal> {
        let (mut count, mut bytes, mut all_patterns) = (0, posted.bytes(), patterns(&posted.matchers));
        for silence in self.kept(now) {
            count += 1;
            bytes += silence.bytes();
            if silence.state(now) != SilenceState::Expired {
                all_patterns += patterns(&silence.matchers);
            }
        }
        if count >= SILENCES_MAX {
            return Err(SilenceRefusal::TooMany);
        }
        if bytes > ALL_BYTES_MAX || all_patterns > PATTERNS_MAX {
            return Err(SilenceRefusal::TooMuch);
        }
        Ok(())
    }

    /// Those of a snapshot.
    #[must_use]
    pub fn of(silences: Vec<Silence>) -> Self {
        let by_id = silences.into_iter().map(|silence| (silence.id, silence)).collect();
        let mut silences = Self { by_id, ..Self::default() };
        // What has expired since is found out when it is looked at.
        silences.rebuild(Timestamp::MIN);
        silences
    }

    /// Puts one in its place, and forgets those that expired long ago.
    pub fn set(&mut self, silence: Silence, now: Timestamp) {
        if now >= self.sweep_at {
            self.by_id.retain(|_, silence| silence.is_kept(now));
            self.sweep_at = now.plus(SWEEP);
        }
        let (id, matchers) = (silence.id, silence.matchers.clone());
        self.by_id.insert(id, silence);
        if self.numbers.contains_key(&id) {
            return; // its matchers stay what they are
        }
        self.add(id, &matchers);
        if self.current.len() >= self.rebuild_at {
            self.rebuild(now);
        }
    }

    fn add(&mut self, id: SilenceId, matchers: &[Matcher]) {
        let number = self.current.len() as u32;
        self.index.insert(number, matchers);
        self.numbers.insert(id, number);
        self.current.push(Some(id));
    }

    /// Ends one now; one that is over stays as it is.
    pub fn expire(&mut self, id: SilenceId, now: Timestamp) {
        let Some(silence) = self.by_id.get_mut(&id) else { return };
        match silence.state(now) {
            SilenceState::Expired => return,
            SilenceState::Pending => (silence.starts_at, silence.ends_at) = (now, now),
            SilenceState::Active => silence.ends_at = now,
        }
        silence.updated_at = now;
        if let Some(number) = self.numbers.remove(&id) {
            self.current[number as usize] = None;
        }
    }

    fn rebuild(&mut self, now: Timestamp) {
        self.index = MatcherIndex::default();
        self.current.clear();
        self.numbers.clear();
        let open = self.by_id.values().filter(|silence| silence.state(now) != SilenceState::Expired);
        let open: Vec<_> = open.map(|silence| (silence.id, silence.matchers.clone())).collect();
        open.iter().for_each(|(id, matchers)| self.add(*id, matchers));
        self.rebuild_at = 2 * self.current.len() + 64;
    }

    /// One by its id.
    #[must_use]
    pub fn get(&self, id: SilenceId) -> Option<&Silence> {
        self.by_id.get(&id)
    }

    /// All that are in memory, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }

    /// All that people may still see, expired ones for five days, in the order
    /// of their ids.
    pub fn kept(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.by_id.values().filter(move |silence| silence.is_kept(now))
    }

    /// True where none can be in force.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Those in force that match, whatever their scope, in no particular order.
    pub fn in_force<'a>(
        &'a self,
        labels: Labels<'a>,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Silence> + 'a {
        let labels_if_any = if self.is_idle() { None } else { Some(labels) };
        let numbers = labels_if_any.into_iter().flat_map(|labels| self.index.candidates(labels));
        let found = numbers.filter_map(|number| self.by_id.get(self.current.get(number as usize)?.as_ref()?));
        found.filter(move |silence| silence.state(now) == SilenceState::Active && silence.matches(labels))
    }

    /// Those in force that match, whatever their scope; sorted by id.
    #[must_use]
    pub fn matching<'a>(&'a self, labels: Labels<'a>, now: Timestamp) -> Vec<&'a Silence> {
        let mut found: Vec<_> = self.in_force(labels, now).collect();
        found.sort_unstable_by_key(|silence| silence.id);
        found
    }
}

fn patterns(matchers: &[Matcher]) -> usize {
    matchers.iter().filter(|matcher| matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex)).count()
}

fn bytes_of(matchers: &[Matcher], annotations: &[(Box<str>, Box<str>)]) -> usize {
    let matcher = |matcher: &Matcher| matcher.name().len() + matcher.value().len() + 8;
    let note = |(name, value): &(Box<str>, Box<str>)| name.len() + value.len() + 8;
    matchers.iter().map(matcher).sum::<usize>() + annotations.iter().map(note).sum::<usize>()
}

fn check(posted: &PostedSilence, starts_at: Timestamp, now: Timestamp) -> Result<(), SilenceRefusal> {
    if starts_at >= posted.ends_at {
        return Err(SilenceRefusal::EndsBeforeStart);
    }
    if posted.ends_at < now {
        return Err(SilenceRefusal::EndsInThePast);
    }
    if posted.matchers.is_empty() {
        return Err(SilenceRefusal::NoMatcher);
    }
    if posted.matchers.iter().all(Matcher::matches_empty_for_silence) {
        return Err(SilenceRefusal::MatchesAll);
    }
    if posted.bytes() > SILENCE_BYTES_MAX {
        return Err(SilenceRefusal::TooLarge);
    }
    Ok(())
}

/// Whether a silence may be changed in place, so that its past stays true.
fn may_become(
    before: &Silence,
    matchers: &[Matcher],
    starts_at: Timestamp,
    ends_at: Timestamp,
    now: Timestamp,
) -> bool {
    let to_the_second = |at: Timestamp| at.nanos().div_euclid(1_000_000_000);
    before.matchers == matchers
        && match before.state(now) {
            SilenceState::Active => {
                to_the_second(starts_at) == to_the_second(before.starts_at) && ends_at >= now
            }
            SilenceState::Pending => starts_at >= now,
            SilenceState::Expired => false,
        }
}
