//! Requests, events and entries in one line.

use jackfield_journal::Entry;
use jackfield_protocol::v1::event::Message as Told;
use jackfield_protocol::v1::request::Message as Asked;
use jackfield_protocol::v1::{Event, Request};

/// Name of the variant, and what the line shows besides.
fn name(debug: &str) -> &str {
    debug.split(['(', ' ', '{']).next().unwrap_or_default()
}

pub(crate) fn request(request: &Request) -> String {
    let Some(message) = &request.message else { return "nothing".into() };
    let about = match message {
        Asked::Submit(submit) => format!("into {}", submit.queue),
        Asked::PlaceInQueue(place) => format!("{} into {}", place.interaction_id, place.queue),
        Asked::StopProcessing(stop) => stop.interaction_id.clone(),
        Asked::ChangeProperties(change) => change.interaction_id.clone(),
        Asked::Deliver(deliver) => format!("{} to {:?}", deliver.interaction_id, deliver.target),
        Asked::Reclaim(reclaim) => format!("{:?}", reclaim.interaction_ids),
        Asked::Pull(pull) => format!("{:?}", pull.what),
        Asked::ThirdServer(call) => format!("{} {}", call.method, call.interaction_id),
        Asked::Accept(accept) => accept.interaction_id.clone(),
        Asked::Reject(reject) => reject.interaction_id.clone(),
        _ => String::new(),
    };
    format!("#{} {} {about} [{}]", request.reference_id, name(&format!("{message:?}")), request.idempotency_key)
}

pub(crate) fn event(event: &Event) -> String {
    let Some(message) = &event.message else { return "nothing".into() };
    let about = match message {
        Told::Error(error) => format!("{} {}", error.name, error.description),
        Told::PulledInteractions(pulled) => {
            let ids = pulled.interactions.iter().filter_map(|pulled| pulled.interaction.as_ref());
            ids.map(|interaction| interaction.interaction_id.as_str()).collect::<Vec<_>>().join(" ")
        }
        Told::Reclaimed(reclaimed) => {
            let ids: Vec<_> = reclaimed.interactions.iter().map(|interaction| &interaction.interaction_id).collect();
            format!("{ids:?}, not {:?}, invited {:?}", reclaimed.not_reclaimed, reclaimed.invited)
        }
        Told::Ack(ack) => ack.interaction_id.clone(),
        Told::Delivery(delivery) => format!("{} {:?} {}", delivery.interaction_id, delivery.result(), delivery.agent),
        Told::Revoked(revoked) => format!("{} {}", revoked.interaction_id, revoked.reason),
        Told::Reporting(reporting) => format!("{:?} {}", reporting.name(), reporting.interaction_id),
        _ => String::new(),
    };
    format!("#{} {} {about}", event.reference_id, name(&format!("{message:?}")))
}

pub(crate) fn entry(entry: &Entry) -> String {
    match entry {
        Entry::Component { digest, .. } => format!("component {digest}"),
        Entry::Begin(row) => format!("begin {} for {}", row.id, row.interaction),
        Entry::Turn { session, number, record, checkpoint, taken, .. } => {
            let what = jackfield_strategy::Turn::decode(record).map_or_else(
                |error| error.to_string(),
                |turn| {
                    let asked: Vec<String> = turn.requests.iter().map(|(id, asked)| format!("{id} {asked}")).collect();
                    format!("{:?} asks [{}]{}", turn.input, asked.join("; "), if turn.last { ", last" } else { "" })
                },
            );
            let checkpoint = if checkpoint.is_some() { ", checkpoint" } else { "" };
            format!("turn {number} of {session}: {what}{checkpoint} {}", taken.as_deref().unwrap_or_default())
        }
        Entry::Message(message) => format!("message {} to {}", message.key, message.session),
        Entry::End { session, outcome, failed, .. } => format!("end of {session}: {outcome} (failed: {failed})"),
        Entry::Moved { session, .. } => format!("moved {session}"),
    }
}
