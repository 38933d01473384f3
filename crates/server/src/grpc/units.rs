//! A bucket in the words of those who count in windows.

/// Requests a unit of time, as a protocol has it that knows nothing of bursts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) requests: u64,
    /// In Envoy's list of units.
    pub(super) number: u64,
}

/// Seconds of Envoy's units, and their numbers.
const UNITS: [(f64, u64); 4] = [(1.0, 1), (60.0, 2), (3600.0, 3), (86_400.0, 4)];

impl Unit {
    /// The shortest unit in which it is a whole number, or nearly; else the
    /// number a day, rounded.
    pub(super) fn of(rate_per_s: f64) -> Self {
        let whole = |(seconds, number): &(f64, u64)| {
            let requests = rate_per_s * seconds;
            let is_whole = requests >= 0.5 && (requests - requests.round()).abs() <= requests * 1e-6;
            is_whole.then(|| Self { requests: clamped(requests.round()), number: *number })
        };
        let day = || Self { requests: clamped((rate_per_s * 86_400.0).round()), number: 4 };
        UNITS.iter().find_map(whole).unwrap_or_else(day)
    }

    /// Seconds in which `limit` requests come back, at least one.
    pub(super) fn window_s(limit: u64, rate_per_s: f64) -> u64 {
        let seconds = (limit as f64 / rate_per_s).ceil();
        if seconds.is_nan() { 1 } else { (seconds as u64).max(1) }
    }
}

fn clamped(requests: f64) -> u64 {
    (requests as u64).min(u64::from(u32::MAX))
}

/// Whole seconds, rounded up.
pub(super) fn seconds_up(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_said_in_the_shortest_unit_that_is_whole() {
        for (rate_per_s, requests, number) in [
            (100.0, 100, 1),
            (0.5, 30, 2),
            (1.0 / 3600.0, 1, 3),
            (7.0 / 86_400.0, 7, 4),
            (1.0 / 7.0, 12_343, 4),
            (1e-9, 0, 4),
            (1e12, u64::from(u32::MAX), 1),
        ] {
            assert_eq!(Unit::of(rate_per_s), Unit { requests, number }, "{rate_per_s}");
        }
        assert_eq!([(1000, 100.0), (1, 100.0), (10, 0.0)].map(|(l, r)| Unit::window_s(l, r)), [10, 1, u64::MAX]);
        assert_eq!([0, 1, 1_000_000_000, 1_000_000_001].map(seconds_up), [0, 1, 1, 2]);
    }
}
