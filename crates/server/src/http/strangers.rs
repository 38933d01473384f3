//! Those who have shown nothing yet when their body is read: it says who they
//! are, by a key in it or by its signature.

use super::problem::Problem;
use super::room::Room;
use http::StatusCode;

/// Strangers at a time, over all connections and intakes: those whose body is
/// being read or checked.
const STRANGERS_MAX: usize = 128;

/// A stranger had to make room for a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests are being read that show their credential in the body")]
pub(super) struct CrowdedOut;

impl From<CrowdedOut> for Problem {
    fn from(crowded_out: CrowdedOut) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, crowded_out.to_string())
    }
}

/// Who may have a body read without a credential in the head.
pub(crate) struct Strangers(Room);

impl Default for Strangers {
    fn default() -> Self {
        Self(Room::new(STRANGERS_MAX))
    }
}

impl Strangers {
    /// Does what there is to do until it is known who it is. Whoever has sent
    /// everything is through before anybody can be crowded out.
    pub(super) async fn hear<T>(&self, work: impl Future<Output = T>) -> Result<T, CrowdedOut> {
        let mut ticket = self.0.begin();
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = ticket.crowded_out() => Err(CrowdedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::future::{pending, ready};
    use std::pin::pin;

    #[test]
    fn those_who_wait_make_room_and_those_who_are_done_need_none() {
        let strangers = Strangers::default();
        let mut first = pin!(strangers.hear(pending::<()>()));
        assert!(first.as_mut().now_or_never().is_none());
        let mut others: Vec<_> =
            (1..STRANGERS_MAX).map(|_| Box::pin(strangers.hear(pending::<()>()))).collect();
        assert!(others.iter_mut().all(|other| other.now_or_never().is_none()));
        assert!(first.as_mut().now_or_never().is_none());
        assert_eq!(strangers.hear(ready(5)).now_or_never(), Some(Ok(5)));
        assert_eq!(first.now_or_never(), Some(Err(CrowdedOut)));
        assert!(others.iter_mut().all(|other| other.now_or_never().is_none()));
    }
}
