//! What a strategy wants said, as an RFC 5322 message.
//!
//! Text from strategies, and through them from customers, never reaches a header as it is: control
//! characters (and with them any line break) are taken out, addresses are parsed and written anew.

use jackfield_protocol::v1::KeyValueList;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::raw::Raw;
use mail_parser::MessageParser;

/// Recipients of one message, `To` and `Cc` apart.
const RECIPIENTS: usize = 100;

/// References kept; of more the first and the last ones (RFC 5322 leaves the number open).
const REFERENCES: usize = 20;

/// Characters of a subject.
const SUBJECT_CHARACTERS: usize = 500;

/// Kind of message, by the names of `createmessage` (reference page, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Written by, or in the name of, a person.
    EmailOut,
    /// Says that a message has arrived.
    Acknowledgement,
    /// An answer made by a machine.
    AutoResponse,
    /// Begins a conversation.
    OutboundNew,
    /// Tells of something; nobody asked.
    OutboundNotification,
    /// An answer within the house.
    InboundCollaborationReply,
    /// A question within the house.
    OutboundCollaborationInvite,
    /// Sent on to somebody else who shall answer.
    Redirect,
    /// Sent on to somebody else to know.
    Forwarded,
}

impl Kind {
    /// By its name on the wire; the empty name is the default, `emailout`.
    pub fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "" | "emailout" => Kind::EmailOut,
            "acknowledgement" => Kind::Acknowledgement,
            "auto_response" => Kind::AutoResponse,
            "outbound_new" => Kind::OutboundNew,
            "outbound_notification" => Kind::OutboundNotification,
            "inbound_collaboration_reply" => Kind::InboundCollaborationReply,
            "outbound_collaboration_invite" => Kind::OutboundCollaborationInvite,
            "redirect" => Kind::Redirect,
            "forwarded" => Kind::Forwarded,
            _ => return None,
        })
    }

    /// Subtype of the interaction that is made for it.
    pub fn subtype(self) -> &'static str {
        match self {
            Kind::EmailOut => "OutboundReply",
            Kind::Acknowledgement => "Acknowledgement",
            Kind::AutoResponse => "AutoResponse",
            Kind::OutboundNew => "OutboundNew",
            Kind::OutboundNotification => "OutboundNotification",
            Kind::InboundCollaborationReply => "InboundCollaborationReply",
            Kind::OutboundCollaborationInvite => "OutboundCollaborationInvite",
            Kind::Redirect => "OutboundRedirect",
            Kind::Forwarded => "OutboundForwarded",
        }
    }

    /// Whether it answers a message with no person behind it.
    pub fn is_automatic_answer(self) -> bool {
        matches!(self, Kind::Acknowledgement | Kind::AutoResponse)
    }

    /// Whether it belongs to the thread of the message that it is about.
    pub fn is_answer(self) -> bool {
        !matches!(self, Kind::OutboundNew | Kind::OutboundNotification)
    }

    /// Value of `Auto-Submitted` (RFC 3834, section 5).
    fn auto_submitted(self) -> Option<&'static str> {
        match self {
            Kind::Acknowledgement | Kind::AutoResponse => Some("auto-replied"),
            Kind::OutboundNotification => Some("auto-generated"),
            _ => None,
        }
    }
}

/// Why no message can be made of the parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// `From` or `To` is missing.
    #[error("parameter `{0}` is missing; give an e-mail address")]
    Missing(&'static str),
    /// Something in it is no address.
    #[error("parameter `{0}` is not a list of e-mail addresses")]
    NotAnAddress(&'static str),
    /// More recipients than a message may have.
    #[error("parameter `{0}` has more than {RECIPIENTS} addresses; send several messages")]
    TooMany(&'static str),
    /// It could not be written.
    #[error("the message cannot be written: {0}")]
    Write(String),
}

/// The message of these parameters: `From`, `To`, `Cc`, `Subject`, `Text`, `In-Reply-To`, `References`.
/// `id` becomes its Message-ID, before the domain of the sender.
pub(crate) fn compose(kind: Kind, parameters: &KeyValueList, id: &str) -> Result<Vec<u8>, ComposeError> {
    let mut from = addresses("From", parameters)?;
    let from = if from.is_empty() { return Err(ComposeError::Missing("From")) } else { from.swap_remove(0) };
    let to = addresses("To", parameters)?;
    if to.is_empty() {
        return Err(ComposeError::Missing("To"));
    }
    let cc = addresses("Cc", parameters)?;
    let domain = from.1.rsplit('@').next().unwrap_or("localhost");
    let message_id = format!("{id}@{domain}");

    let mut message = MessageBuilder::new()
        .message_id(message_id)
        .from(address(from))
        .to(Address::new_list(to.into_iter().map(address).collect()))
        .subject(in_one_line(parameters.text("Subject").unwrap_or_default(), SUBJECT_CHARACTERS))
        .text_body(parameters.text("Text").unwrap_or_default());
    if !cc.is_empty() {
        message = message.cc(Address::new_list(cc.into_iter().map(address).collect()));
    }
    let answered = message_ids(parameters.text("In-Reply-To").unwrap_or_default());
    if let Some(answered) = answered.first() {
        message = message.in_reply_to(MessageId::new(answered.clone()));
    }
    let mut references = message_ids(parameters.text("References").unwrap_or_default());
    if references.is_empty() {
        references = answered;
    }
    if references.len() > REFERENCES {
        references.drain(1..references.len() - (REFERENCES - 1));
    }
    if !references.is_empty() {
        message = message.references(MessageId::new_list(references.into_iter()));
    }
    if let Some(value) = kind.auto_submitted() {
        message = message.header("Auto-Submitted", HeaderType::Raw(Raw::new(value)));
    }
    message.write_to_vec().map_err(|error| ComposeError::Write(error.to_string()))
}

/// Names and addresses in a parameter, written in any form RFC 5322 has.
fn addresses(name: &'static str, parameters: &KeyValueList) -> Result<Vec<(String, String)>, ComposeError> {
    let text = in_one_line(parameters.text(name).unwrap_or_default(), usize::MAX);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let header = format!("To: {text}\r\n\r\n");
    let parsed = MessageParser::default().parse_headers(header.as_bytes());
    let Some(list) = parsed.as_ref().and_then(|parsed| parsed.to()) else {
        return Err(ComposeError::NotAnAddress(name));
    };
    let mut found = Vec::new();
    for one in list.iter() {
        let address = one.address().unwrap_or_default();
        if !is_address(address) {
            return Err(ComposeError::NotAnAddress(name));
        }
        if found.len() == RECIPIENTS {
            return Err(ComposeError::TooMany(name));
        }
        found.push((in_one_line(one.name().unwrap_or_default(), SUBJECT_CHARACTERS), address.to_owned()));
    }
    Ok(found)
}

/// Enough to write it down safely; whether somebody is there only sending tells.
fn is_address(address: &str) -> bool {
    address.len() <= 254
        && address.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.starts_with('.') && !domain.ends_with('.')
        })
        && !address.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;:\"()[]\\".contains(c))
}

