//! When keys were last used, written down off the hot path.

use super::Auth;
use crate::clock::Clock;
use openclaw_state::{KeyId, Keys, StateError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked which keys were used.
const LOOK: Duration = Duration::from_secs(1);

/// A key in use is written down this often.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// Keys in one transaction; the others come at the next look.
const BATCH_MAX: usize = 1000;

/// When each key was last written down.
#[derive(Default)]
struct Written(HashMap<KeyId, Instant>);

impl Written {
    /// Of the keys that were used those whose turn it is.
    fn due(&mut self, used: impl Iterator<Item = KeyId>, now: Instant) -> Vec<KeyId> {
        self.0.retain(|_, at| now < *at + WRITE_EVERY);
        used.filter(|id| !self.0.contains_key(id)).take(BATCH_MAX).collect()
    }

    fn note(&mut self, ids: &[KeyId], now: Instant) {
        self.0.extend(ids.iter().map(|id| (*id, now)));
    }
}

/// Runs for the life of the server.
pub(crate) async fn keep_uses(auth: Arc<Auth>, keys: Arc<Keys>, clock: Arc<Clock>) {
    let mut written = Written::default();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        let used = written.due(auth.keys().used(), now);
        if used.is_empty() {
            continue;
        }
        let (open, at) = (Arc::clone(&keys), clock.now());
        let noted = tokio::task::spawn_blocking(move || {
            open.touch(used.iter().copied(), at)?;
            Ok::<_, StateError>(used)
        });
        match noted.await {
            Ok(Ok(used)) => {
                auth.keys().forget_use(&used);
                written.note(&used, now);
            }
            // Another process is writing: the next look tries again.
            Ok(Err(error)) => tracing::debug!(%error, "the use of keys can't be noted yet"),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_down_at_most_once_a_minute() {
        let (a, b): (KeyId, KeyId) = ("ocAAAAAAAA".parse().unwrap(), "ocBBBBBBBB".parse().unwrap());
        let (mut written, start) = (Written::default(), Instant::now());
        let mut writes = Vec::new();
        for second in 0..200 {
            let now = start + Duration::from_secs(second);
            let used = [Some(a), (second % 90 == 0).then_some(b)].into_iter().flatten();
            let due = written.due(used, now);
            written.note(&due, now);
            writes.extend(due.into_iter().map(|id| (id, second)));
        }
        let of = |key| writes.iter().filter(|(id, _)| *id == key).map(|(_, at)| *at).collect::<Vec<_>>();
        assert_eq!(of(a), [0, 60, 120, 180]);
        assert_eq!(of(b), [0, 90, 180]);
    }
}
