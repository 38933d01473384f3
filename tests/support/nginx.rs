//! A real nginx, with a configuration that `deploy/` holds.

use super::until;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Running until it is dropped.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) folder: PathBuf,
}

impl Nginx {
    /// The very file, with the ports and folders of this test in it. `changes`
    /// has `listen` first, with `{}` for the address.
    pub(crate) fn start(program: &Path, config: &str, folder: &Path, changes: &[(&str, String)]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let place = folder.display();
        let mut text = read(config);
        let usual = [
            ("/etc/nginx/openclaw/", format!("{place}/")),
            ("/run/nginx.pid", format!("{place}/nginx.pid")),
            ("/var/log/nginx/", format!("{place}/")),
            ("worker_processes auto", "daemon off;\nworker_processes 1".to_owned()),
            ("events {}", "events { worker_connections 256; }".to_owned()),
        ];
        for (theirs, ours) in changes.iter().chain(&usual) {
            assert!(text.contains(theirs) || theirs.starts_with("/etc"), "{theirs}");
            text = text.replace(theirs, &ours.replace("{}", &address.to_string()));
        }
        let bodies = format!(
            "http {{\n    client_body_temp_path {place}/b;\n    proxy_temp_path {place}/p;\n    \
             fastcgi_temp_path {place}/f;\n    uwsgi_temp_path {place}/u;\n    scgi_temp_path {place}/s;\n"
        );
        text = text.replacen("http {\n", &bodies, 1);
        std::fs::write(folder.join("nginx.conf"), text).unwrap();
        let child = Command::new(program)
            .args(["-e", "error.log", "-p"])
            .arg(folder)
            .args(["-c", "nginx.conf"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { child, address, folder: folder.to_owned() };
        nginx.wait();
        nginx
    }

    fn wait(&mut self) {
        until("nginx listens", || {
            let has_ended = self.child.try_wait().unwrap();
            let errors = || std::fs::read_to_string(self.folder.join("error.log")).unwrap_or_default();
            assert!(has_ended.is_none(), "{}", errors());
            std::net::TcpStream::connect(self.address).is_ok()
        });
    }
}

fn read(config: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nginx");
    std::fs::read_to_string(folder.join(config)).unwrap()
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it when it is told to, not when it is killed.
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if told.is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        } else {
            let _ = self.child.kill();
        }
    }
}
