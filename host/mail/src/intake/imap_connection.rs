//! A connection to an IMAP server, up to the selected mailbox.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_imap::error::Error;
use async_imap::types::{Flag, Mailbox};
use async_imap::{Client, Session};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::login::{Login, Security, tls};

/// A mailbox on an IMAP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImapSettings {
    /// Name or address of the host; its certificate must be for this name.
    pub host: String,
    /// Port; usually 993 with implicit TLS, 143 otherwise.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Certificates (PEM) that are trusted beside those of the system.
    pub ca: Option<PathBuf>,
    /// Who we are there.
    pub login: Login,
    /// The mailbox, such as `INBOX`.
    pub mailbox: String,
    /// Mailbox that taken messages are moved to; none: they stay, and are marked.
    pub move_to: Option<String>,
    /// Folder in which is remembered how far we are. Losing it takes every message that is not marked again.
    pub memory: PathBuf,
    /// Longest time for an answer of the server.
    pub answer_within: Duration,
}

/// The stream below.
pub(super) trait Wire: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Wire for T {}

/// What is said to the server.
pub(super) type Speaking = Session<Box<dyn Wire>>;

/// The selected mailbox.
pub(super) struct Selected {
    pub(super) session: Speaking,
    pub(super) uid_validity: u32,
    /// Whether keywords of our own may be set.
    pub(super) takes_keywords: bool,
    pub(super) can_idle: bool,
    pub(super) can_move: bool,
}

/// Why the work with a server came to an end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImapError {
    #[error("{0}")]
    Imap(#[from] Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the server does not take our user and password: {0}")]
    Login(Error),
    #[error("the mailbox has no UIDVALIDITY, so its messages cannot be told apart")]
    NoUids,
}

/// `future`, but no longer than so.
pub(super) async fn within<T, E>(limit: Duration, future: impl Future<Output = Result<T, E>>) -> Result<T, ImapError>
where
    ImapError: From<E>,
{
    Ok(tokio::time::timeout(limit, future).await.map_err(|_| ImapError::Silent(limit))??)
}

/// Connects, logs in, and selects the mailbox.
pub(super) async fn open(settings: &ImapSettings) -> Result<Selected, ImapError> {
    let limit = settings.answer_within;
    let client = within(limit, connect(settings)).await?;
    let from = settings.login.password.clone();
    let password = crate::blocking(move || from.read()).await?;
    let login = client.login(&settings.login.user, &password.0);
    let login = tokio::time::timeout(limit, login).await.map_err(|_| ImapError::Silent(limit))?;
    let mut session = login.map_err(|(error, _client)| match error {
        Error::No(_) | Error::Bad(_) => ImapError::Login(error),
        other => ImapError::Imap(other),
    })?;
    let capabilities = within(limit, session.capabilities()).await?;
    let (can_idle, can_move) = (capabilities.has_str("IDLE"), capabilities.has_str("MOVE"));
    if let Some(move_to) = &settings.move_to {
        // Refused when it is there already; when it cannot be made, moving will say so.
        match within(limit, session.create(move_to)).await {
            Ok(()) | Err(ImapError::Imap(Error::No(_))) => {}
            Err(error) => return Err(error),
        }
    }
    let mailbox: Mailbox = within(limit, session.select(&settings.mailbox)).await?;
    let uid_validity = mailbox.uid_validity.ok_or(ImapError::NoUids)?;
    // Left out: all may be set (RFC 3501, section 7.1).
    let takes_keywords = mailbox.permanent_flags.is_empty() || mailbox.permanent_flags.contains(&Flag::MayCreate);
    Ok(Selected { session, uid_validity, takes_keywords, can_idle, can_move })
}

async fn connect(settings: &ImapSettings) -> Result<Client<Box<dyn Wire>>, ImapError> {
    let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await?;
    match settings.security {
        Security::Implicit => {
            let mut client = Client::new(wrapped(settings, stream).await?);
            greeting(client.read_response().await)?;
            Ok(client)
        }
        Security::StartTls => {
            let mut client = Client::new(stream);
            greeting(client.read_response().await)?;
            client.run_command_and_check_ok("STARTTLS", None).await?;
            // What came in the open beyond the answer is thrown away with the old client.
            Ok(Client::new(wrapped(settings, client.into_inner()).await?))
        }
        Security::None => {
            let mut client = Client::new(Box::new(stream) as Box<dyn Wire>);
            greeting(client.read_response().await)?;
            Ok(client)
        }
    }
}

fn greeting<T>(read: io::Result<Option<T>>) -> Result<(), ImapError> {
    match read? {
        Some(_) => Ok(()),
        None => Err(ImapError::Imap(Error::ConnectionLost)),
    }
}

async fn wrapped(settings: &ImapSettings, stream: TcpStream) -> Result<Box<dyn Wire>, ImapError> {
    let ca = settings.ca.clone();
    let config = crate::blocking(move || tls(ca.as_deref())).await?;
    let name = ServerName::try_from(settings.host.clone()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
}
