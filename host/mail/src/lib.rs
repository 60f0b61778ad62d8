//! The e-mail media server, and what it is made of.
//!
//! [`MailServer`] sends what strategies want said, by SMTP or into a Maildir, and takes in what comes, from
//! Maildirs and IMAP mailboxes. By themselves: [`message_files`] finds messages in files, folders and Maildirs,
//! [`parse`] makes the submission of one, and [`automatic`] tells mail that must not be answered by a machine.

mod automatic;
mod compose;
mod courier;
mod intake;
mod login;
mod message;
mod server;
mod smtp;
mod spool;
mod submit;

pub use automatic::automatic;
pub use compose::{ComposeError, Kind};
pub use courier::Retry;
pub use intake::{ImapSettings, IntakeSettings, Source};
pub use login::{Login, Password, Security};
pub use message::{HEADER_BYTES, MESSAGE_BYTES, MessageError, TEXT_BYTES, idempotency_key, parse};
pub use server::{FaultCode, KEYS_KEPT, MailServer, MailSettings, Outgoing};
pub use smtp::SmtpSettings;
pub use submit::{MESSAGES_FOUND, message_files};

/// Files block, so they have threads of their own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
