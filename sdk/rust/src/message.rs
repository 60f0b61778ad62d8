//! Messages that media servers make.

use crate::bindings::jackfield::strategy::messages;
use crate::interaction::{Interaction, KvPair, KvValue, pairs};

pub use crate::bindings::jackfield::strategy::messages::MessageType;

/// A message to be made; see [`Session::create_message`](crate::Session::create_message).
///
/// Without a [`queue`](Message::queue) it is sent at once; with one, its interaction is put there
/// and has a life of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Message(pub(crate) messages::Message);

impl Message {
    /// A message of any type and media, with no parameters yet.
    pub fn new(message_type: MessageType, media: &str) -> Message {
        Message(messages::Message {
            message_type,
            media: media.to_owned(),
            server: None,
            related: None,
            queue: None,
            parameters: Vec::new(),
        })
    }

    /// An e-mail that says the interaction has arrived: to its sender, from the address it was sent
    /// to, under its subject, with the references a mail program threads by.
    pub fn acknowledgement(interaction: &Interaction) -> Message {
        Message::answer(MessageType::Acknowledgement, interaction)
    }

    /// An automatic answer that is more than an acknowledgement, addressed the same way.
    pub fn auto_response(interaction: &Interaction) -> Message {
        Message::answer(MessageType::AutoResponse, interaction)
    }

    /// An e-mail to somebody new about the interaction.
    pub fn email_to(address: &str, interaction: &Interaction) -> Message {
        Message::new(MessageType::EmailOut, "email").about(interaction).to(address)
    }

    fn answer(message_type: MessageType, interaction: &Interaction) -> Message {
        // A Reply-To is where the sender wants answers (RFC 5322, 3.6.2).
        let to = interaction.header("Reply-To").unwrap_or_else(|| interaction.from_address());
        let mut message = Message::new(message_type, "email").about(interaction).to(to);
        if let Some(mailbox) = interaction.text("Mailbox") {
            message = message.from(mailbox);
        }
        let subject = interaction.subject();
        let answered = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
        message = message.subject(&if answered { subject.to_owned() } else { format!("Re: {subject}") });
        if let Some(id) = interaction.header("Message-ID") {
            let references = match interaction.header("References") {
                Some(earlier) => format!("{earlier} {id}"),
                None => id.to_owned(),
            };
            message = message.parameter("In-Reply-To", id).parameter("References", references);
        }
        message
    }

    /// The interaction it is about.
    pub fn about(mut self, interaction: impl AsRef<str>) -> Message {
        self.0.related = Some(interaction.as_ref().to_owned());
        self
    }

    /// Put its interaction into this queue rather than send it at once.
    pub fn queue(mut self, queue: &str) -> Message {
        self.0.queue = Some(queue.to_owned());
        self
    }

    /// Have it made by the media server of this application name, rather than by any of its media.
    pub fn server(mut self, server: &str) -> Message {
        self.0.server = Some(server.to_owned());
        self
    }

    /// Parameter `From`.
    pub fn from(self, address: &str) -> Message {
        self.parameter("From", address)
    }

    /// Parameter `To`.
    pub fn to(self, address: &str) -> Message {
        self.parameter("To", address)
    }

    /// Parameter `Subject`.
    pub fn subject(self, subject: &str) -> Message {
        self.parameter("Subject", subject)
    }

    /// Parameter `Text`.
    pub fn text(self, text: &str) -> Message {
        self.parameter("Text", text)
    }

    /// Any parameter the media server takes; one given before under this key is replaced.
    pub fn parameter(mut self, key: &str, value: impl Into<KvValue>) -> Message {
        self.0.parameters.retain(|pair| pair.key != key);
        self.0.parameters.push((key, value).into());
        self
    }

    /// Several parameters, as they are.
    pub fn parameters(mut self, more: impl IntoIterator<Item = impl Into<KvPair>>) -> Message {
        self.0.parameters.extend(pairs(more));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn parameter(message: &Message, key: &str) -> Option<String> {
        message.0.parameters.iter().find(|pair| pair.key == key).map(|pair| match &pair.value {
            KvValue::Text(text) => text.clone(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn an_acknowledgement_goes_to_the_sender_in_the_same_thread() {
        let interaction = testing::email()
            .with("FromAddress", "ann@example.net")
            .with("Mailbox", "help@example.com")
            .with("Subject", "Broken lamp")
            .with("Header_Message-ID", "<2@example.net>")
            .with("Header_References", "<0@example.net> <1@example.net>")
            .build();
        let message = Message::acknowledgement(&interaction).text("We have it.");
        assert_eq!(message.0.related.as_deref(), Some(interaction.id.as_str()));
        let expected = [
            ("To", "ann@example.net"),
            ("From", "help@example.com"),
            ("Subject", "Re: Broken lamp"),
            ("In-Reply-To", "<2@example.net>"),
            ("References", "<0@example.net> <1@example.net> <2@example.net>"),
            ("Text", "We have it."),
        ];
        for (key, value) in expected {
            assert_eq!(parameter(&message, key).as_deref(), Some(value), "{key}");
        }
    }

    #[test]
    fn an_answered_subject_is_not_marked_twice() {
        for (subject, answer) in [("RE: lamp", "RE: lamp"), ("é", "Re: é"), ("", "Re: ")] {
            let message = Message::acknowledgement(&testing::email().with("Subject", subject).build());
            assert_eq!(parameter(&message, "Subject").as_deref(), Some(answer));
        }
    }
}