fn address((name, address): (String, String)) -> Address<'static> {
    if name.is_empty() { Address::from(address) } else { Address::from((name, address)) }
}

/// Message ids in a header, without their angle brackets.
fn message_ids(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .map(|id| id.trim_matches(['<', '>']))
        .filter(|id| {
            !id.is_empty() && id.len() <= 250 && id.chars().all(|c| c.is_ascii_graphic() && c != '<' && c != '>')
        })
        .map(str::to_owned)
        .collect()
}

fn in_one_line(text: &str, characters: usize) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    spaced.take(characters).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> KeyValueList {
        KeyValueList::default()
            .with("From", "Hilfe <help@example.com>")
            .with("To", "\"Müller, Jörg\" <joerg@example.org>")
            .with("Subject", "Re: Größe")
            .with("Text", "Grüße\n.\nEnde")
            .with("In-Reply-To", "<1@example.org>")
    }

    #[test]
    fn what_was_composed_reads_back() {
        let bytes = compose(Kind::Acknowledgement, &parameters(), "abc").expect("composed");
        assert!(bytes.is_ascii(), "headers and text are encoded");
        let message = MessageParser::default().parse(&bytes).expect("a message");
        assert_eq!(message.message_id(), Some("abc@example.com"));
        assert_eq!(message.subject(), Some("Re: Größe"));
        let to = message.to().and_then(|to| to.first()).expect("a recipient");
        assert_eq!((to.name(), to.address()), (Some("Müller, Jörg"), Some("joerg@example.org")));
        assert_eq!(message.in_reply_to().as_text(), Some("1@example.org"));
        assert_eq!(message.references().as_text(), Some("1@example.org"));
        assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-replied"));
        assert_eq!(message.body_text(0).expect("text").replace("\r\n", "\n").trim_end(), "Grüße\n.\nEnde");
        assert!(message.date().is_some());
    }

    #[test]
    fn nothing_can_be_smuggled_into_the_headers() {
        let evil = "x\r\nBcc: victim@example.net\r\n\r\nbody";
        for key in ["Subject", "In-Reply-To", "References", "From", "To", "Cc"] {
            let mut parameters = parameters();
            let value = if ["From", "To", "Cc"].contains(&key) { format!("{evil} <a@b.c>") } else { evil.into() };
            parameters.set(KeyValueList::default().with(key, value).pairs);
            // Refused, or harmless.
            if let Ok(bytes) = compose(Kind::EmailOut, &parameters, "abc") {
                let message = MessageParser::default().parse(&bytes).expect("a message");
                assert!(message.bcc().is_none(), "{key}: {}", String::from_utf8_lossy(&bytes));
                assert!(message.body_text(0).expect("text").starts_with("Grüße"));
            }
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (key, value, error) in [
            ("From", "", ComposeError::Missing("From")),
            ("To", "", ComposeError::Missing("To")),
            ("To", "nobody", ComposeError::NotAnAddress("To")),
            ("Cc", "a@b.c, <x y@z>", ComposeError::NotAnAddress("Cc")),
        ] {
            let mut parameters = parameters();
            parameters.set(KeyValueList::default().with(key, value).pairs);
            assert_eq!(compose(Kind::EmailOut, &parameters, "abc"), Err(error));
        }
        let many = vec!["a@b.c"; RECIPIENTS + 1].join(", ");
        assert_eq!(compose(Kind::EmailOut, &parameters().with("Cc", many), "abc"), Err(ComposeError::TooMany("Cc")));
    }
}
