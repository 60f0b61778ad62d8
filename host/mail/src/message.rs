//! One RFC 5322 message into the submission of one interaction.
//!
//! What cannot be a message at all (nothing in it, no header, too large) is an error. Anything else is
//! taken, because behind it is a customer who waits: what could not be read is listed in the user
//! data key `_Problems`, and a strategy may look there. Keys are those of the reference page,
//! *Interaction attributes*.

use std::fmt::Write as _;

use jackfield_protocol::v1::{KeyValueList, RequestSubmit};
use mail_parser::decoders::html::html_to_text;
use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

use crate::automatic;

/// Bytes of the largest message taken.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// Bytes of the key `Text`; the rest is cut off and noted.
pub const TEXT_BYTES: usize = 256 << 10;

/// Bytes of any other one value; the rest is cut off.
pub const HEADER_BYTES: usize = 8 << 10;

/// The key `_Problems` names this many at the most.
const PROBLEMS: usize = 16;

/// HTML is made text from this many of its bytes.
const HTML_BYTES: usize = 4 * TEXT_BYTES;

/// A date further ahead than this is not believed.
const DATE_AHEAD_MS: i64 = 24 * 3_600_000;

/// A date further back than this is not believed: ten years.
const DATE_BACK_MS: i64 = 10 * 365 * 24 * 3_600_000;

/// Headers that are handed on as they stand, unfolded, each as `Header_<name>`.
const HEADERS: [&str; 17] = [
    "Message-ID",
    "In-Reply-To",
    "References",
    "Date",
    "Reply-To",
    "Return-Path",
    "Sender",
    "Auto-Submitted",
    "Precedence",
    "List-Id",
    "X-Auto-Response-Suppress",
    "X-Priority",
    "Importance",
    "X-Mailer",
    "X-Spam-Flag",
    "Content-Language",
    "Content-Type",
];

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Nothing in it, or only white space.
    #[error("the message is empty")]
    Empty,
    /// More than [`MESSAGE_BYTES`].
    #[error("the message has {0} bytes, more than the {MESSAGE_BYTES} that are taken")]
    TooLarge(usize),
    /// It does not begin with a header.
    #[error("the message has no headers; it must begin with lines such as `From: ann@example.com`")]
    NoHeaders,
}

