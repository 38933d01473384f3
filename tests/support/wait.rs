//! Waits for a condition. All have an end, and it is generous: the machine may
//! be busy.

use std::time::{Duration, Instant};

/// The longest wait for something that takes milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(5);

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "the other process can't be waited for in any other way")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until `look` gives something.
#[track_caller]
pub(crate) fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        pause(LOOK);
    }
}

/// Waits until `look` is true.
#[track_caller]
pub(crate) fn until(what: &str, mut look: impl FnMut() -> bool) {
    until_some(what, || look().then_some(()));
}
