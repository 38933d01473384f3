//! A connection to Redis: a question at a time, and never a wait without end.

use super::reply::{BYTES_MAX, NotRedis, Reply, command, parse};
use openclaw_delivery::{Secret, TlsSettings, TlsSettingsError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For any one answer, the connection included.
const ANSWER: Duration = Duration::from_millis(400);

/// Where Redis is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// For TLS; nothing for plain TCP.
    pub tls: Option<TlsSettings>,
    /// A user of its ACL; nothing for the default one.
    pub user: Option<String>,
    /// The user's password; nothing where none is asked for.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisError {
    #[error("`{host}:{port}` can't be reached: {source}")]
    Connect { host: String, port: u16, source: io::Error },
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("no answer within {} ms", ANSWER.as_millis())]
    Silent,
    #[error("Redis refuses: `{said}`")]
    Refused { said: String },
    #[error(transparent)]
    Format(#[from] NotRedis),
}

/// Where to connect, made ready.
pub(crate) struct Redis {
    options: RedisOptions,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// One that has been let in.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl Redis {
    pub(crate) fn new(options: RedisOptions) -> Result<Self, TlsSettingsError> {
        let tls = options.tls.as_ref().map(|tls| connector(tls, &options.host)).transpose()?;
        Ok(Self { options, tls })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, RedisError> {
        let connected = async {
            let stream = self.stream().await?;
            let mut connection = Connection { stream, read: Vec::new() };
            self.log_in(&mut connection).await?;
            Ok(connection)
        };
        tokio::time::timeout(ANSWER, connected).await.map_err(|_| RedisError::Silent)?
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, RedisError> {
        let RedisOptions { host, port, .. } = &self.options;
        let failed = |source| RedisError::Connect { host: host.clone(), port: *port, source };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
        stream.set_nodelay(true)?;
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(stream)) };
        Ok(Box::new(connector.connect(name.clone(), stream).await.map_err(failed)?))
    }

    async fn log_in(&self, connection: &mut Connection) -> Result<(), RedisError> {
        if let Some(password) = &self.options.password {
            let user = self.options.user.as_deref();
            let words = ["AUTH"].into_iter().chain(user).chain([password.expose()]);
            connection.asked(&words.collect::<Vec<_>>()).await?;
        }
        if self.options.database != 0 {
            connection.asked(&["SELECT", &self.options.database.to_string()]).await?;
        }
        Ok(())
    }
}

impl Connection {
    /// Asks and waits, not for long. After an error the connection is of no use.
    pub(crate) async fn ask(&mut self, words: &[impl AsRef<[u8]>]) -> Result<Reply, RedisError> {
        tokio::time::timeout(ANSWER, self.asked(words)).await.map_err(|_| RedisError::Silent)?
    }

    async fn asked(&mut self, words: &[impl AsRef<[u8]>]) -> Result<Reply, RedisError> {
        self.stream.write_all(&command(words)).await?;
        self.stream.flush().await?;
        loop {
            if let Some((reply, rest)) = parse(&self.read)? {
                let used = self.read.len() - rest.len();
                self.read.drain(..used);
                return match reply {
                    Reply::Error(said) => Err(RedisError::Refused { said }),
                    reply => Ok(reply),
                };
            }
            if self.read.len() > BYTES_MAX {
                return Err(NotRedis.into());
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

fn connector(tls: &TlsSettings, host: &str) -> Result<(TlsConnector, ServerName<'static>), TlsSettingsError> {
    let name = tls.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned());
    let name = name.map_err(|_| TlsSettingsError::ServerName { name: host.to_owned() })?;
    let config: ClientConfig = tls.of_client()?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
