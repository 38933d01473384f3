//! The floor: wait, read, write. Requests have no body here and come whole, so
//! that each read is as many answers as it holds ends of heads.

use crate::error::LoadError;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LISTENER: u64 = u64::MAX;
const EVENTS_MAX: usize = 256;
const READ_BYTES_MAX: usize = 64 * 1024;

struct Loop {
    events: OwnedFd,
    listener: TcpListener,
    connections: HashMap<u64, TcpStream>,
    input: Vec<u8>,
    output: Vec<u8>,
}

pub(super) fn run(listener: TcpListener) -> Result<(), LoadError> {
    let events = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
    let add = epoll::add(&events, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN);
    add.map_err(std::io::Error::from)?;
    let mut server = Loop {
        events,
        listener,
        connections: HashMap::new(),
        input: vec![0; READ_BYTES_MAX],
        output: Vec::new(),
    };
    let mut ready = Vec::with_capacity(EVENTS_MAX);
    loop {
        ready.clear();
        epoll::wait(&server.events, spare_capacity(&mut ready), None).map_err(std::io::Error::from)?;
        for event in &ready {
            match event.data.u64() {
                LISTENER => server.accept()?,
                connection => server.answer(connection),
            }
        }
    }
}

impl Loop {
    fn accept(&mut self) -> Result<(), LoadError> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let name = stream.as_raw_fd().cast_unsigned().into();
        let add = epoll::add(&self.events, &stream, epoll::EventData::new_u64(name), epoll::EventFlags::IN);
        add.map_err(std::io::Error::from)?;
        self.connections.insert(name, stream);
        Ok(())
    }

    /// A connection that has ended is dropped, which takes it off the list.
    fn answer(&mut self, name: u64) {
        let Some(mut stream) = self.connections.get(&name) else { return };
        let count = stream.read(&mut self.input).unwrap_or(0);
        let ends = self.input[..count].windows(4).filter(|window| window == b"\r\n\r\n").count();
        self.output.clear();
        (0..ends).for_each(|_| self.output.extend_from_slice(ANSWER));
        if count == 0 || stream.write_all(&self.output).is_err() {
            self.connections.remove(&name);
        }
    }
}
