//! One process as the server runs it: partitions over one log, recovered from
//! snapshot and journal, answering and sending only what is durable.

use openclaw_alert::{PartitionId, TenantName, Timestamp};
use openclaw_journal::{Class, Disk, Frame, Options, Position, Writer};
use openclaw_pipeline::{Ack, Effects, Input, Partition, Send, Taken, TenantSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why, for people.
    pub why: String,
}

fn ended(error: impl std::fmt::Display) -> Ended {
    Ended { why: error.to_string() }
}

fn not_hosted(id: PartitionId) -> Ended {
    ended(format_args!("partition {} is not hosted", id.get()))
}

/// A start so long ago that its grace is over.
fn long_before(at: Timestamp) -> Timestamp {
    at.minus(Duration::from_secs(24 * 3600))
}

/// What a step brought about.
#[derive(Debug)]
pub struct Stepped {
    /// Once the log is durable up to here, the request may be answered…
    pub answer_at: Position,
    /// …and once up to here, these messages may be sent.
    pub send_at: Position,
    /// To be sent.
    pub sends: Vec<Send>,
    /// What became of a request's alerts.
    pub taken: Taken,
}

/// Where a process may be wrong on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flaws {
    /// Forgets after a start that nobody listened before.
    pub skips_grace: bool,
    /// Answers renewals without waiting for what they renew.
    pub hasty_renewals: bool,
}

struct Hosted {
    partition: Partition,
    next_deadline: Timestamp,
    stepped_at: Timestamp,
    /// End of the last frame that a sender was told to wait for.
    needed: Position,
}

/// A process that runs.
pub struct Machine {
    writer: Writer,
    partitions: BTreeMap<PartitionId, Hosted>,
    out: Effects,
    appended: Position,
    flaws: Flaws,
    found: Found,
}

/// What a start found on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// A commit that was cut short.
    pub torn_tail: bool,
    /// A snapshot to begin with.
    pub snapshot: bool,
    /// Frames that no snapshot holds.
    pub frames: u64,
}

impl Machine {
    /// Starts on what the disk holds, as the server does: open the log, load
    /// the newest snapshot, replay the frames it doesn't cover, set the
    /// tenants' settings, start each partition and write that down.
    ///
    /// # Errors
    /// The log doesn't open, or what it holds can't be replayed.
    pub fn boot(
        disk: Arc<dyn Disk>,
        options: &Options,
        tenants: &[Arc<TenantSettings>],
        now: Timestamp,
        seed: u64,
        flaws: Flaws,
    ) -> Result<Self, Ended> {
        let mut machine = Self::open(disk, options, tenants, now, seed, flaws)?;
        machine.recover()?;
        machine.start(tenants, now)?;
        Ok(machine)
    }

