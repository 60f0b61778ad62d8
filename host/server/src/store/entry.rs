//! The narrow row of an interaction: where it waits, and the system properties views may name.

use jackfield_protocol::v1::{Interaction, KeyValueList, Workbin};

use crate::settings::{CustomProperty, PropertyKind};

/// Primary key of an entry; its order is the order of a pull: higher priority first, then the one
/// received earlier, then by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// Queue it waits in, or was taken from; empty where it never was in one.
    pub queue: String,
    /// Property Priority.
    pub priority: i32,
    /// Property ReceivedAt, in milliseconds.
    pub received_at: i64,
    /// Property InteractionId.
    pub id: String,
}

/// The system properties of an interaction that change as it moves, and those views may name
/// (reference, *Interaction attributes*). Times are in milliseconds, 0 where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Queue, priority, received_at, id.
    pub key: EntryKey,
    /// The workbin it lies in; no view shows it then.
    pub workbin: Option<Workbin>,
    /// Property TenantId.
    pub tenant_id: u32,
    /// Property MediaType.
    pub media_type: String,
    /// Property InteractionType.
    pub interaction_type: String,
    /// Property InteractionSubtype.
    pub interaction_subtype: String,
    /// Property ExternalId.
    pub external_id: String,
    /// Property ParentId; empty: none.
    pub parent_id: String,
    /// Property IsOnline.
    pub is_online: bool,
    /// Property IsLocked: hidden from views.
    pub is_locked: bool,
    /// Property IsHeld: a pull passes it over unless it ignores holds.
    pub is_held: bool,
    /// Property SubmittedAt.
    pub submitted_at: i64,
    /// Property PlacedInQueueAt: its last placement.
    pub placed_in_queue_at: i64,
    /// Property MovedToQueueAt: kept when it leaves and comes back to the same queue.
    pub moved_to_queue_at: i64,
    /// Property DeliveredAt: its first offer to an agent.
    pub delivered_at: i64,
    /// Property AbandonedAt: when IsOnline was cleared.
    pub abandoned_at: i64,
    /// Property HeldAt.
    pub held_at: i64,
    /// Property ServiceObjective.
    pub service_objective: i32,
    /// Property SubmittedBy.
    pub submitted_by: String,
    /// Values of the declared custom properties, in the order of their declaration.
    pub custom: Vec<Option<PropertyValue>>,
}

/// Value of a custom property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// Text.
    Text(String),
    /// A 32-bit integer.
    Integer(i32),
}

impl Entry {
    /// The entry that belongs to an interaction.
    pub fn of(interaction: &Interaction, custom_properties: &[CustomProperty]) -> Entry {
        Entry {
            key: EntryKey {
                queue: interaction.queue.clone(),
                priority: interaction.priority,
                received_at: interaction.received_at,
                id: interaction.interaction_id.clone(),
            },
            workbin: interaction.workbin.clone(),
            tenant_id: interaction.tenant_id,
            media_type: interaction.media_type.clone(),
            interaction_type: interaction.interaction_type.clone(),
            interaction_subtype: interaction.interaction_subtype.clone(),
            external_id: interaction.external_id.clone(),
            parent_id: interaction.parent_id.clone(),
            is_online: interaction.is_online,
            is_locked: interaction.is_locked,
            is_held: interaction.is_held,
            submitted_at: interaction.submitted_at,
            placed_in_queue_at: interaction.placed_in_queue_at,
            moved_to_queue_at: interaction.moved_to_queue_at,
            delivered_at: interaction.delivered_at,
            abandoned_at: interaction.abandoned_at,
            held_at: interaction.held_at,
            service_objective: interaction.service_objective,
            submitted_by: interaction.submitted_by.clone(),
            custom: custom_values(custom_properties, interaction.user_data.as_ref()),
        }
    }

    /// Lays what this entry says over an interaction as it was stored. Leaves alone what no entry
    /// says: user data, state, assignment, suggested queues.
    pub fn apply_to(&self, interaction: &mut Interaction) {
        interaction.interaction_id.clone_from(&self.key.id);
        interaction.queue.clone_from(&self.key.queue);
        interaction.priority = self.key.priority;
        interaction.received_at = self.key.received_at;
        interaction.workbin.clone_from(&self.workbin);
        interaction.tenant_id = self.tenant_id;
        interaction.media_type.clone_from(&self.media_type);
        interaction.interaction_type.clone_from(&self.interaction_type);
        interaction.interaction_subtype.clone_from(&self.interaction_subtype);
        interaction.external_id.clone_from(&self.external_id);
        interaction.parent_id.clone_from(&self.parent_id);
        interaction.is_online = self.is_online;
        interaction.is_locked = self.is_locked;
        interaction.is_held = self.is_held;
        interaction.submitted_at = self.submitted_at;
        interaction.placed_in_queue_at = self.placed_in_queue_at;
        interaction.moved_to_queue_at = self.moved_to_queue_at;
        interaction.delivered_at = self.delivered_at;
        interaction.abandoned_at = self.abandoned_at;
        interaction.held_at = self.held_at;
        interaction.service_objective = self.service_objective;
        interaction.submitted_by.clone_from(&self.submitted_by);
    }
}

/// Values of the declared custom properties in some user data, in the order of their declaration.
/// The first pair of a key counts; a value of the other kind is none.
pub fn custom_values(properties: &[CustomProperty], user_data: Option<&KeyValueList>) -> Vec<Option<PropertyValue>> {
    properties
        .iter()
        .map(|property| {
            let user_data = user_data?;
            match property.kind {
                PropertyKind::Integer => user_data.integer(&property.key).map(PropertyValue::Integer),
                PropertyKind::Text => user_data.text(&property.key).map(|text| PropertyValue::Text(text.into())),
            }
        })
        .collect()
}
