//! One line of what is written: a reporting event, or what is lost.

use jackfield_protocol::v1::{Actor, EventReporting, KeyValueList, ReportingGap, ReportingName, actor};
use serde_json::{Map, Value as Json, json};

/// A reporting event of this server and stream. What it does not have is left out.
pub fn event(server: &str, stream: &str, event: &EventReporting) -> Json {
    let mut line = Map::new();
    let mut put = |key: &str, value: Json| {
        let is_nothing = value.is_null() || value.as_str().is_some_and(str::is_empty);
        if !is_nothing {
            line.insert(key.to_owned(), value);
        }
    };
    let list = |list: &Option<KeyValueList>| list.as_ref().map_or(Json::Null, KeyValueList::to_json);
    put("server", json!(server));
    put("stream", json!(stream));
    put("sequence", json!(event.sequence));
    put("at", json!(event.at));
    put("event", json!(name(event)));
    put("interaction", json!(event.interaction_id));
    put("parent", json!(event.parent_id));
    put("mediaType", json!(event.media_type));
    put("queue", json!(event.queue));
    put("workbin", event.workbin.as_ref().map_or(Json::Null, |bin| json!({ "type": bin.r#type, "owner": bin.owner })));
    put("by", event.actor.as_ref().map_or(Json::Null, by));
    put("reason", json!(event.reason));
    put("thisQueue", json!(event.this_queue));
    put("extensions", list(&event.extensions));
    put("reasons", list(&event.reasons));
    put("data", list(&event.data));
    if let Some(state) = &event.agent_state {
        let media: Vec<Json> = state
            .media
            .iter()
            .map(|media| json!({ "media": media.media_type, "ready": media.ready, "busy": media.busy, "capacity": media.capacity }))
            .collect();
        put("agent", json!({ "agent": state.agent, "place": state.place, "media": media }));
    }
    Json::Object(line)
}

/// These events of the stream are lost; with no end, all that was to come of it.
pub fn gap(server: &str, stream: &str, from: u64, to: Option<u64>, at: i64) -> Json {
    json!({ "server": server, "stream": stream, "at": at, "event": "gap", "from": from, "to": to })
}

/// What is lost, as lines: the rest of the stream before (its id, and the last number heard), where this is
/// another, and the beginning of this one.
pub fn gaps(server: &str, at: i64, before: Option<(&str, u64)>, stream: &str, gap: Option<ReportingGap>) -> Vec<Json> {
    let rest = before.filter(|(before, _)| *before != stream);
    let rest = rest.map(|(before, heard)| self::gap(server, before, heard + 1, None, at));
    rest.into_iter().chain(gap.map(|gap| self::gap(server, stream, gap.from, Some(gap.to), at))).collect()
}

fn by(actor: &Actor) -> Json {
    let (kind, name) = match &actor.party {
        Some(actor::Party::Strategy(name)) => ("strategy", name.as_str()),
        Some(actor::Party::Agent(name)) => ("agent", name.as_str()),
        Some(actor::Party::MediaServer(name)) => ("mediaServer", name.as_str()),
        Some(actor::Party::Queue(name)) => ("queue", name.as_str()),
        None => return json!({ "client": actor.client }),
    };
    json!({ kind: name, "client": actor.client })
}

/// As the events are published (reference page, *Events*); an event of a client's own making by its own name.
fn name(event: &EventReporting) -> &str {
    match event.name() {
        ReportingName::ReportingUnknown => "unknown",
        ReportingName::InteractionSubmitted => "EventInteractionSubmitted",
        ReportingName::PropertiesChanged => "EventPropertiesChanged",
        ReportingName::PartyAdded => "EventPartyAdded",
        ReportingName::PartyRemoved => "EventPartyRemoved",
        ReportingName::AgentInvited => "EventAgentInvited",
        ReportingName::RejectedByAgent => "EventRejected",
        ReportingName::InteractionRevoked => "EventRevoked",
        ReportingName::PlacedInQueue => "EventPlacedInQueue",
        ReportingName::PlacedInWorkbin => "EventPlacedInWorkbin",
        ReportingName::TakenFromQueue => "EventTakenFromQueue",
        ReportingName::TakenFromWorkbin => "EventTakenFromWorkbin",
        ReportingName::Held => "EventHeld",
        ReportingName::Resumed => "EventResumed",
        ReportingName::ProcessingStopped => "EventProcessingStopped",
        ReportingName::Abandoned => "EventAbandoned",
        ReportingName::AgentLoggedIn => "EventAgentLogin",
        ReportingName::AgentLoggedOut => "EventAgentLogout",
        ReportingName::ReadyForMedia => "EventReadyForMedia",
        ReportingName::NotReadyForMedia => "EventNotReadyForMedia",
        ReportingName::PlaceAgentState => "EventPlaceAgentState",
        ReportingName::ExternalServiceRequested => "EventExternalServiceRequested",
        ReportingName::ExternalServiceResponded => "EventExternalServiceResponded",
        ReportingName::CustomReporting if event.custom_name.is_empty() => "EventCustomReporting",
        ReportingName::CustomReporting => &event.custom_name,
    }
}