    /// The state that a process would start with; see [`Machine::state`].
    ///
    /// # Errors
    /// As for [`Machine::boot`].
    pub fn recovered(
        disk: Arc<dyn Disk>,
        options: &Options,
        tenants: &[Arc<TenantSettings>],
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, Ended> {
        let mut machine = Self::open(disk, options, tenants, now, 0, Flaws::default())?;
        machine.recover()?;
        Ok(machine.state())
    }

    fn open(
        disk: Arc<dyn Disk>,
        options: &Options,
        tenants: &[Arc<TenantSettings>],
        now: Timestamp,
        seed: u64,
        flaws: Flaws,
    ) -> Result<Self, Ended> {
        let (writer, report) = Writer::open(disk, options.clone(), now).map_err(ended)?;
        if !report.damage.is_empty() {
            return Err(ended(format_args!("durable data is damaged: {:?}", report.damage)));
        }
        let found = Found { torn_tail: report.torn.is_some(), ..Found::default() };
        let numbers: BTreeSet<PartitionId> = tenants.iter().map(|tenant| tenant.name.partition()).collect();
        let host = |&id: &PartitionId| {
            let partition = Partition::new(id, seed ^ u64::from(id.get()));
            let (next_deadline, stepped_at) = (Timestamp::MAX, Timestamp::MIN);
            (id, Hosted { partition, next_deadline, stepped_at, needed: Position::START })
        };
        let partitions = numbers.iter().map(host).collect();
        Ok(Self { writer, partitions, out: Effects::default(), appended: report.end, flaws, found })
    }

    fn recover(&mut self) -> Result<(), Ended> {
        let reader = self.writer.reader();
        let snapshot = reader.load_snapshot().map_err(ended)?;
        self.found.snapshot = snapshot.is_some();
        for part in snapshot.iter().flat_map(|snapshot| &snapshot.parts) {
            let Some(hosted) = self.partitions.get_mut(&part.partition) else { continue };
            hosted.partition.read_snapshot(&part.bytes).map_err(ended)?;
        }
        for frame in reader.recover(snapshot.as_ref()) {
            let frame = frame.map_err(ended)?;
            self.found.frames += 1;
            let Some(hosted) = self.partitions.get_mut(&frame.partition) else { continue };
            if frame.base_offset > hosted.partition.next_offset() {
                return Err(ended(format_args!("frames are missing before offset {}", frame.base_offset)));
            }
            hosted.stepped_at = hosted.stepped_at.max(frame.written_at);
            hosted.partition.replay(frame.base_offset, &frame.payload, frame.written_at).map_err(ended)?;
        }
        Ok(())
    }

    fn start(&mut self, tenants: &[Arc<TenantSettings>], now: Timestamp) -> Result<(), Ended> {
        for id in self.partitions.keys().copied().collect::<Vec<_>>() {
            let Some(hosted) = self.partitions.get_mut(&id) else { continue };
            let own = tenants.iter().filter(|tenant| tenant.name.partition() == id);
            own.for_each(|tenant| hosted.partition.configure(Arc::clone(tenant), now));
            let is_old = self.flaws.skips_grace && hosted.stepped_at > Timestamp::MIN;
            let believed = if is_old { long_before(hosted.stepped_at) } else { now.max(hosted.stepped_at) };
            hosted.partition.start(believed, &mut self.out);
            hosted.next_deadline = self.out.next_deadline.max(hosted.stepped_at);
            self.append(id, Class::Outcome, now)?;
        }
        Ok(())
    }

    /// Takes a step and appends what it decided.
    ///
    /// # Errors
    /// The log has failed; nothing of the step may be answered or sent.
    pub fn step(&mut self, id: PartitionId, input: &Input<'_>, now: Timestamp) -> Result<Stepped, Ended> {
        let class = if matches!(input, Input::Alerts { .. }) { Class::Intake } else { Class::Outcome };
        let Some(hosted) = self.partitions.get_mut(&id) else {
            return Err(not_hosted(id));
        };
        // A clock that is set back stands still for a partition.
        let now = now.max(hosted.stepped_at);
        hosted.stepped_at = now;
        let mut early = Vec::new();
        if self.flaws.skips_grace {
            self.catch_up(id, now, &mut early)?;
        }
        let Some(hosted) = self.partitions.get_mut(&id) else { return Err(not_hosted(id)) };
        hosted.partition.step(input, now, &mut self.out);
        hosted.next_deadline = self.out.next_deadline;
        self.append(id, class, now)?;
        let answer_at = self.answer_at(id);
        let taken = self.out.taken;
        let sends = early.into_iter().chain(self.out.sends.drain(..)).collect();
        Ok(Stepped { answer_at, send_at: self.appended, sends, taken })
    }

    /// Works off deadlines as though somebody had been there all the time.
    fn catch_up(&mut self, id: PartitionId, now: Timestamp, sends: &mut Vec<Send>) -> Result<(), Ended> {
        while let Some(hosted) = self.partitions.get_mut(&id).filter(|hosted| hosted.next_deadline < now) {
            let at = hosted.next_deadline;
            hosted.partition.step(&Input::Tick, at, &mut self.out);
            hosted.next_deadline = self.out.next_deadline;
            sends.append(&mut self.out.sends);
            self.append(id, Class::Outcome, at)?;
        }
        Ok(())
    }

    /// An answer that need not wait for its own frame still waits for those
    /// that it builds on: a renewal is worth nothing without its alert.
    fn answer_at(&mut self, id: PartitionId) -> Position {
        let Some(hosted) = self.partitions.get_mut(&id) else { return self.appended };
        match self.out.ack {
            Ack::WhenDurable => hosted.needed = self.appended,
            Ack::Now if self.flaws.hasty_renewals => return Position::START,
            Ack::Now => {}
        }
        hosted.needed
    }

    fn append(&mut self, partition: PartitionId, class: Class, now: Timestamp) -> Result<(), Ended> {
        let Effects { payload, records, base_offset, .. } = &self.out;
        if *records == 0 {
            return Ok(());
        }
        let (base_offset, records) = (*base_offset, *records);
        let frame = Frame { partition, class, base_offset, records, written_at: now, payload };
        self.appended = self.writer.append(&frame).map_err(ended)?;
        Ok(())
    }

    /// Makes durable what was appended; gives how far.
    ///
    /// # Errors
    /// The log has failed.
    pub fn commit(&mut self) -> Result<Position, Ended> {
        self.writer.commit().map_err(ended)
    }

    /// What it found when it started.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// How far the log is durable.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.writer.reader().durable()
    }