/// The key under which submitting the same bytes again has no effect: their SHA-256, in hexadecimal.
pub fn idempotency_key(bytes: &[u8]) -> String {
    let mut key = String::with_capacity(69);
    key.push_str("mail-");
    for byte in Sha256::digest(bytes) {
        // Writing into a string does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// Reads a message. `now` in milliseconds since 1970 is when it was received, unless its `Date` says
/// something believable. The queue is the caller's to fill in.
///
/// # Errors
/// Says why these bytes are no message at all.
pub fn parse(bytes: &[u8], now: i64) -> Result<RequestSubmit, MessageError> {
    if bytes.len() > MESSAGE_BYTES {
        return Err(MessageError::TooLarge(bytes.len()));
    }
    if bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(MessageError::Empty);
    }
    let message = MessageParser::default().parse(bytes).ok_or(MessageError::NoHeaders)?;
    let root = message.parts.first().ok_or(MessageError::NoHeaders)?;
    // A line with a colon in it is not yet a header: a name has no spaces, and one at least is known.
    if !root.headers.iter().any(|header| !header.name.is_other() || header.name.as_str().starts_with("X-")) {
        return Err(MessageError::NoHeaders);
    }

    let mut problems = Vec::new();
    let mut user_data = addresses(&message, &mut problems);
    user_data.push("Subject", cut(message.subject().unwrap_or_default(), HEADER_BYTES));
    for name in HEADERS {
        let header = root.headers.iter().rev().find(|header| header.name.as_str().eq_ignore_ascii_case(name));
        if let Some(header) = header {
            let raw = bytes.get(header.offset_start as usize..header.offset_end as usize).unwrap_or_default();
            user_data.push(format!("Header_{name}"), cut(&unfolded(raw), HEADER_BYTES));
        }
    }
    attachments(&message, &mut user_data);
    user_data.push("Text", text(&message, &mut problems));
    user_data.push("_AutoReplyCount", i32::from(automatic(&user_data).is_some()));

    for (number, part) in message.parts.iter().enumerate() {
        if part.is_encoding_problem {
            problems.push(format!("part {number} is not encoded as it says"));
        }
    }
    let received_at = match date(&message) {
        Some(date) if date >= now.saturating_sub(DATE_BACK_MS) && date <= now.saturating_add(DATE_AHEAD_MS) => date,
        Some(_) => {
            problems.push("its date is not believable".to_owned());
            now
        }
        None => now,
    };
    if !problems.is_empty() {
        problems.truncate(PROBLEMS);
        user_data.push("_Problems", problems.join("; "));
    }

    let is_reply = !matches!(message.in_reply_to(), HeaderValue::Empty);
    Ok(RequestSubmit {
        external_id: cut(message.message_id().unwrap_or_default(), jackfield_protocol::limits::NAME_BYTES),
        media_type: "email".to_owned(),
        interaction_type: "Inbound".to_owned(),
        interaction_subtype: if is_reply { "InboundReply" } else { "InboundNew" }.to_owned(),
        received_at,
        user_data: Some(user_data),
        ..Default::default()
    })
}

/// In milliseconds since 1970.
fn date(message: &Message<'_>) -> Option<i64> {
    message.date().filter(|date| date.is_valid()).map(|date| date.to_timestamp().saturating_mul(1_000))
}

fn addresses(message: &Message<'_>, problems: &mut Vec<String>) -> KeyValueList {
    let mut user_data = KeyValueList::default();
    let from =
        message.from().and_then(|from| from.iter().find(|one| one.address().is_some_and(|one| one.contains('@'))));
    if from.is_none() {
        problems.push("it has no readable sender".to_owned());
    }
    let address = from.and_then(|from| from.address()).unwrap_or_default();
    user_data.push("FromAddress", cut(address.trim(), HEADER_BYTES));
    user_data.push("EmailAddress", cut(address.trim(), HEADER_BYTES));
    let personal = from.and_then(|from| from.name()).map(str::trim).unwrap_or_default();
    if !personal.is_empty() {
        user_data.push("FromPersonal", cut(personal, HEADER_BYTES));
        let (first, last) = first_and_last(personal);
        user_data.push("FirstName", cut(first, HEADER_BYTES));
        user_data.push("LastName", cut(last, HEADER_BYTES));
    }
    let to = message.to();
    user_data.push("To", list(to));
    if message.cc().is_some() {
        user_data.push("Cc", list(message.cc()));
    }
    if let Some(mailbox) = to.and_then(Address::first).and_then(|first| first.address()) {
        user_data.push("Mailbox", cut(mailbox, HEADER_BYTES));
    }
    user_data
}

/// `Last, First` and `First Last`.
fn first_and_last(personal: &str) -> (&str, &str) {
    match personal.split_once(',') {
        Some((last, first)) => (first.trim(), last.trim()),
        None => personal.split_once(char::is_whitespace).map_or((personal, ""), |(first, last)| (first, last.trim())),
    }
}

/// Addresses, with commas between them.
fn list(addresses: Option<&Address<'_>>) -> String {
    let mut list = String::new();
    for address in addresses.into_iter().flat_map(|addresses| addresses.iter()).filter_map(|one| one.address()) {
        if list.len() + address.len() > HEADER_BYTES {
            break;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(address);
    }
    list
}

fn attachments(message: &Message<'_>, user_data: &mut KeyValueList) {
    let mut names = String::new();
    let (mut count, mut size) = (0_u32, 0_usize);
    for part in message.attachments() {
        count += 1;
        size = size.saturating_add(part.len());
        let name = part.attachment_name().unwrap_or("unnamed");
        if names.len() + name.len() <= HEADER_BYTES {
            if !names.is_empty() {
                names.push_str("; ");
            }
            names.push_str(name);
        }
    }
    user_data.push("_ContainsAttachment", i32::from(count > 0));
    if count > 0 {
        user_data.push("_AttachmentFileNames", names);
        user_data.push("_AttachmentsSize", i32::try_from(size).unwrap_or(i32::MAX));
    }
}

/// The plain text; where there is none, what the HTML says.
fn text(message: &Message<'_>, problems: &mut Vec<String>) -> String {
    let mut text = String::new();
    for part in message.text_bodies() {
        let piece = match &part.body {
            PartType::Text(plain) => plain.to_string(),
            PartType::Html(html) => html_to_text(prefix(html, HTML_BYTES)),
            _ => continue,
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(prefix(&piece, TEXT_BYTES + 1));
        if text.len() > TEXT_BYTES {
            problems.push(format!("its text was cut off after {TEXT_BYTES} bytes"));
            return cut(&text, TEXT_BYTES);
        }
    }
    if text.is_empty() {
        problems.push("it has no readable text".to_owned());
    }
    text
}

/// A raw header in one line.
fn unfolded(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, bytes: usize) -> String {
    prefix(text, bytes).to_owned()
}

/// At most so many bytes, never half a character.
fn prefix(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
