//! The servers that are compared.

use super::play::Target;
use crate::support::server::Server;
use crate::support::{Folder, Request, programs, until};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What is posted to.
pub(super) trait Service {
    fn target(&self) -> Target;
}

/// A real Alertmanager; killed when dropped.
pub(super) struct Alertmanager {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Alertmanager {
    pub(super) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("alertmanager.yml"), settings).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(programs::find("alertmanager").unwrap())
            .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
            .arg(format!("--web.listen-address={address}"))
            // Nothing is swept away at a moment of its own choice.
            .args(["--dispatch.maintenance-interval=1h", "--alerts.gc-interval=1h"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut started = Self { child, address, _folder: folder };
        until("Alertmanager is ready", || started.is_ready());
        started
    }

    fn is_ready(&mut self) -> bool {
        if let Some(status) = self.child.try_wait().unwrap() {
            let log = fs::read_to_string(self._folder.path().join("log")).unwrap_or_default();
            panic!("Alertmanager ended at once: {status}\n{log}");
        }
        Request::get("/-/ready").try_send(self.address).is_ok_and(|answer| answer.status == 200)
    }
}

impl Service for Alertmanager {
    fn target(&self) -> Target {
        Target { address: self.address, key: None }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our server with one tenant.
pub(super) struct OpenClaw {
    server: Server,
    key: String,
    _folder: Folder,
}

impl OpenClaw {
    pub(super) fn start(settings: &str) -> Self {
        let folder = Folder::new(&[("acme", settings)]);
        let key = folder.full_key("acme");
        Self { server: folder.serve(), key, _folder: folder }
    }
}

impl Service for OpenClaw {
    fn target(&self) -> Target {
        Target { address: self.server.address, key: Some(self.key.clone()) }
    }
}
