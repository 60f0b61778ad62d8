//! Checks of what clients send, and small conversions.

use std::time::Duration;

use jackfield_protocol::limits::{NAME_BYTES, USER_DATA_BYTES};
use jackfield_protocol::v1::KeyValueList;
use jackfield_protocol::{ErrorCode, RequestError};
use prost::Message;

/// Longest external id: a Message-ID header may have 998 characters.
pub(super) const EXTERNAL_ID_BYTES: usize = 1_024;
/// Suggested queues of one interaction, each way.
const SUGGESTED_QUEUES: usize = 256;

/// A duration in whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A name that must be there.
pub(super) fn name(what: &str, text: &str) -> Result<(), RequestError> {
    if text.is_empty() {
        return Err(ErrorCode::BadRequest.with(format!("{what} is missing")));
    }
    optional_name(what, text)
}

/// A name that may be empty.
pub(super) fn optional_name(what: &str, text: &str) -> Result<(), RequestError> {
    at_most(what, text, NAME_BYTES)
}

pub(super) fn at_most(what: &str, text: &str, bytes: usize) -> Result<(), RequestError> {
    if text.len() > bytes {
        return Err(ErrorCode::BadRequest.with(format!("{what} has {} bytes, at most {bytes} are allowed", text.len())));
    }
    Ok(())
}

pub(super) fn user_data(list: &KeyValueList) -> Result<(), RequestError> {
    let bytes = list.encoded_len();
    if bytes > USER_DATA_BYTES {
        return Err(ErrorCode::BadRequest
            .with(format!("the user data has {bytes} bytes encoded, at most {USER_DATA_BYTES} are allowed")));
    }
    if !list.depth_is_allowed() {
        return Err(ErrorCode::BadRequest.with("the lists of the user data nest too deep; flatten them"));
    }
    Ok(())
}

pub(super) fn suggested_queues(what: &str, queues: &[String]) -> Result<(), RequestError> {
    if queues.len() > SUGGESTED_QUEUES {
        return Err(ErrorCode::BadRequest
            .with(format!("{what} names {} queues, at most {SUGGESTED_QUEUES} are allowed", queues.len())));
    }
    queues.iter().try_for_each(|queue| name(what, queue))
}
