//! One mail over one connection, every reply bounded.

use super::Settings;
use super::answer::{Fault, Stage};
use super::payload::Mail;
use crate::connect::Connections;
use crate::outgoing::ResolveError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest reply: as many lines as an EHLO could have, and some to spare.
const REPLY_BYTES_MAX: usize = 16 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How far the conversation has come, also when it is given up.
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(Stage::Connect as u8))
    }

    fn reach(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }

    pub(super) fn stage(&self) -> Stage {
        use Stage::*;
        let all = [Connect, Greeting, Hello, StartTls, Auth, Sender, Recipient, Data, Mail];
        all[usize::from(self.0.load(Ordering::Acquire))]
    }
}

/// Hands the mail over; `Ok` once the server has taken it. Says how many of
/// the recipients it refused.
pub(super) async fn hand_over(
    settings: &Settings,
    connections: &Connections,
    mail: &Mail,
    progress: &Progress,
) -> Result<usize, Fault> {
    let stream = connect(settings, connections).await?;
    let mut talk = Talk { stream: Box::new(stream), unread: Vec::new(), extensions: Vec::new(), progress };
    if settings.implicit_tls {
        talk.encrypt(settings, connections).await?;
    }
    talk.expect(Stage::Greeting).await?;
    talk.hello(&settings.hello).await?;
    if settings.require_tls && !settings.implicit_tls {
        talk.start_tls(settings, connections).await?;
    }
    talk.authenticate(settings).await?;
    talk.mail(mail).await
}

async fn connect(settings: &Settings, connections: &Connections) -> Result<TcpStream, Fault> {
    let host = &settings.smarthost.host;
    let refused = |refused: crate::outgoing::Refused| Fault::Never(refused.to_string());
    connections.guard().check_host(host).map_err(refused)?;
    let resolved = connections.guard().resolve(host, settings.smarthost.port).await;
    let addresses = resolved.map_err(|error| match error {
        ResolveError::Refused(error) => refused(error),
        other => Fault::Broken(other.to_string()),
    })?;
    Ok(TcpStream::connect(&addresses[..]).await?)
}

struct Talk<'t> {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    extensions: Vec<String>,
    progress: &'t Progress,
}

