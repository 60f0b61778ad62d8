//! Who handled a contact last, so that a strategy can route it there again.
//!
//! A contact is told by user data: the first of the configured keys that an interaction has. What an agent finishes, by
//! stopping it or placing it somewhere, is remembered in the same commit; whoever pulls an interaction of that contact is
//! told. What is too old is not told any more, and removed in the background with the answers that are forgotten.

use std::collections::{HashMap, VecDeque};

use jackfield_protocol::v1::{Interaction, KeyValueList, LastAgent};

use super::holding::Holder;
use super::{Core, checks};
use crate::store::Write;

/// Contacts that are known without reading; those that were just written are among them.
const CONTACTS_KNOWN: usize = 16_384;
/// Longest value of a key that tells a contact, in bytes; a longer one tells none.
const CONTACT_BYTES: usize = 512;

/// What was read or written a short time ago. `None`: nobody has handled that one.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    known: HashMap<String, Option<LastAgent>>,
    order: VecDeque<String>,
}

impl Contacts {
    fn put(&mut self, contact: String, last: Option<LastAgent>) {
        if self.known.insert(contact.clone(), last).is_none() {
            self.order.push_back(contact);
        }
        while self.order.len() > CONTACTS_KNOWN {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// Whose contact an agent is about to finish.
pub(super) struct Finishes {
    contact: String,
    agent: String,
}

impl Core {
    fn contact_of(&self, user_data: Option<&KeyValueList>) -> Option<String> {
        let user_data = user_data?;
        let keys = &self.settings.contacts.keys;
        keys.iter().find_map(|key| {
            let value = user_data.text(key)?.trim();
            let tells = !value.is_empty() && value.len() <= CONTACT_BYTES;
            // Addresses are the same in large and small letters.
            tells.then(|| format!("{key}={}", value.to_lowercase()))
        })
    }

    /// Asked before the interaction leaves its holder's hands; none: that is no agent, or it is nobody's contact.
    pub(super) fn finishes(&mut self, id: &str) -> Option<Finishes> {
        if self.settings.contacts.kept.is_zero() {
            return None;
        }
        let Holder::Agent { agent, .. } = &self.out.get(id)?.holder else { return None };
        let agent = agent.clone();
        let interaction = self.interaction(id).ok()?;
        let contact = self.contact_of(interaction.user_data.as_ref())?;
        Some(Finishes { contact, agent })
    }

    /// Written with whatever the agent finishes by.
    pub(super) fn finished(&mut self, what: Option<Finishes>) {
        let Some(Finishes { contact, agent }) = what else { return };
        let last = LastAgent { agent, at: self.now.wall };
        let (kept, answers) = (self.settings.contacts.kept, self.settings.timers.idempotency_retention);
        // Answers are forgotten before a time that lies so far back; contacts go with them.
        let kept_until = last.at.saturating_add(wall(kept)).saturating_sub(wall(answers));
        self.outbox.writes.push(Write::Handled { contact: contact.clone(), last: last.clone(), kept_until });
        self.contacts.put(contact, Some(last));
    }

    /// Lays it over interactions that somebody gets to route.
    pub(super) fn tell_last_agents<'a>(&mut self, interactions: impl Iterator<Item = &'a mut Interaction>) {
        if self.settings.contacts.kept.is_zero() {
            return;
        }
        let of_contacts: Vec<(String, &mut Interaction)> = interactions
            .filter_map(|interaction| Some((self.contact_of(interaction.user_data.as_ref())?, interaction)))
            .collect();
        let unknown: Vec<&str> = of_contacts
            .iter()
            .map(|(contact, _)| contact.as_str())
            .filter(|contact| !self.contacts.known.contains_key(*contact))
            .collect();
        if !unknown.is_empty() {
            match self.reader.last_agents(&unknown) {
                Ok(read) => {
                    let contacts: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
                    for (contact, last) in contacts.into_iter().zip(read) {
                        self.contacts.put(contact, last);
                    }
                }
                Err(error) => {
                    self.failed(error);
                    return;
                }
            }
        }
        let oldest = self.now.wall.saturating_sub(wall(self.settings.contacts.kept));
        for (contact, interaction) in of_contacts {
            let last = self.contacts.known.get(&contact).cloned().flatten();
            interaction.last_agent = last.filter(|last| last.at >= oldest);
        }
    }
}

fn wall(time: std::time::Duration) -> i64 {
    i64::try_from(checks::millis(time)).unwrap_or(i64::MAX)
}
