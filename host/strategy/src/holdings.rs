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
        match self.held.iter_mut().find(|held| held.id == interaction.id) {
            Some(held) => *held = interaction,
            None => self.held.push(interaction),
        }
    }

    /// Replaces the copy there is. Whether it is held.
    pub fn refresh(&mut self, interaction: Interaction) -> bool {
        let held = self.held.iter_mut().find(|held| held.id == interaction.id);
        held.map(|held| *held = interaction).is_some()
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
                if let Some(held) = self.held.iter_mut().find(|held| held.id == interaction) {
                    set_pairs(&mut held.user_data, pairs);
                }
            }
            Change::Delete { interaction, keys } => {
                if let Some(held) = self.held.iter_mut().find(|held| held.id == interaction) {
                    held.user_data.retain(|pair| !keys.contains(&pair.key));
                }
            }
            Change::Release { interaction } => {
                self.release(&interaction);
            }
        }
        true
    }
}