    /// What the log does beside its commits.
    ///
    /// # Errors
    /// The log has failed.
    pub fn maintain(&mut self) -> Result<(), Ended> {
        self.writer.maintain().map_err(ended)
    }

    /// Writes a snapshot of every partition.
    ///
    /// # Errors
    /// The log or the disk has failed.
    pub fn snapshot(&mut self) -> Result<Position, Ended> {
        let mut snapshot = self.writer.snapshot().map_err(ended)?;
        for (&id, hosted) in &self.partitions {
            let mut bytes = Vec::new();
            hosted.partition.write_snapshot(&mut bytes);
            snapshot.add(id, self.appended, &bytes).map_err(ended)?;
        }
        let durable = self.writer.commit().map_err(ended)?;
        snapshot.finish().map_err(ended)?;
        self.writer.maintain().map_err(ended)?;
        Ok(durable)
    }

    /// When each partition wants to be stepped again.
    pub fn deadlines(&self) -> impl Iterator<Item = (PartitionId, Timestamp)> + '_ {
        self.partitions.iter().map(|(&id, hosted)| (id, hosted.next_deadline))
    }

    /// A tenant's partition, for reading.
    #[must_use]
    pub fn partition_of(&self, tenant: &TenantName) -> Option<&Partition> {
        self.partitions.get(&tenant.partition()).map(|hosted| &hosted.partition)
    }

    /// The durable state of all partitions, comparable between processes:
    /// slots may differ, so it is a multiset of bytes.
    #[must_use]
    pub fn state(&self) -> Vec<Vec<u8>> {
        let state = |hosted: &Hosted| {
            let mut bytes = Vec::new();
            hosted.partition.write_snapshot(&mut bytes);
            bytes.sort_unstable();
            bytes
        };
        self.partitions.values().map(state).collect()
    }

    /// What is left to do: alerts and messages in memory.
    #[must_use]
    pub fn leftovers(&self, tenants: &[Arc<TenantSettings>]) -> Vec<String> {
        let mut left = Vec::new();
        for hosted in self.partitions.values() {
            let (id, alerts) = (hosted.partition.id().get(), hosted.partition.alerts_in_memory());
            let messages = tenants.iter().flat_map(|tenant| hosted.partition.messages(&tenant.name));
            left.extend(messages.map(|message| format!("partition {id}: {message:?}")));
            left.extend((alerts > 0).then(|| format!("partition {id}: {alerts} alerts in memory")));
        }
        left
    }
}
