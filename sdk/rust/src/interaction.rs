//! Interactions and the user data on them, with the keys of the reference table (*Interaction
//! attributes*) as methods.

use crate::bindings::jackfield::strategy::types;

pub use crate::bindings::jackfield::strategy::events::{
    Event, InteractionEvent, MessageEvent, Outcome, RequestDoneEvent, RequestFailedEvent, Routed,
};
pub use crate::bindings::jackfield::strategy::types::{
    Destination, Failure, Interaction, InteractionId, InteractionState, KvPair, KvValue, LastAgent, RequestId, Workbin,
    WorkbinOwner,
};

impl Interaction {
    /// The first value of a user data key, where it is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values(key).find_map(|value| match value {
            KvValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The first value of a user data key, where it is an integer or text that reads as one.
    pub fn integer(&self, key: &str) -> Option<i32> {
        self.values(key).find_map(|value| match value {
            KvValue::Integer(integer) => Some(*integer),
            KvValue::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// All values of a user data key, in their order.
    pub fn values<'a, 'key>(&'a self, key: &'key str) -> impl Iterator<Item = &'a KvValue> + use<'a, 'key> {
        self.user_data.iter().filter(move |pair| pair.key == key).map(|pair| &pair.value)
    }

    /// Whether the user data has this key.
    pub fn has(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }

    /// Key `Subject`; empty when there is none.
    pub fn subject(&self) -> &str {
        self.text("Subject").unwrap_or_default()
    }

    /// Key `FromAddress`; empty when there is none.
    pub fn from_address(&self) -> &str {
        self.text("FromAddress").unwrap_or_default()
    }

    /// What follows the last `@` of [`from_address`](Self::from_address), in lower case; empty when
    /// there is none.
    pub fn from_domain(&self) -> String {
        self.from_address().rsplit_once('@').map(|(_, domain)| domain.trim().to_lowercase()).unwrap_or_default()
    }

    /// Key `Text`: the body as plain text; empty when there is none.
    pub fn body(&self) -> &str {
        self.text("Text").unwrap_or_default()
    }

    /// A header of the e-mail, key `Header_<name>`.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |key: &str| key.strip_prefix("Header_").is_some_and(|header| header.eq_ignore_ascii_case(name));
        self.user_data.iter().find_map(|pair| match &pair.value {
            KvValue::Text(text) if is_it(&pair.key) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether a machine wrote this e-mail: an automatic reply, a bounce, mailing-list or bulk mail.
    /// Such mail is never answered automatically (RFC 3834, section 2).
    pub fn is_automatic(&self) -> bool {
        let says = |header: &str, values: &[&str]| {
            self.header(header).is_some_and(|value| values.contains(&value.trim().to_lowercase().as_str()))
        };
        let auto_submitted =
            self.header("Auto-Submitted").is_some_and(|value| !value.trim().to_lowercase().starts_with("no"));
        let sender = self.from_address().to_lowercase();
        auto_submitted
            || self.integer("_AutoReplyCount").is_some_and(|count| count > 0)
            || says("Precedence", &["bulk", "junk", "list", "auto_reply"])
            || ["X-Autoreply", "X-Autorespond", "List-Id", "List-Unsubscribe"]
                .iter()
                .any(|name| self.header(name).is_some())
            || self.header("Return-Path").is_some_and(|path| path.trim() == "<>")
            || self.header("Content-Type").is_some_and(|kind| kind.to_lowercase().starts_with("multipart/report"))
            || ["mailer-daemon@", "postmaster@", "no-reply@", "noreply@"].iter().any(|start| sender.starts_with(start))
    }
}

impl AsRef<str> for Interaction {
    /// Its id.
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl From<&str> for KvValue {
    fn from(text: &str) -> Self {
        KvValue::Text(text.to_owned())
    }
}

impl From<String> for KvValue {
    fn from(text: String) -> Self {
        KvValue::Text(text)
    }
}

impl From<i32> for KvValue {
    fn from(integer: i32) -> Self {
        KvValue::Integer(integer)
    }
}

impl<K: Into<String>, V: Into<KvValue>> From<(K, V)> for types::KvPair {
    fn from((key, value): (K, V)) -> Self {
        KvPair { key: key.into(), value: value.into() }
    }
}

/// Pairs of a key-value list, in their order.
pub(crate) fn pairs(pairs: impl IntoIterator<Item = impl Into<KvPair>>) -> Vec<KvPair> {
    pairs.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[test]
    fn the_first_value_of_a_repeated_key_counts_and_headers_ignore_case() {
        let interaction = testing::email()
            .with("Subject", "first")
            .with("Subject", "second")
            .with("Header_List-Id", "news")
            .with("Tries", 3)
            .with("Level", " 7 ")
            .build();
        assert_eq!(interaction.subject(), "first");
        assert_eq!(interaction.values("Subject").count(), 2);
        assert_eq!(interaction.header("list-id"), Some("news"));
        assert_eq!(interaction.header("list"), None);
        assert_eq!((interaction.integer("Tries"), interaction.integer("Level")), (Some(3), Some(7)));
        assert_eq!(interaction.body(), "");
    }

    #[test]
    fn mail_by_machines_is_known_by_its_headers_and_senders() {
        let with = |key: &str, value: &str| testing::email().with(key, value).build().is_automatic();
        for (key, value) in [
            ("Header_Auto-Submitted", "auto-replied"),
            ("Header_auto-submitted", "auto-generated; x=y"),
            ("Header_Precedence", " Bulk "),
            ("Header_List-Id", "<news.example.org>"),
            ("Header_Return-Path", "<>"),
            ("FromAddress", "MAILER-DAEMON@mx.example.net"),
            ("_AutoReplyCount", "1"),
        ] {
            assert!(with(key, value), "{key}: {value}");
        }
        for (key, value) in [
            ("Header_Auto-Submitted", "no"),
            ("Header_Precedence", "first-class"),
            ("FromAddress", "reply@example.net"),
            ("_AutoReplyCount", "0"),
        ] {
            assert!(!with(key, value), "{key}: {value}");
        }
    }

    #[test]
    fn the_domain_of_a_sender_is_lower_case() {
        let from = |address: &str| testing::email().with("FromAddress", address).build().from_domain();
        assert_eq!(from("\"a@b\"@Example.ORG "), "example.org");
        assert_eq!(from("nobody"), "");
    }
}
