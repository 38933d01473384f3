//! File descriptors: strangers' connections must never take those that the
//! journal and the sends need, since a file that can't be opened stops the
//! journal for good.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections, where there are descriptors enough.
const CONNECTIONS_MAX: u64 = 8192;

/// As many again stay for files and sends.
const DESCRIPTORS_WANTED: u64 = 2 * CONNECTIONS_MAX;

/// How many connections may be open at a time. Asks for the descriptors first:
/// the usual soft limit of 1024 is there for programs that use `select`.
pub(super) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(DESCRIPTORS_WANTED);
    if limit.current.is_some_and(|current| current < most) {
        // Where it is refused, fewer connections are taken.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    }
    connections_within(getrlimit(Resource::Nofile).current)
}

/// Half of the descriptors.
fn connections_within(descriptors: Option<u64>) -> usize {
    let half = descriptors.map_or(CONNECTIONS_MAX, |all| all / 2);
    half.clamp(1, CONNECTIONS_MAX) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_are_for_connections() {
        for (descriptors, want) in [(Some(1), 1), (Some(1024), 512), (Some(1 << 20), 8192), (None, 8192)] {
            assert_eq!(connections_within(descriptors), want);
        }
    }
}
