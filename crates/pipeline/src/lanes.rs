//! How fast messages leave: a lane an integration, with the pace that its
//! channel asks for, and a breaker that spares a receiver which is down.
//! Nothing of it is durable.

use openclaw_alert::{Pace, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Messages of one integration that may be under way at once.
pub(crate) const LANE_WINDOW: usize = 16;

/// Attempts that fail in a row before the breaker opens.
const FAILURES_MAX: u32 = 5;

/// For how long the breaker is open at first; twice as long each time after.
const OPEN_FIRST: Duration = Duration::from_secs(5);

/// For how long it is open at most, and the longest pause that a receiver's
/// `Retry-After` can bring upon messages beside the one that it answered.
const OPEN_MAX: Duration = Duration::from_secs(60);

/// What is being sent to one integration.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) in_flight: usize,
    pub(crate) ready: VecDeque<u64>,
    breaker: Breaker,
}

/// After M. Nygard, "Release It!", chapter "Circuit Breaker": closed, open for
/// a time, then one message tries whether the receiver is back.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    /// Times it has opened since the last success.
    openings: u32,
    /// Nothing goes before.
    shut_until: Timestamp,
}

impl Lane {
    /// How many more messages may go now; `Err` says from when on.
    pub(crate) fn room(&self, now: Timestamp) -> Result<usize, Timestamp> {
        if self.breaker.shut_until > now {
            return Err(self.breaker.shut_until);
        }
        let window = if self.breaker.openings > 0 { 1 } else { LANE_WINDOW };
        Ok(window.saturating_sub(self.in_flight))
    }

    /// The receiver has answered, whatever it said.
    pub(crate) fn answered(&mut self) {
        self.breaker = Breaker::default();
    }

    /// It has not, or can't take anything for `after`.
    pub(crate) fn failed(&mut self, after: Option<Duration>, now: Timestamp) {
        let breaker = &mut self.breaker;
        breaker.failures += 1;
        if let Some(after) = after {
            breaker.shut_until = breaker.shut_until.max(now.plus(after.min(OPEN_MAX)));
        }
        if breaker.failures >= FAILURES_MAX || breaker.openings > 0 {
            let open = OPEN_FIRST.saturating_mul(1 << breaker.openings.min(16)).min(OPEN_MAX);
            breaker.openings += 1;
            breaker.failures = 0;
            breaker.shut_until = breaker.shut_until.max(now.plus(open));
        }
    }

    /// Whether it spares a receiver that is down.
    pub(crate) fn is_open(&self) -> bool {
        self.breaker.openings > 0
    }

    /// Nothing in it worth remembering.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.ready.is_empty() && self.breaker.failures == 0 && !self.is_open()
    }
}

/// When each channel may be written to next: GCRA, the token bucket's
/// equivalent (ITU-T I.371).
#[derive(Debug, Default)]
pub(crate) struct Paces {
    /// The theoretical arrival time, by tenant and channel.
    due: HashMap<(u16, u64), Timestamp, foldhash::fast::FixedState>,
}

impl Paces {
    /// Channels remembered before those at rest are swept out.
    const SWEEP_ABOVE: usize = 1024;

    /// Takes the channel for one message, or says from when on it is free.
    pub(crate) fn take(&mut self, tenant: u16, pace: Pace, now: Timestamp) -> Result<(), Timestamp> {
        let key = (tenant, pace.channel);
        let due = self.due.get(&key).copied().unwrap_or(now).max(now);
        let slack = pace.every.saturating_mul(u32::from(pace.burst.saturating_sub(1)));
        if due.since(now) > slack {
            return Err(due.minus(slack));
        }
        if self.due.len() > Self::SWEEP_ABOVE {
            self.due.retain(|_, due| *due > now);
        }
        self.due.insert(key, due.plus(pace.every));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_secs(1_000).plus(Duration::from_millis(ms))
    }

    #[test]
    fn a_breaker_opens_tries_and_closes() {
        let mut lane = Lane::default();
        for _ in 0..4 {
            lane.failed(None, at(0));
        }
        assert_eq!(lane.room(at(0)), Ok(LANE_WINDOW));
        lane.failed(None, at(0));
        assert_eq!(lane.room(at(0)), Err(at(5_000)));
        assert_eq!(lane.room(at(5_000)), Ok(1));
        lane.failed(None, at(5_000));
        assert_eq!(lane.room(at(14_999)), Err(at(15_000)));
        (0..20).for_each(|_| lane.failed(None, at(15_000)));
        assert_eq!(lane.room(at(15_000)), Err(at(75_000)));
        lane.answered();
        assert_eq!(lane.room(at(15_000)), Ok(LANE_WINDOW));
        assert!(lane.is_idle());
    }

    #[test]
    fn who_is_asked_to_wait_waits_for_all_its_messages_and_not_for_ever() {
        let mut lane = Lane::default();
        lane.failed(Some(Duration::from_secs(7)), at(0));
        assert_eq!(lane.room(at(0)), Err(at(7_000)));
        assert!(!lane.is_open());
        lane.failed(Some(Duration::from_secs(86_400)), at(7_000));
        assert_eq!(lane.room(at(7_000)), Err(at(67_000)));
    }

    proptest! {
        /// In any window of time no more than the burst and what the rate gives.
        #[test]
        fn a_channel_is_never_written_faster(
            gaps_ms in prop::collection::vec(0_u64..2_000, 1..60),
            every_ms in 1_u64..1_500,
            burst in 1_u16..6,
        ) {
            let pace = Pace { channel: 1, every: Duration::from_millis(every_ms), burst };
            let (mut paces, mut now_ms, mut taken) = (Paces::default(), 0, Vec::new());
            for gap_ms in gaps_ms {
                now_ms += gap_ms;
                match paces.take(0, pace, at(now_ms)) {
                    Ok(()) => taken.push(now_ms),
                    Err(free) => {
                        prop_assert!(free > at(now_ms));
                        // Not a moment later than needed.
                        let mut later = Paces { due: paces.due.clone() };
                        prop_assert_eq!(later.take(0, pace, free), Ok(()));
                    }
                }
            }
            for (first, &from) in taken.iter().enumerate() {
                for (count, &to) in taken[first..].iter().enumerate() {
                    let allowed = u64::from(burst) + (to - from) / every_ms;
                    prop_assert!((count as u64) < allowed, "{taken:?}");
                }
            }
        }
    }
}
