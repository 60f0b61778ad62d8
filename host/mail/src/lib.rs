//! E-mail in and out.
//!
//! In: [`message_files`] finds messages in files, folders and Maildirs, and [`parse`] makes the submission
//! of one. Out: [`Outbox`] is a media server that writes what strategies send into a Maildir, from which
//! any mail program or transport takes it. [`automatic`] tells mail that must not be answered by a
//! machine.

mod automatic;
mod compose;
mod maildir;
mod message;
mod outbox;
mod submit;

pub use automatic::automatic;
pub use compose::{ComposeError, Kind};
pub use message::{HEADER_BYTES, MESSAGE_BYTES, MessageError, TEXT_BYTES, idempotency_key, parse};
pub use outbox::{FaultCode, KEYS_KEPT, Outbox, OutboxSettings};
pub use submit::{MESSAGES_FOUND, message_files};
