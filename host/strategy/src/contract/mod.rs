//! The contract with strategies, in Rust: the newest version's types under one roof, and how they
//! come from and go to the protocol's. A new version of `wit/` gets a `since_*` module beside those
//! there are, and a strategy that was built for an older one keeps working through it.

pub mod http;
pub(crate) mod mismatch;
mod since_v0_1_0;
mod since_v0_2_0;
mod since_v0_3_0;
mod versions;

use jackfield_protocol::v1;
use jackfield_protocol::v1::key_value::Value;

pub use since_v0_3_0::jackfield::strategy::events::{
    Event, InteractionEvent, MessageEvent, Outcome, RequestDoneEvent, RequestFailedEvent, Routed, Waiting,
};
pub use since_v0_3_0::jackfield::strategy::facts::CalendarTime;
pub use since_v0_3_0::jackfield::strategy::http::{Method, Request as HttpRequest};
pub use since_v0_3_0::jackfield::strategy::log::Level;
pub use since_v0_3_0::jackfield::strategy::messages::{Message, MessageType};
pub use since_v0_3_0::jackfield::strategy::routing::{
    Aging, Choice, Order, RouteRequest, Step, Target, TargetType, TextError,
};
pub use since_v0_3_0::jackfield::strategy::types::{
    Destination, Failure, HttpHeader, HttpResponse, Interaction, InteractionId, InteractionState, KvList, KvPair,
    KvValue, LastAgent, RequestId, TimerId, Workbin, WorkbinOwner,
};
pub use since_v0_3_0::{Manifest, StrategyPre};

pub use mismatch::Misfit;
pub use versions::versions;

pub(crate) use since_v0_3_0::jackfield::strategy as interfaces;
pub(crate) use versions::{PACKAGE, VERSIONS};

/// An interaction as a strategy sees it; `view` is the one it was pulled through, where it was.
pub fn interaction(from: v1::Interaction, view: Option<String>) -> Interaction {
    Interaction {
        state: match from.state() {
            v1::InteractionState::Queued => InteractionState::Queued,
            v1::InteractionState::Cached => InteractionState::Cached,
            v1::InteractionState::Routing => InteractionState::Routing,
            v1::InteractionState::Handling => InteractionState::Handling,
        },
        id: from.interaction_id,
        parent_id: not_empty(from.parent_id),
        external_id: not_empty(from.external_id),
        tenant: from.tenant_id,
        media_type: from.media_type,
        interaction_type: from.interaction_type,
        interaction_subtype: from.interaction_subtype,
        queue: from.queue,
        view: view.filter(|view| !view.is_empty()),
        is_online: from.is_online,
        priority: from.priority,
        received_at: timestamp(from.received_at),
        submitted_at: timestamp(from.submitted_at),
        placed_in_queue_at: timestamp(from.placed_in_queue_at),
        user_data: from.user_data.map(pairs_from_protocol).unwrap_or_default(),
        last_agent: None,
    }
}

/// A key-value list as a strategy sees it: order and repeated keys are kept.
pub fn pairs_from_protocol(list: v1::KeyValueList) -> Vec<KvPair> {
    list.pairs.into_iter().map(|pair| KvPair { key: pair.key, value: value_from_protocol(pair.value) }).collect()
}

fn value_from_protocol(value: Option<Value>) -> KvValue {
    match value {
        None => KvValue::Text(String::new()),
        Some(Value::Text(text)) => KvValue::Text(text),
        Some(Value::Integer(integer)) => KvValue::Integer(integer),
        Some(Value::Binary(bytes)) => KvValue::Binary(bytes),
        Some(Value::List(list)) => KvValue::Nested(list.to_json().to_string()),
    }
}

/// A strategy's key-value list as the protocol carries it: order and repeated keys are kept.
///
/// # Errors
/// Says which `nested` value is not a key-value list in JSON. The requests of a [`Turn`] were
/// checked for that when the strategy made them.
///
/// [`Turn`]: crate::Turn
pub fn pairs_to_protocol(pairs: Vec<KvPair>) -> Result<v1::KeyValueList, String> {
    let mut list = v1::KeyValueList { pairs: Vec::with_capacity(pairs.len()) };
    for KvPair { key, value } in pairs {
        let value = match value {
            KvValue::Text(text) => Value::Text(text),
            KvValue::Integer(integer) => Value::Integer(integer),
            KvValue::Binary(bytes) => Value::Binary(bytes),
            KvValue::Nested(json) => Value::List(nested_to_protocol(&key, &json)?),
        };
        list.pairs.push(v1::KeyValue { key, value: Some(value) });
    }
    Ok(list)
}

fn nested_to_protocol(key: &str, json: &str) -> Result<v1::KeyValueList, String> {
    let json = serde_json::from_str(json).map_err(|error| format!("`{key}`: the nested list is not JSON: {error}"))?;
    v1::KeyValueList::from_json(&json).map_err(|error| format!("`{key}`: {error}"))
}

/// Whether every nested value is a key-value list.
pub(crate) fn check_pairs(pairs: &[KvPair]) -> Result<(), String> {
    for pair in pairs {
        if let KvValue::Nested(json) = &pair.value {
            nested_to_protocol(&pair.key, json)?;
        }
    }
    Ok(())
}

/// Each key named in `new` loses the values it had in `pairs`, then `new` is appended in order.
pub fn set_pairs(pairs: &mut Vec<KvPair>, new: Vec<KvPair>) {
    pairs.retain(|old| !new.iter().any(|pair| pair.key == old.key));
    pairs.extend(new);
}

/// A workbin as the protocol carries it.
pub fn workbin_to_protocol(workbin: Workbin) -> v1::Workbin {
    let owner_type = match workbin.owner_type {
        WorkbinOwner::Agent => v1::WorkbinOwner::Agent,
        WorkbinOwner::Place => v1::WorkbinOwner::Place,
        WorkbinOwner::AgentGroup => v1::WorkbinOwner::AgentGroup,
        WorkbinOwner::PlaceGroup => v1::WorkbinOwner::PlaceGroup,
    };
    v1::Workbin { r#type: workbin.name, owner_type: owner_type.into(), owner: workbin.owner }
}

/// A refused request as a strategy sees it.
pub fn failure(error: jackfield_protocol::RequestError) -> Failure {
    Failure { code: error.code, name: error.name, description: error.description }
}

fn not_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Times before 1970 do not occur; a server that sends one has no time to tell.
fn timestamp(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_value_lists_come_back_as_they_went() {
        let list = v1::KeyValueList::default()
            .with("Subject", "hello")
            .with("Subject", "again")
            .with("Level", -3)
            .with("Attachment", vec![0, 255, 7])
            .with("Extension", v1::KeyValueList::default().with("a", 1).with("a", "two"));
        assert_eq!(pairs_to_protocol(pairs_from_protocol(list.clone())), Ok(list));
    }

    #[test]
    fn a_nested_value_that_is_no_list_is_named() {
        let pairs = vec![KvPair { key: "Extension".into(), value: KvValue::Nested("[1]".into()) }];
        let error = pairs_to_protocol(pairs).expect_err("1 is no pair");
        assert!(error.contains("`Extension`") && error.contains("[key, value] pair"), "{error}");
    }

    #[test]
    fn absent_parts_of_an_interaction_are_none() {
        let from = v1::Interaction { interaction_id: "i".into(), received_at: -1, ..Default::default() };
        let seen = interaction(from, Some(String::new()));
        assert_eq!((seen.parent_id, seen.external_id, seen.view, seen.received_at), (None, None, None, 0));
    }
}
