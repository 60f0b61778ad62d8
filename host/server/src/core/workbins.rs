//! Workbins: where agents and groups keep what they will go on with later.
//!
//! What lies in a workbin is shown by no view; it is taken by id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jackfield_protocol::limits::{FRAME_BYTES, PULL_COUNT};
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{
    EventWorkbinContent, ReportingName, RequestGetWorkbinContent, RequestPlaceInWorkbin, Workbin, WorkbinOwner,
};
use jackfield_protocol::{ErrorCode, RequestError};
use prost::Message;

use super::reporting::Party;
use super::{Answered, ClientId, Core, Reply, acknowledge, checks};
use crate::store::{Entry, Write};

/// Everything that lies in workbins.
#[derive(Debug, Default)]
pub(super) struct Workbins {
    entries: HashMap<String, Entry>,
    /// By workbin, ids in the order in which the interactions were received.
    content: BTreeMap<(String, i32, String), BTreeSet<(i64, String)>>,
}

fn key(workbin: &Workbin) -> (String, i32, String) {
    (workbin.r#type.clone(), workbin.owner_type, workbin.owner.clone())
}

impl Workbins {
    /// An entry that is in no workbin is taken as being in a nameless one.
    pub(super) fn insert(&mut self, entry: Entry) {
        let workbin = key(entry.workbin.as_ref().unwrap_or(&Workbin::default()));
        self.content.entry(workbin).or_default().insert((entry.key.received_at, entry.key.id.clone()));
        self.entries.insert(entry.key.id.clone(), entry);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        let workbin = key(entry.workbin.as_ref().unwrap_or(&Workbin::default()));
        if let Some(content) = self.content.get_mut(&workbin) {
            content.remove(&(entry.key.received_at, entry.key.id.clone()));
            if content.is_empty() {
                self.content.remove(&workbin);
            }
        }
        Some(entry)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    fn ids(&self, workbin: &Workbin) -> impl Iterator<Item = &str> {
        self.content.get(&key(workbin)).into_iter().flatten().map(|(_, id)| id.as_str())
    }
}

impl Core {
    pub(super) fn known_workbin(&self, workbin: &Workbin) -> Result<(), RequestError> {
        checks::name("the workbin's owner", &workbin.owner)?;
        let unknown = |text: String| Err(ErrorCode::UnknownWorkbin.with(text));
        if !self.settings.workbins.contains(&workbin.r#type) {
            return unknown(format!("there is no workbin `{}` on this server", workbin.r#type));
        }
        let owner = &workbin.owner;
        match WorkbinOwner::try_from(workbin.owner_type) {
            Ok(WorkbinOwner::Agent) if !self.is_agent(owner) => unknown(format!("there is no agent `{owner}`")),
            Ok(WorkbinOwner::Place) if !self.is_place(owner) => unknown(format!("there is no place `{owner}`")),
            // Groups are known to routers only.
            Ok(_) => Ok(()),
            Err(_) => unknown(format!("{} is no type of workbin owner", workbin.owner_type)),
        }
    }

    pub(super) fn place_in_workbin(&mut self, client: ClientId, request: RequestPlaceInWorkbin) -> Answered {
        let id = &request.interaction_id;
        self.held_by(client, id)?;
        let Some(workbin) = request.workbin else {
            return Err(ErrorCode::BadRequest.with("the workbin is missing"));
        };
        self.known_workbin(&workbin)?;
        let finishes = self.finishes(id);
        let Some(out) = self.release(id) else { return Err(Self::unknown_interaction(id)) };
        self.finished(finishes);
        let holder = Party::Holder(&out.holder);
        self.report_interaction(ReportingName::PartyRemoved, &out.entry, holder, &request.reason);

        let from = out.entry.key.clone();
        let mut entry = out.entry;
        let was_held = entry.is_held;
        entry.workbin = Some(workbin);
        self.placed(&mut entry, request.hold);
        self.report_interaction(ReportingName::PlacedInQueue, &entry, holder, &request.reason);
        self.report_interaction(ReportingName::PlacedInWorkbin, &entry, holder, &request.reason);
        self.report_hold(was_held, &entry, holder);
        self.outbox.writes.push(Write::Move { from, to: entry.clone() });
        self.rest(entry);
        acknowledge()
    }

    /// The first of what lies in a workbin: as many as fit into one frame, at most [`PULL_COUNT`].
    pub(super) fn workbin_content(&mut self, request: RequestGetWorkbinContent) -> Answered {
        let Some(workbin) = request.workbin else {
            return Err(ErrorCode::BadRequest.with("the workbin is missing"));
        };
        self.known_workbin(&workbin)?;
        let most = usize::try_from(PULL_COUNT).unwrap_or(usize::MAX);
        let ids: Vec<String> = self.workbins.ids(&workbin).take(most).map(String::from).collect();
        let mut interactions = Vec::new();
        let mut bytes = 0;
        for id in &ids {
            let interaction = self.interaction(id)?;
            bytes += interaction.encoded_len();
            if bytes > FRAME_BYTES / 2 && !interactions.is_empty() {
                break;
            }
            interactions.push(interaction);
        }
        Ok(Reply::Now(EventMessage::WorkbinContent(EventWorkbinContent { workbin: Some(workbin), interactions })))
    }
}
