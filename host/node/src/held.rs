//! The interactions that sessions hold, as the node knows them: as little as it needs, for there may be many
//! that wait for days.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jackfield_strategy::contract::{Interaction, KvPair, KvValue};

/// User data key: how often the interaction has failed in a session.
pub(crate) const FAILURES_KEY: &str = "JackfieldFailures";
/// User data key: why it failed the last time.
pub(crate) const FAILURE_REASON_KEY: &str = "JackfieldFailureReason";

/// Names of queues and media types that are kept once for all.
const NAMES: usize = 4_096;

/// An interaction a session holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub id: Arc<str>,
    pub queue: Arc<str>,
    pub media_type: Arc<str>,
    pub received_at: i64,
    pub failures: i32,
    /// It waits for a target, or is being delivered.
    pub busy: bool,
    /// The interaction as the session knows it, in short; 0: it changed it itself.
    pub known: u64,
}

/// Names that many interactions have, one copy of each.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    /// What is known of an interaction that a session holds.
    pub fn hold(&mut self, interaction: &Interaction) -> Held {
        Held {
            id: interaction.id.as_str().into(),
            queue: self.name(&interaction.queue),
            media_type: self.name(&interaction.media_type),
            received_at: i64::try_from(interaction.received_at).unwrap_or(i64::MAX),
            failures: failures(&interaction.user_data),
            busy: false,
            known: in_short(interaction),
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        if self.0.len() >= NAMES {
            self.0.clear();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }
}

/// What tells two states of an interaction apart; never 0. The view is left out, which only a pull
/// tells, and the state, which is the same for all that a session holds.
pub(crate) fn in_short(interaction: &Interaction) -> u64 {
    let Interaction { id, parent_id, external_id, tenant, media_type, interaction_type, interaction_subtype, .. } =
        interaction;
    let Interaction { queue, is_online, priority, received_at, submitted_at, placed_in_queue_at, .. } = interaction;
    let mut hasher = DefaultHasher::new();
    (id, parent_id, external_id, tenant, media_type, interaction_type, interaction_subtype).hash(&mut hasher);
    (queue, is_online, priority, received_at, submitted_at, placed_in_queue_at).hash(&mut hasher);
    // Pairs of different keys have no order to speak of: what we changed the server may keep elsewhere.
    let mut pairs: Vec<&KvPair> = interaction.user_data.iter().collect();
    pairs.sort_by(|one, other| one.key.cmp(&other.key));
    for KvPair { key, value } in pairs {
        key.hash(&mut hasher);
        std::mem::discriminant(value).hash(&mut hasher);
        match value {
            KvValue::Text(text) | KvValue::Nested(text) => text.hash(&mut hasher),
            KvValue::Integer(number) => number.hash(&mut hasher),
            KvValue::Binary(bytes) => bytes.hash(&mut hasher),
        }
    }
    hasher.finish().max(1)
}

/// How often it has failed in a session.
pub(crate) fn failures(user_data: &[KvPair]) -> i32 {
    let found = user_data.iter().find(|pair| pair.key == FAILURES_KEY);
    match found.map(|pair| &pair.value) {
        Some(KvValue::Integer(failures)) => *failures,
        Some(KvValue::Text(text)) => text.trim().parse().unwrap_or(0),
        _ => 0,
    }
}