impl Talk<'_> {
    async fn hello(&mut self, name: &str) -> Result<(), Fault> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::Never("`hello` is no host's name".to_owned()));
        }
        let lines = self.say(Stage::Hello, &format!("EHLO {name}")).await?;
        self.extensions = lines.into_iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
        Ok(())
    }

    async fn start_tls(&mut self, settings: &Settings, connections: &Connections) -> Result<(), Fault> {
        if !self.extensions.iter().any(|extension| extension == "STARTTLS") {
            self.progress.reach(Stage::StartTls);
            let detail = "offers no STARTTLS, which `require_tls` wants";
            return Err(Fault::Broken(detail.to_owned()));
        }
        self.say(Stage::StartTls, "STARTTLS").await?;
        // Whoever stands between could have said these before the server could.
        if !self.unread.is_empty() {
            return Err(Fault::Broken("more was said after STARTTLS".to_owned()));
        }
        self.encrypt(settings, connections).await?;
        self.hello(&settings.hello).await
    }

    async fn encrypt(&mut self, settings: &Settings, connections: &Connections) -> Result<(), Fault> {
        let unusable = |error: crate::TlsSettingsError| Fault::Never(error.to_string());
        let config = settings.tls.client_config(connections.roots()).map_err(unusable)?;
        let host = settings.smarthost.host.trim_start_matches('[').trim_end_matches(']');
        let name = match settings.tls.name().map_err(unusable)? {
            Some(name) => name,
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| Fault::Never("not a name that a certificate could have".to_owned()))?,
        };
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = Box::new(TlsConnector::from(Arc::new(config)).connect(name, plain).await?);
        Ok(())
    }

    /// A password goes over TLS, or not beyond this machine.
    async fn authenticate(&mut self, settings: &Settings) -> Result<(), Fault> {
        let Some(auth) = &settings.auth else { return Ok(()) };
        let is_encrypted = settings.require_tls || settings.implicit_tls;
        if !is_encrypted && !is_loopback(&settings.smarthost.host) {
            let detail = "the password is not sent without TLS: set `require_tls: true`";
            return Err(Fault::Never(detail.to_owned()));
        }
        if self.offers("PLAIN") {
            let said = format!("{}\0{}\0{}", auth.identity, auth.username, auth.password.expose());
            return self.say(Stage::Auth, &format!("AUTH PLAIN {}", STANDARD.encode(said))).await.map(drop);
        }
        if self.offers("LOGIN") {
            self.say(Stage::Auth, "AUTH LOGIN").await?;
            self.say(Stage::Auth, &STANDARD.encode(&auth.username)).await?;
            let password = STANDARD.encode(auth.password.expose());
            return self.say(Stage::Auth, &password).await.map(drop);
        }
        self.progress.reach(Stage::Auth);
        Err(Fault::Broken("offers neither AUTH PLAIN nor AUTH LOGIN".to_owned()))
    }

    fn offers(&self, mechanism: &str) -> bool {
        let mut lists = self.extensions.iter().filter_map(|extension| extension.strip_prefix("AUTH"));
        lists.any(|list| list.split([' ', '=']).any(|word| word == mechanism))
    }

    async fn mail(&mut self, mail: &Mail) -> Result<usize, Fault> {
        self.say(Stage::Sender, &format!("MAIL FROM:<{}>", mail.from)).await?;
        let refused = self.recipients(&mail.to).await?;
        self.say(Stage::Data, "DATA").await?;
        self.progress.reach(Stage::Mail);
        self.write(&stuffed(&mail.bytes)).await?;
        self.expect(Stage::Mail).await?;
        // It is taken: whether the server hears the farewell matters to nobody.
        let _ = self.write(b"QUIT\r\n").await;
        Ok(refused)
    }

    /// One that is gone must not keep the mail from the others; one that may
    /// come later holds it back, since to repeat it would tell the others twice.
    async fn recipients(&mut self, all: &[String]) -> Result<usize, Fault> {
        let mut refused = 0;
        for to in all {
            match self.say(Stage::Recipient, &format!("RCPT TO:<{to}>")).await {
                Ok(_) => {}
                Err(Fault::Code(500..=599)) if refused + 1 < all.len() => refused += 1,
                Err(fault) => return Err(fault),
            }
        }
        Ok(refused)
    }

    async fn say(&mut self, stage: Stage, command: &str) -> Result<Vec<String>, Fault> {
        self.progress.reach(stage);
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.expect(stage).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next reply's lines, if it is a yes.
    async fn expect(&mut self, stage: Stage) -> Result<Vec<String>, Fault> {
        self.progress.reach(stage);
        let (code, lines) = self.reply().await?;
        let wanted = match stage {
            Stage::Data => 300..400,
            Stage::Auth => 200..400,
            _ => 200..300,
        };
        if wanted.contains(&code) { Ok(lines) } else { Err(Fault::Code(code)) }
    }

    async fn reply(&mut self) -> Result<(u16, Vec<String>), Fault> {
        let mut lines = Vec::new();
        let mut length = 0;
        loop {
            let line = self.line().await?;
            length += line.len();
            let is_last = line.as_bytes().get(3).is_none_or(|byte| *byte == b' ');
            let code = line.get(..3).and_then(|digits| digits.parse().ok());
            let code = code.filter(|code| (200..600).contains(code));
            let code = code.ok_or_else(|| Fault::Broken("not a mail server's reply".to_owned()))?;
            lines.push(line.get(4..).unwrap_or_default().trim_end().to_owned());
            if is_last {
                return Ok((code, lines));
            }
            if length > REPLY_BYTES_MAX {
                return Err(too_long());
            }
        }
    }

    async fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.unread.len() > REPLY_BYTES_MAX {
                return Err(too_long());
            }
            let mut chunk = [0; 1024];
            let read = self.stream.read(&mut chunk).await?;
            if read == 0 {
                return Err(Fault::Broken("the connection was closed".to_owned()));
            }
            self.unread.extend_from_slice(&chunk[..read]);
        }
    }
}

fn too_long() -> Fault {
    Fault::Broken("a reply without end".to_owned())
}

fn is_loopback(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain == "localhost" || plain.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// With a dot more before each line that starts with one, and the end.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 64);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
