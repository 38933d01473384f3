//! Mail through a real mail server, with STARTTLS and a password.

use crate::support::{Alert, Folder, programs, until_some};
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse";

/// aiosmtpd, which `scripts/test` installs; ends when dropped.
struct MailServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl MailServer {
    fn start() -> Option<Self> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python");
        let tools = tools.to_string_lossy().into_owned();
        let probe = format!("import sys; sys.path.insert(0, {tools:?}); import aiosmtpd");
        if !programs::is_there("python3", &["-c", &probe]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["mail.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        fs::write(path("cert.pem"), certificate.pem()).unwrap();
        fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/serve/mail_server.py");
        let arguments = [&tools, &path("cert.pem"), &path("key.pem"), "us", PASSWORD, &path("")];
        let mut command = Command::new("python3");
        let mut child = command.arg(script).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, port: line.trim().parse().unwrap(), folder })
    }

    /// The mails so far, in their order, with what was said of them.
    fn mails(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap().replace("\r\n", "\n")).collect()
    }

    fn wait_for(&self, count: usize) -> Vec<String> {
        until_some("mails", || Some(self.mails()).filter(|mails| mails.len() >= count))
    }

    fn tenant(&self, password: &str) -> String {
        let ca = self.folder.path().join("cert.pem");
        format!(
            "global:
  smtp_smarthost: 127.0.0.1:{}
  smtp_from: OpenClaw <alerts@us.example>
  smtp_auth_username: us
  smtp_auth_password: {password}
  smtp_tls_config: {{ ca_file: {}, server_name: mail.example }}
receivers: [{{ name: ops, email_configs: [{{ to: 'ann@you.example, gone@you.example', send_resolved: true }}] }}]
route: {{ receiver: ops, group_wait: 0s, group_interval: 1s }}
",
            self.port,
            ca.display()
        )
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn header<'m>(mail: &'m str, name: &str) -> &'m str {
    mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[test]
fn a_page_and_its_end_are_one_thread_in_a_mailbox() {
    let Some(mail_server) = MailServer::start() else { return };
    let folder = Folder::new(&[("acme", &mail_server.tenant(PASSWORD))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let alert = Alert::new("disk full").annotation("summary", "é: 99 %");
    server.post_alerts(&key, std::slice::from_ref(&alert));
    let first = mail_server.wait_for(1).remove(0);
    assert_eq!(header(&first, "X-Tls"), "True");
    assert_eq!(header(&first, "X-From"), "alerts@us.example");
    assert_eq!(header(&first, "X-To"), "ann@you.example", "who is gone keeps it from nobody");
    assert_eq!(header(&first, "Subject"), "[FIRING:1] disk full");
    assert!(first.contains("=C3=A9: 99 %"), "{first}");
    server.post_alerts(&key, &[alert.resolved()]);
    let both = mail_server.wait_for(2);
    assert_eq!(header(&both[1], "Subject"), "[RESOLVED:1] disk full");
    assert_eq!(header(&both[0], "References"), header(&both[1], "References"));
    assert_ne!(header(&both[0], "Message-ID"), header(&both[1], "Message-ID"));
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let Some(mail_server) = MailServer::start() else { return };
    let folder = Folder::new(&[("acme", &mail_server.tenant("wrong battery"))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("up")]);
    let id = server.alert(&key, "up")["id"].as_str().unwrap().to_owned();
    let told = until_some("the refusal in the trail", || {
        let trail = serde_json::Value::from(server.trail(&key, &id)).to_string();
        trail.contains("535").then_some(trail)
    });
    assert!(!told.contains("battery"), "{told}");
    assert!(mail_server.mails().is_empty());
}
