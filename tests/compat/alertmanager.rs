//! A real Alertmanager.

use crate::expect::ensure;
use crate::support::{pause, programs};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);

/// Maintenance and collection never come in the way of a check: their phase is
/// nobody's to know.
const NEVER: [&str; 2] = ["--dispatch.maintenance-interval=1h", "--alerts.gc-interval=1h"];

/// A running process; killed when dropped.
pub(crate) struct Alertmanager {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Alertmanager {
    /// Starts in a folder that holds `alertmanager.yml`, and waits until it is
    /// ready.
    pub(crate) fn start(folder: &Path, prefix: &str) -> Result<Self, String> {
        let program = programs::find("alertmanager").ok_or("`alertmanager` is not there")?;
        let mut child = Command::new(program)
            .current_dir(folder)
            .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
            .args(["--web.listen-address=127.0.0.1:0", &format!("--web.route-prefix=/{prefix}")])
            .args(NEVER)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, told) = mpsc::channel();
        // Reads on to the end, so that the process never waits for us.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("Listening on") || line.contains("level=ERROR") {
                    // Nobody asks after the first line.
                    let _ = tell.send(line);
                }
            }
        });
        let mut running = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line =
            told.recv_timeout(START).map_err(|error| format!("alertmanager doesn't start: {error}"))?;
        let (_, address) = line.split_once("Listening on\" address=").ok_or(line.clone())?;
        running.address = address.trim().parse().map_err(|_| line)?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and waits for its end: it writes its last snapshots then.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let _ = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        let end = Instant::now() + START;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            ensure!(Instant::now() < end, "alertmanager doesn't end");
            pause(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
