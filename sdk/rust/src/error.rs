//! What can keep a request from its end.

use std::fmt;

use crate::interaction::{Failure, InteractionId};

/// Why a call of a [`Session`](crate::Session) did not end well.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Nobody fitted within the time given, or a service did not answer in time.
    Timeout,
    /// Target selection was ended by `routing.cancel`.
    Cancelled,
    /// The Interaction Server, a media server or the host refused; code and name say why.
    Refused(Failure),
    /// The session holds the interaction no more: its link went down, the server took it back, or
    /// somebody else stopped it.
    Lost {
        /// Which one.
        interaction: InteractionId,
        /// What the host said about it.
        reason: String,
    },
    /// The host wants the session to end, for this reason. There is a grace time to put the
    /// interaction somewhere; what is still held at the end goes back to its queue.
    Stopped(String),
    /// The strategy's own.
    Other(String),
}

/// Name of the failure that ends target selection when its time has passed.
pub(crate) const TIMEOUT: &str = "timeout";
/// The same, where nobody whom the targets mean was logged in.
const NOBODY_LOGGED_IN: &str = "nobody_logged_in";
/// Name of the failure that ends target selection when it was cancelled.
pub(crate) const CANCELLED: &str = "cancelled";

impl Error {
    /// An error of the strategy's own.
    pub fn other(text: impl Into<String>) -> Error {
        Error::Other(text.into())
    }

    /// Whether the session may end on this without having failed.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Error::Lost { .. } | Error::Stopped(_))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.name.as_str() {
            TIMEOUT | NOBODY_LOGGED_IN | "__we_error_external_service_timeout" => Error::Timeout,
            CANCELLED => Error::Cancelled,
            _ => Error::Refused(failure),
        }
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error::Other(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Error::Other(text.to_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Timeout => f.write_str("nobody answered in time"),
            Error::Cancelled => f.write_str("target selection was cancelled"),
            Error::Refused(failure) => write!(f, "{} ({} {})", failure.description, failure.name, failure.code),
            Error::Lost { interaction, reason } => write!(f, "interaction {interaction} is no longer held: {reason}"),
            Error::Stopped(reason) => write!(f, "asked to stop: {reason}"),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
