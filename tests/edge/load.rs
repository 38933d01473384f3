//! Clients that ask without end and never ask twice for the same.

use crate::support::Request;
use crate::support::pause;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How an asker connects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Connects {
    /// Over one connection, until the answer says that it ends.
    Kept,
    /// Each time anew.
    Anew,
}

/// What has come of it.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) answered: u64,
    pub(crate) longest: Duration,
    pub(crate) failed: Vec<String>,
}

/// Askers at work.
pub(crate) struct Load {
    stops: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    askers: Vec<JoinHandle<Totals>>,
}

impl Load {
    /// Each request is to be answered with 200.
    pub(crate) fn start(address: SocketAddr, requests: Vec<(Connects, Request)>) -> Self {
        let (stops, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let ask = |(connects, request): (Connects, Request)| {
            let (stops, answered) = (Arc::clone(&stops), Arc::clone(&answered));
            std::thread::spawn(move || ask(address, connects, &request, &stops, &answered))
        };
        let askers = requests.into_iter().map(ask).collect();
        Self { stops, answered, askers }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(self) -> Totals {
        self.stops.store(true, Ordering::Relaxed);
        self.askers.into_iter().map(|asker| asker.join().unwrap()).fold(Totals::default(), |mut all, one| {
            all.answered += one.answered;
            all.longest = all.longest.max(one.longest);
            all.failed.extend(one.failed);
            all
        })
    }
}

fn ask(
    address: SocketAddr,
    connects: Connects,
    request: &Request,
    stops: &AtomicBool,
    answered: &AtomicU64,
) -> Totals {
    let (mut totals, mut kept) = (Totals::default(), None);
    while !stops.load(Ordering::Relaxed) {
        let began = Instant::now();
        match once(address, connects, request, &mut kept) {
            Ok(200) => totals.answered += 1,
            Ok(status) => totals.failed.push(format!("{connects:?}: status {status}")),
            Err(error) => {
                kept = None;
                totals.failed.push(format!("{connects:?}: {error}"));
            }
        }
        totals.longest = totals.longest.max(began.elapsed());
        answered.fetch_add(1, Ordering::Relaxed);
        pause(Duration::from_millis(2));
    }
    totals
}

fn once(
    address: SocketAddr,
    connects: Connects,
    request: &Request,
    kept: &mut Option<TcpStream>,
) -> io::Result<u16> {
    if matches!(connects, Connects::Anew) {
        return Ok(request.try_send(address)?.status);
    }
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address)?,
    };
    let response = request.send_over(&mut stream)?;
    if response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        // Nothing more may come.
        let mut rest = [0; 1];
        assert_eq!(stream.read(&mut rest).unwrap_or(0), 0);
    } else {
        *kept = Some(stream);
    }
    Ok(response.status)
}
