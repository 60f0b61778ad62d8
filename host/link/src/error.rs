//! Why a request, or a connection, came to nothing.

use jackfield_protocol::{ErrorCode, RequestError};

/// Why a request, or a connection, came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The server answered with an error; nothing was changed.
    #[error("refused: {0}")]
    Refused(#[from] RequestError),
    /// There is no stream, or it ended before the reply: whether the request was done is not known.
    #[error("connection lost: {0}")]
    Down(String),
    /// The server did not let the client connect and register in time.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The other side does not speak our protocol, or the address is none.
    #[error("{0}")]
    Protocol(String),
}

impl LinkError {
    /// Whether the same request may succeed later, on this connection or a new one.
    pub fn is_retriable(&self) -> bool {
        match self {
            LinkError::Refused(error) => matches!(
                error.known(),
                Some(ErrorCode::StoreUnavailable | ErrorCode::ShuttingDown | ErrorCode::TooManyRequests)
            ),
            LinkError::Down(_) | LinkError::TimedOut => true,
            LinkError::Protocol(_) => false,
        }
    }

    /// The error code, where the server refused with one this build knows.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            LinkError::Refused(error) => error.known(),
            _ => None,
        }
    }
}

impl From<tonic::Status> for LinkError {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            tonic::Code::Unimplemented => {
                LinkError::Protocol("the server there is no interaction server; check the address".into())
            }
            _ => LinkError::Down(describe(&status)),
        }
    }
}

/// The status in one line, with the causes below it that it does not itself name.
pub(crate) fn describe(status: &tonic::Status) -> String {
    let mut text = if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() };
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
