//! Listening sockets: opened here, or taken over from who opened them.

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted: the default of 128 makes senders
/// that come all at once wait for seconds.
const BACKLOG: u32 = 1024;

/// The first descriptor that systemd passes.
const FIRST_PASSED: i32 = 3;

/// Listening sockets that somebody else has opened: systemd, or the process
/// that this one follows.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For HTTP.
    pub http: Option<StdListener>,
    /// For gRPC.
    pub grpc: Option<StdListener>,
    /// Whether they are of a process that may still be about to let the data
    /// folder go.
    pub follows: bool,
}

impl Inherited {
    /// Those that systemd passes to this process (`LISTEN_FDS`): by their names
    /// `http` and `grpc`, without names in that order.
    ///
    /// # Errors
    /// Where they can't be taken.
    pub fn of_systemd(variable: impl Fn(&str) -> Option<String>) -> io::Result<Self> {
        let is_ours = variable("LISTEN_PID").is_some_and(|pid| pid == getpid().to_string());
        let count = variable("LISTEN_FDS").and_then(|count| count.parse::<i32>().ok());
        let Some(count) = count.filter(|_| is_ours) else { return Ok(Self::default()) };
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut inherited = Self::default();
        for (index, name) in slots(count, &names) {
            let listener = passed(FIRST_PASSED + index)?;
            match name {
                Slot::Http => inherited.http = Some(listener),
                Slot::Grpc => inherited.grpc = Some(listener),
            }
        }
        Ok(inherited)
    }

    /// Whether others hold the same sockets, so that who connects meanwhile is
    /// answered by them or by who comes next.
    pub(crate) fn are_shared(&self) -> bool {
        self.http.is_some() || self.grpc.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Http,
    Grpc,
}

fn slots(count: i32, names: &str) -> Vec<(i32, Slot)> {
    let named = |name: &str| match name {
        "http" => Some(Slot::Http),
        "grpc" => Some(Slot::Grpc),
        _ => None,
    };
    let by_name: Vec<_> = (0..count).zip(names.split(':').map(named)).collect();
    if by_name.iter().any(|(_, slot)| slot.is_some()) {
        return by_name.into_iter().filter_map(|(index, slot)| Some((index, slot?))).collect();
    }
    (0..count).zip([Slot::Http, Slot::Grpc]).collect()
}

/// A copy of a descriptor that this process was started with.
fn passed(descriptor: i32) -> io::Result<StdListener> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(StdListener::from(pidfd_getfd(own, descriptor, PidfdGetfdFlags::empty())?))
}

/// Listens there, or goes on where another has.
pub(crate) fn listen(address: SocketAddr, inherited: Option<StdListener>) -> io::Result<TcpListener> {
    if let Some(listener) = inherited {
        listener.set_nonblocking(true)?;
        return TcpListener::from_std(listener);
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As `TcpListener::bind` does: a restart need not wait for old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_by_name_or_by_their_order() {
        for (count, names, want) in [
            (2, "", vec![(0, Slot::Http), (1, Slot::Grpc)]),
            (1, "unknown", vec![(0, Slot::Http)]),
            (2, "grpc:http", vec![(0, Slot::Grpc), (1, Slot::Http)]),
            (3, "other:http:grpc", vec![(1, Slot::Http), (2, Slot::Grpc)]),
            (0, "http", vec![]),
        ] {
            assert_eq!(slots(count, names), want, "{count} {names}");
        }
    }

    #[test]
    fn what_is_meant_for_another_process_is_left_alone() {
        let variable = |name: &str| (name != "LISTEN_PID").then(|| "2".to_owned());
        assert!(!Inherited::of_systemd(variable).unwrap().are_shared());
    }
}
