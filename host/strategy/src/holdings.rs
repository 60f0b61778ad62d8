//! The interactions one session holds, as it last saw them, and what its requests under way will
//! change in them. A change shows once its request is done, never before.

use std::collections::HashMap;

use crate::contract::{Interaction, KvPair, RequestId, set_pairs};

#[derive(Default)]
pub(crate) struct Holdings {
    /// The oldest first. A session holds a handful, so they are searched one by one.
    held: Vec<Interaction>,
    /// Requests without an outcome yet.
    waiting: HashMap<RequestId, Change>,
}

/// What a request changes here once it is done.
#[derive(Debug)]
pub(crate) enum Change {
    Nothing,
    Set { interaction: String, pairs: Vec<KvPair> },
    Delete { interaction: String, keys: Vec<String> },
    Append { interaction: String, pairs: Vec<KvPair> },
    Release { interaction: String },
}

impl Holdings {
    pub fn new(held: Vec<Interaction>) -> Holdings {
        Holdings { held, waiting: HashMap::new() }
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(|interaction| interaction.id.as_str())
    }

    pub fn get(&self, id: &str) -> Option<&Interaction> {
        self.held.iter().find(|interaction| interaction.id == id)
    }

    /// Takes it in, or replaces the copy there is.
    pub fn put(&mut self, interaction: Interaction) {
        match self.held_mut(&interaction.id) {
            Some(held) => *held = interaction,
            None => self.held.push(interaction),
        }
    }

    /// Replaces the copy there is, except for the view it was taken through, which only the pull told.
    /// Whether that changed anything.
    pub fn refresh(&mut self, mut interaction: Interaction) -> bool {
        let Some(held) = self.held_mut(&interaction.id) else { return false };
        interaction.view = interaction.view.or_else(|| held.view.clone());
        let changed = *held != interaction;
        *held = interaction;
        changed
    }

    /// Whether its user data has this key, or will have it once what was asked for is done.
    pub fn has_key(&self, id: &str, key: &str) -> bool {
        let is_it = |pair: &KvPair| pair.key == key;
        self.get(id).is_some_and(|held| held.user_data.iter().any(is_it))
            || self.waiting.values().any(|change| match change {
                Change::Set { interaction, pairs } | Change::Append { interaction, pairs } => {
                    interaction == id && pairs.iter().any(is_it)
                }
                Change::Nothing | Change::Delete { .. } | Change::Release { .. } => false,
            })
    }

    /// Whether it was held.
    pub fn release(&mut self, id: &str) -> bool {
        let before = self.held.len();
        self.held.retain(|interaction| interaction.id != id);
        self.held.len() < before
    }

    pub fn requested(&mut self, request: RequestId, change: Change) {
        self.waiting.insert(request, change);
    }

    /// Requests without an outcome yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the outcome of this request is still to come; it is from here on not.
    pub fn failed(&mut self, request: RequestId) -> bool {
        self.waiting.remove(&request).is_some()
    }

    /// As [`failed`](Self::failed), and its change is made.
    pub fn done(&mut self, request: RequestId) -> bool {
        let Some(change) = self.waiting.remove(&request) else { return false };
        match change {
            Change::Nothing => {}
            Change::Set { interaction, pairs } => {
                if let Some(held) = self.held_mut(&interaction) {
                    set_pairs(&mut held.user_data, pairs);
                }
            }
            Change::Delete { interaction, keys } => {
                if let Some(held) = self.held_mut(&interaction) {
                    held.user_data.retain(|pair| !keys.contains(&pair.key));
                }
            }
            Change::Append { interaction, pairs } => {
                if let Some(held) = self.held_mut(&interaction) {
                    held.user_data.extend(pairs);
                }
            }
            Change::Release { interaction } => {
                self.release(&interaction);
            }
        }
        true
    }

    fn held_mut(&mut self, id: &str) -> Option<&mut Interaction> {
        self.held.iter_mut().find(|held| held.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{self, KvValue};

    fn interaction(is_online: bool) -> Interaction {
        let from = jackfield_protocol::v1::Interaction { interaction_id: "i".into(), is_online, ..Default::default() };
        contract::interaction(from, None)
    }

    fn pair(key: &str, value: &str) -> KvPair {
        KvPair { key: key.into(), value: KvValue::Text(value.into()) }
    }

    #[test]
    fn a_refreshed_copy_is_new_but_for_its_view_and_the_same_again_is_no_news() {
        let mut holdings = Holdings::new(vec![Interaction { view: Some("all".into()), ..interaction(true) }]);
        assert!(holdings.refresh(interaction(false)));
        assert!(holdings.get("i").is_some_and(|held| !held.is_online && held.view.as_deref() == Some("all")));
        assert!(!holdings.refresh(interaction(false)));
        assert!(!holdings.refresh(Interaction { id: "other".into(), ..interaction(true) }));
        assert_eq!(holdings.ids().collect::<Vec<_>>(), ["i"]);
    }

    #[test]
    fn appended_pairs_keep_what_is_there_and_count_from_when_they_are_asked_for() {
        let mut holdings = Holdings::new(vec![interaction(true)]);
        let append = |value: &str| Change::Append { interaction: "i".into(), pairs: vec![pair("key", value)] };
        assert!(!holdings.has_key("i", "key"));
        holdings.requested(1, append("one"));
        assert!(holdings.has_key("i", "key") && !holdings.has_key("other", "key"));
        assert!(holdings.failed(1) && !holdings.has_key("i", "key"));
        for (request, value) in [(2, "one"), (3, "two")] {
            holdings.requested(request, append(value));
            assert!(holdings.done(request));
        }
        assert!(holdings.has_key("i", "key"));
        assert_eq!(holdings.get("i").expect("held").user_data, [pair("key", "one"), pair("key", "two")]);
    }
}
