//! E-mail comes in: from a Maildir, or from a mailbox of an IMAP server, into an interaction queue.
//!
//! A message is submitted under a key made of its bytes, and leaves the place where it came from (or is marked
//! there) only once the Interaction Server has acknowledged it. So a crash in between submits it again under the
//! same key, which has no effect for as long as the Interaction Server remembers keys (`idempotency-retention`).
//! What cannot be read as a message, or is not taken for what is in it, is put aside with the reason, and the
//! rest goes on. Ends when it is dropped.

mod imap;
mod imap_connection;
mod imap_state;
mod maildir;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jackfield_link::{Link, LinkError};
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as Event;

use crate::spool::write_whole;
use crate::{MessageError, idempotency_key, parse};

pub use imap_connection::ImapSettings;

/// Pause before the server is asked again that refused a message for no reason of the message's own.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Where e-mail comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeSettings {
    /// Where it lies.
    pub source: Source,
    /// Interaction queue it is submitted into.
    pub queue: String,
    /// Messages submitted at once; at least 1.
    pub at_once: usize,
    /// Bytes of the largest message taken; at most [`MESSAGE_BYTES`](crate::MESSAGE_BYTES).
    pub message_bytes: usize,
    /// Between two looks where nothing tells of new messages.
    pub look_every: Duration,
}

/// Where e-mail lies that comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In `new` of a Maildir; what was taken goes to its `cur`, what cannot be taken to `.jackfield/aside`.
    Maildir(PathBuf),
    /// In a mailbox of an IMAP server.
    Imap(Box<ImapSettings>),
}

/// One place at work.
pub(crate) struct Intake {
    media_server: String,
    media_type: String,
    settings: IntakeSettings,
    link: Link,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Taken {
    /// The Interaction Server has it.
    In,
    /// It is not taken, for this reason.
    Aside(String),
}

impl Intake {
    pub(crate) fn new(media_server: &str, media_type: &str, settings: IntakeSettings, link: Link) -> Intake {
        Intake { media_server: media_server.to_owned(), media_type: media_type.to_owned(), settings, link }
    }

    /// Takes what comes, for ever.
    pub(crate) async fn run(self) {
        match self.settings.source.clone() {
            Source::Maildir(folder) => self.take_from_maildir(&folder).await,
            Source::Imap(mailbox) => self.take_from_imap(&mailbox).await,
        }
    }

    /// Submits a message until there is an answer. `now` in milliseconds since 1970 is when it came; the same
    /// message must always come with the same one.
    async fn hand_in(&self, bytes: &[u8], now: i64) -> Taken {
        let mut submit = match parse(bytes, now) {
            Ok(submit) => submit,
            Err(error @ (MessageError::Empty | MessageError::TooLarge(_) | MessageError::NoHeaders)) => {
                return Taken::Aside(error.to_string());
            }
        };
        submit.queue.clone_from(&self.settings.queue);
        submit.media_type.clone_from(&self.media_type);
        let key = self.key(bytes);
        let mut told = false;
        loop {
            let Some(client) = self.link.up().await else {
                // Closed: whoever runs this ends it.
                return std::future::pending().await;
            };
            match client.request_once(submit.clone(), key.clone()).await {
                Ok(Event::Ack(ack)) => {
                    tracing::debug!(media_server = self.media_server, interaction = ack.interaction_id, "submitted");
                    return Taken::In;
                }
                // Read otherwise than the first time, but of the same bytes: it is in.
                Err(LinkError::Refused(error)) if error.known() == Some(ErrorCode::KeyReused) => return Taken::In,
                Err(LinkError::Refused(error)) if error.known() == Some(ErrorCode::BadRequest) => {
                    return Taken::Aside(error.description);
                }
                Ok(_) => tracing::warn!(media_server = self.media_server, "the server answered with something else"),
                Err(LinkError::Down(_) | LinkError::TimedOut) => continue,
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        let queue = &self.settings.queue;
                        tracing::warn!(media_server = self.media_server, queue, %error, "e-mail is not taken; it waits");
                    }
                }
            }
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
    }

    /// What a message is known by to the Interaction Server: the same bytes in the same queue are the same message.
    fn key(&self, bytes: &[u8]) -> String {
        idempotency_key(&[self.settings.queue.as_bytes(), b"\0", bytes].concat())
    }

    fn too_large(&self, bytes: u64) -> Option<Taken> {
        let most = self.settings.message_bytes;
        (bytes > most as u64)
            .then(|| Taken::Aside(format!("the message has {bytes} bytes, more than the {most} that are taken here")))
    }

    fn put_aside(&self, what: &str, reason: &str) {
        tracing::warn!(media_server = self.media_server, message = what, reason, "a message was put aside");
    }
}

/// Writes the reason beside what was put aside.
fn write_reason(folder: &Path, name: &str, reason: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    write_whole(&folder.join(format!(".{name}")), &folder.join(format!("{name}.reason")), reason.as_bytes())
}

/// Milliseconds since 1970.
fn milliseconds(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
