//! The program `git`, with an end: of time, of memory, of what it writes and
//! of what it may say.

use super::GitError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon it is seen that it is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Between the end of what it says and its own.
const ENDING: Duration = Duration::from_millis(2);
/// Its answers are ids, and a file of which so much is read.
const SAID_BYTES_MAX: usize = 128 << 10;
const COMPLAINT_BYTES_MAX: usize = 16 << 10;
/// A shell sets limits that its children have too: 256 MiB a file (in blocks of
/// 512 bytes), 2 GiB of memory (in KiB). We never write to its input, which ends
/// when we do: then the whole group is killed, with what `git` has started.
const BOUNDED: &str = r#"ulimit -f 524288; ulimit -v 2097152; exec 3<&0 </dev/null
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & watch=$!
git "$@" 3<&-; status=$?
{ kill -KILL $watch; wait $watch; } 2>/dev/null
exit $status"#;
/// What a shell says where there is no such program.
const NO_PROGRAM: i32 = 127;

/// Tells what runs that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends what runs.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What it has said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: ExitStatus,
    pub(super) out: Vec<u8>,
    pub(super) complaint: Vec<u8>,
}

/// A shell that runs `git`, without anything of our surroundings.
pub(super) fn git() -> Command {
    let mut command = Command::new("/bin/sh");
    command.env_clear().args(["-c", BOUNDED, "git"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

/// Runs it to its end, or to the end of its time.
pub(super) fn said(
    mut command: Command,
    what: &'static str,
    time_max: Duration,
    stop: &Stop,
) -> Result<Said, GitError> {
    let mut group = Group { child: command.spawn().map_err(GitError::Run)?, is_over: false };
    let child = &mut group.child;
    let mut streams = [
        Stream::new(child.stdout.take().map(OwnedFd::from), SAID_BYTES_MAX),
        Stream::new(child.stderr.take().map(OwnedFd::from), COMPLAINT_BYTES_MAX),
    ];
    let watch = Watch { what, began: Instant::now(), time_max, stop };
    while streams.iter().any(|stream| stream.file.is_some()) {
        watch.goes_on()?;
        hear(&mut streams)?;
    }
    let status = group.wait(&watch)?;
    if status.code() == Some(NO_PROGRAM) {
        return Err(GitError::NoProgram);
    }
    let [out, complaint] = streams.map(|stream| stream.kept);
    Ok(Said { status, out, complaint })
}

/// How long it may go on.
struct Watch<'w> {
    what: &'static str,
    began: Instant,
    time_max: Duration,
    stop: &'w Stop,
}

impl Watch<'_> {
    fn goes_on(&self) -> Result<(), GitError> {
        if self.stop.is_stopped() {
            return Err(GitError::Stopped);
        }
        if self.began.elapsed() > self.time_max {
            return Err(GitError::TooSlow { what: self.what, most_s: self.time_max.as_secs() });
        }
        Ok(())
    }
}

/// The process and those that it has started; none outlives this.
struct Group {
    child: Child,
    is_over: bool,
}

impl Group {
    fn wait(&mut self, watch: &Watch<'_>) -> Result<ExitStatus, GitError> {
        loop {
            if let Some(status) = self.child.try_wait().map_err(GitError::Run)? {
                self.is_over = true;
                return Ok(status);
            }
            watch.goes_on()?;
            std::thread::park_timeout(ENDING);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Before it is waited for: until then nobody else has its number.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// What it writes, up to a bound; the rest is read and dropped.
struct Stream {
    file: Option<File>,
    kept: Vec<u8>,
    most_bytes: usize,
}

impl Stream {
    fn new(fd: Option<OwnedFd>, most_bytes: usize) -> Self {
        Self { file: fd.map(File::from), kept: Vec::new(), most_bytes }
    }

    fn take(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut bytes = [0; 8 << 10];
        match file.read(&mut bytes) {
            Ok(0) => self.file = None,
            Ok(count) => {
                let room = self.most_bytes - self.kept.len();
                self.kept.extend_from_slice(&bytes[..count.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Takes what there is, or waits a moment for it.
fn hear(streams: &mut [Stream]) -> Result<(), GitError> {
    let open: Vec<usize> = (0..streams.len()).filter(|at| streams[*at].file.is_some()).collect();
    let files = open.iter().filter_map(|at| streams[*at].file.as_ref());
    let mut polled: Vec<PollFd<'_>> = files.map(|file| PollFd::new(file, PollFlags::IN)).collect();
    let moment = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    match poll(&mut polled, Some(&moment)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(GitError::Run(error.into())),
    }
    let is_ready: Vec<bool> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
    for at in open.into_iter().zip(is_ready).filter_map(|(at, is_ready)| is_ready.then_some(at)) {
        streams[at].take().map_err(GitError::Run)?;
    }
    Ok(())
}
