//! An open loop over HTTP: requests leave when they are due, whatever became of
//! those before them, and each is timed from then. So a server that stands still
//! for a moment is charged for all that should have been asked meanwhile.
//!
//! One thread, connections in turn, more than one request on the way on each
//! where answers are late.

use crate::error::LoadError;
use crate::figures::Samples;
use crate::measure::{Meter, Numbers};
use crate::request::{Head, KEY, Loopback, RequestArgs, client};
use clap::Args;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long answers may come after the last request.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct PacedArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    #[command(flatten)]
    request: RequestArgs,
    /// The server's processes; their children count with them
    #[arg(long)]
    server: Vec<u32>,
    /// Requests a second, over all connections
    #[arg(long)]
    rate: f64,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Clients, in random order
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
}

pub(crate) fn run(args: &PacedArgs) -> Result<Value, LoadError> {
    let mut load = Load::open(args)?;
    let meter = Meter::start(&args.server);
    load.run(args)?;
    let figures = meter.of(load.samples)?;
    let mut value = serde_json::to_value(figures).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("rate".to_owned(), json!(args.rate));
        object.insert("server_errors".to_owned(), json!(load.server_errors));
        object.insert("late_us_p999".to_owned(), json!(load.lateness.percentiles()?.p999_us));
    }
    Ok(value)
}

struct Load {
    events: OwnedFd,
    lanes: Vec<Lane>,
    template: String,
    numbers: Numbers,
    samples: Samples,
    /// From when a request was due to when it left: the load's own part.
    lateness: Samples,
    /// Answers of 500 and above.
    server_errors: u64,
}

/// A connection, and when what is on the way there was due.
struct Lane {
    stream: TcpStream,
    due: VecDeque<Instant>,
    input: Vec<u8>,
}

impl Load {
    fn open(args: &PacedArgs) -> Result<Self, LoadError> {
        let events = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut lanes = Vec::with_capacity(args.connections);
        for index in 0..args.connections {
            let stream = args.to.connect()?;
            stream.set_nonblocking(true)?;
            let name = epoll::EventData::new_u64(index as u64);
            epoll::add(&events, &stream, name, epoll::EventFlags::IN).map_err(io::Error::from)?;
            lanes.push(Lane { stream, due: VecDeque::new(), input: Vec::new() });
        }
        let template = args.request.template()?;
        let (samples, lateness) = Default::default();
        Ok(Self { events, lanes, template, numbers: Numbers::new(0), samples, lateness, server_errors: 0 })
    }

    fn run(&mut self, args: &PacedArgs) -> Result<(), LoadError> {
        let start = Instant::now();
        let count = (args.rate * args.seconds as f64) as u32;
        let due = |number: u32| start + Duration::from_secs_f64(f64::from(number) / args.rate);
        let mut sent = 0;
        while sent < count {
            let now = Instant::now();
            while sent < count && due(sent) <= now {
                let lane = sent as usize % self.lanes.len();
                self.send(lane, due(sent), args.clients)?;
                sent += 1;
            }
            self.receive(due(sent).saturating_duration_since(Instant::now()))?;
        }
        let end = Instant::now() + GRACE;
        while self.lanes.iter().any(|lane| !lane.due.is_empty()) {
            if Instant::now() > end {
                return Err(LoadError::NoSamples);
            }
            self.receive(GRACE)?;
        }
        Ok(())
    }

    fn send(&mut self, lane: usize, due: Instant, clients: usize) -> Result<(), LoadError> {
        let request = self.template.replace(KEY, &client(self.numbers.below(clients)));
        let lane = &mut self.lanes[lane];
        lane.stream.write_all(request.as_bytes())?;
        lane.due.push_back(due);
        self.lateness.add(due.elapsed(), true);
        Ok(())
    }

    /// Waits for answers, at most so long. `poll` knows nanoseconds, where the
    /// events' own wait rounds up to milliseconds.
    fn receive(&mut self, wait: Duration) -> Result<(), LoadError> {
        let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        poll(&mut [PollFd::new(&self.events, PollFlags::IN)], Some(&wait)).map_err(io::Error::from)?;
        let mut ready = Vec::with_capacity(self.lanes.len());
        epoll::wait(&self.events, spare_capacity(&mut ready), Some(&Timespec::default()))
            .map_err(io::Error::from)?;
        for event in ready {
            self.take_answers(event.data.u64() as usize)?;
        }
        Ok(())
    }

    fn take_answers(&mut self, lane: usize) -> Result<(), LoadError> {
        let lane = &mut self.lanes[lane];
        lane.read()?;
        let mut at = 0;
        while let Some(head) = Head::read(&lane.input[at..])? {
            let end = at + head.answer_length();
            if end > lane.input.len() {
                break;
            }
            let due = lane.due.pop_front().ok_or(LoadError::Unasked)?;
            self.samples.add(due.elapsed(), head.status.is_good());
            self.server_errors += u64::from(head.status.0 >= 500);
            at = end;
        }
        lane.input.drain(..at);
        Ok(())
    }
}

impl Lane {
    fn read(&mut self) -> Result<(), LoadError> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.input.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}
