//! Who holds what: interactions that are out, and how they come back.
//!
//! An interaction is in exactly one of three places: in the views (it waits in a queue), in a workbin,
//! or out (held by a router or an agent, or offered to one). Everything that moves one from place to
//! place goes through [`Core::claim`], [`Core::release`] and [`Core::rest`].

use std::sync::Arc;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{
    ClientType, EventRevoked, Interaction, InteractionState, ReportingName, RequestPlaceInQueue, RequestStopProcessing,
};
use jackfield_protocol::{ErrorCode, RequestError};

use super::pulling::Account;
use super::reporting::Party;
use super::timers::{Timer, TimerKey};
use super::{Answered, ClientId, Core, acknowledge, checks};
use crate::store::{Entry, Write};

/// User data key for the handling timeout of one interaction, in minutes (reference, *Limits and
/// timers*: user data goes before the server's setting). 1 to 1,440.
pub(super) const HANDLING_TIMEOUT_KEY: &str = "handling-timeout";

/// An interaction that is neither in a queue nor in a workbin.
#[derive(Debug)]
pub(super) struct Out {
    /// As it goes back: its old place in line.
    pub(super) entry: Entry,
    pub(super) holder: Holder,
    /// Whose limit it counts against, while a router holds it.
    pub(super) account: Option<Account>,
    /// Ticks of the holder's last request about it.
    touched: u64,
    /// How long the holder may be silent, in milliseconds.
    patience: u64,
    timer: Option<TimerKey>,
    submitted_to_router_at: i64,
    pub(super) assigned_at: i64,
}

/// Who has an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A router, or another client that is no agent's.
    Router {
        client: ClientId,
        /// The strategy it was pulled for, where the pull said so.
        strategy: Option<Arc<str>>,
    },
    /// An agent, through a client.
    Agent { client: ClientId, agent: String },
    /// Nobody yet: it is offered to an agent.
    Invited { ticket: u64 },
}

impl Holder {
    pub(super) fn client(&self) -> Option<ClientId> {
        match self {
            Holder::Router { client, .. } | Holder::Agent { client, .. } => Some(*client),
            Holder::Invited { .. } => None,
        }
    }
}

impl Core {
    /// Where an interaction is known, its entry; wherever it is.
    pub(super) fn entry(&self, id: &str) -> Option<&Entry> {
        self.out.get(id).map(|out| &out.entry).or_else(|| self.views.get(id)).or_else(|| self.workbins.get(id))
    }

    pub(super) fn unknown_interaction(id: &str) -> RequestError {
        ErrorCode::UnknownInteraction.with(format!("there is no interaction `{id}`; it may have been stopped"))
    }

    /// Gives an interaction that is in no place to a holder. `patience` as the holder's kind has it.
    pub(super) fn claim(&mut self, entry: Entry, holder: Holder, account: Option<Account>, patience: u64) {
        let id = entry.key.id.clone();
        self.strategies.charge(account);
        if let Holder::Agent { agent, .. } = &holder {
            self.agent_is_busier(&agent.clone(), &entry.media_type);
            self.agent_has_answered(&agent.clone());
        }
        let timer = self.timers.set(self.now.ticks.saturating_add(patience), Timer::Holding(id.clone()));
        let is_router = matches!(holder, Holder::Router { .. });
        let out = Out {
            entry,
            holder,
            account,
            touched: self.now.ticks,
            patience,
            timer: Some(timer),
            submitted_to_router_at: if is_router { self.now.wall } else { 0 },
            assigned_at: if is_router { 0 } else { self.now.wall },
        };
        self.out.insert(id, out);
    }

    /// [`claim`](Self::claim) of what was taken from its queue or workbin, with its reporting events.
    pub(super) fn take(&mut self, entry: Entry, holder: Holder, account: Option<Account>, patience: u64) {
        self.kept_no_more(&entry.key.id);
        self.report_interaction(ReportingName::TakenFromQueue, &entry, Party::Holder(&holder), "");
        if entry.workbin.is_some() {
            self.report_interaction(ReportingName::TakenFromWorkbin, &entry, Party::Holder(&holder), "");
        }
        self.report_interaction(ReportingName::PartyAdded, &entry, Party::Holder(&holder), "");
        self.claim(entry, holder, account, patience);
    }

    /// Ends a hold or an invitation: the interaction is in no place afterwards.
    pub(super) fn release(&mut self, id: &str) -> Option<Out> {
        let out = self.out.remove(id)?;
        if let Some(timer) = out.timer {
            self.timers.cancel(timer);
        }
        self.strategies.credit(out.account);
        match &out.holder {
            Holder::Router { .. } => {}
            Holder::Agent { agent, .. } => {
                self.agent_has_completed(agent, out.assigned_at);
                self.agent_is_freer(agent, &out.entry.media_type);
            }
            Holder::Invited { ticket } => {
                if let Some(invitation) = self.invitations.remove(ticket) {
                    self.timers.cancel(invitation.timer);
                    self.agent_is_freer(&invitation.agent, &out.entry.media_type);
                }
            }
        }
        Some(out)
    }

    /// Puts an interaction that is in no place into its queue or workbin.
    pub(super) fn rest(&mut self, entry: Entry) {
        if entry.workbin.is_some() {
            self.workbins.insert(entry);
        } else {
            self.strategies.queue_changed(&entry.key.queue);
            self.views.insert(entry);
        }
    }

    /// Back to where it was taken from, with its old place in line; nothing is written.
    pub(super) fn give_back(&mut self, id: &str, reason: &str) {
        let Some(out) = self.release(id) else { return };
        self.report_interaction(ReportingName::PartyRemoved, &out.entry, Party::Holder(&out.holder), reason);
        self.back_to_its_place(out.entry, reason);
    }

    /// [`rest`](Self::rest) with its reporting events.
    pub(super) fn back_to_its_place(&mut self, entry: Entry, reason: &str) {
        self.report_interaction(ReportingName::PlacedInQueue, &entry, Party::None, reason);
        if entry.workbin.is_some() {
            self.report_interaction(ReportingName::PlacedInWorkbin, &entry, Party::None, reason);
        }
        self.rest(entry);
    }

    /// Everything a client holds goes back.
    pub(super) fn give_back_all(&mut self, client: ClientId, reason: &str) {
        for id in self.ids_held_by(client) {
            self.give_back(&id, reason);
        }
    }

    pub(super) fn ids_held_by(&self, client: ClientId) -> Vec<String> {
        let mut held: Vec<String> =
            self.out.iter().filter(|(_, out)| out.holder.client() == Some(client)).map(|(id, _)| id.clone()).collect();
        // The order of a hash map is chance, and chance has no place in what is reported.
        held.sort_unstable();
        held
    }

    /// The interaction, when this client holds it; a sign of life from its holder.
    pub(super) fn held_by(&mut self, client: ClientId, id: &str) -> Result<&mut Out, RequestError> {
        let ticks = self.now.ticks;
        if !self.out.contains_key(id) {
            return Err(match self.entry(id) {
                None => Self::unknown_interaction(id),
                Some(entry) => ErrorCode::NotOwner.with(format!(
                    "the interaction `{id}` waits in {}; pull it first",
                    match &entry.workbin {
                        Some(workbin) => format!("the workbin `{}` of `{}`", workbin.r#type, workbin.owner),
                        None => format!("the queue `{}`", entry.key.queue),
                    }
                )),
            });
        }
        match self.out.get_mut(id) {
            Some(out) if out.holder.client() == Some(client) => {
                out.touched = ticks;
                Ok(out)
            }
            Some(Out { holder: Holder::Invited { .. }, .. }) => Err(ErrorCode::InteractionBusy
                .with(format!("the interaction `{id}` is offered to an agent; wait for its EventDelivery"))),
            Some(_) => Err(ErrorCode::NotOwner.with(format!("another client holds the interaction `{id}`"))),
            None => Err(Self::unknown_interaction(id)),
        }
    }

    pub(super) fn routing_patience(&self) -> u64 {
        checks::millis(self.settings.timers.routing_timeout)
    }

    /// How long an agent may be silent: the interaction's own user data goes first, then its media type,
    /// then the server's setting (reference page, *Limits and timers*).
    pub(super) fn handling_patience(&self, interaction: &Interaction) -> u64 {
        let own = interaction.user_data.as_ref().and_then(|user_data| user_data.integer(HANDLING_TIMEOUT_KEY));
        match own.and_then(|minutes| u64::try_from(minutes).ok()) {
            Some(minutes @ 1..=1_440) => minutes * 60_000,
            _ => {
                let media_type = self.settings.media_types.iter().find(|media| media.name == interaction.media_type);
                let of_media = media_type.and_then(|media| media.handling_timeout);
                checks::millis(of_media.unwrap_or(self.settings.timers.handling_timeout))
            }
        }
    }

    /// The routing timer counts from the router's last request about the interaction, the handling timer
    /// from the agent application's last request about anything.
    pub(super) fn holding_is_due(&mut self, id: &str) {
        let now = self.now.ticks;
        let Some(out) = self.out.get_mut(id) else { return };
        let heard = match &out.holder {
            Holder::Agent { client, .. } => {
                self.clients.get(client).map_or(out.touched, |client| client.last_request.max(out.touched))
            }
            _ => out.touched,
        };
        let due = heard.saturating_add(out.patience);
        if due > now {
            out.timer = Some(self.timers.set(due, Timer::Holding(id.into())));
            return;
        }
        out.timer = None;
        let reason = match out.holder {
            Holder::Agent { .. } => "handling-timeout",
            _ => "routing-timeout",
        };
        if let Some(client) = out.holder.client() {
            self.revoke(client, id, 0, reason);
        }
        self.give_back(id, reason);
    }

    pub(super) fn revoke(&mut self, client: ClientId, id: &str, ticket_id: u64, reason: &str) {
        self.event(
            client,
            EventMessage::Revoked(EventRevoked { interaction_id: id.into(), ticket_id, reason: reason.into() }),
        );
    }

    pub(super) fn place_in_queue(&mut self, client: ClientId, request: RequestPlaceInQueue) -> Answered {
        let id = &request.interaction_id;
        self.held_by(client, id)?;
        if request.give_back {
            self.give_back(id, &request.reason);
            return acknowledge();
        }
        self.known_queue(&request.queue)?;
        let finishes = self.finishes(id);
        let Some(out) = self.release(id) else { return Err(Self::unknown_interaction(id)) };
        self.finished(finishes);
        let holder = Party::Holder(&out.holder);
        self.report_interaction(ReportingName::PartyRemoved, &out.entry, holder, &request.reason);

        let from = out.entry.key.clone();
        let mut entry = out.entry;
        let was_held = entry.is_held;
        if entry.key.queue != request.queue {
            entry.key.queue = request.queue;
            entry.moved_to_queue_at = self.now.wall;
        }
        entry.workbin = None;
        self.placed(&mut entry, request.hold);
        self.report_interaction(ReportingName::PlacedInQueue, &entry, holder, &request.reason);
        self.report_hold(was_held, &entry, holder);
        self.outbox.writes.push(Write::Move { from, to: entry.clone() });
        self.rest(entry);
        acknowledge()
    }

    /// What any placement sets.
    pub(super) fn placed(&self, entry: &mut Entry, hold: bool) {
        entry.placed_in_queue_at = self.now.wall;
        if hold && !entry.is_held {
            entry.held_at = self.now.wall;
        } else if !hold {
            entry.held_at = 0;
        }
        entry.is_held = hold;
    }

    pub(super) fn report_hold(&mut self, was_held: bool, entry: &Entry, party: Party<'_>) {
        match (was_held, entry.is_held) {
            (false, true) => self.report_interaction(ReportingName::Held, entry, party, ""),
            (true, false) => self.report_interaction(ReportingName::Resumed, entry, party, ""),
            _ => {}
        }
    }

    pub(super) fn known_queue(&self, queue: &str) -> Result<(), RequestError> {
        if self.strategies.knows_queue(queue) {
            return Ok(());
        }
        Err(ErrorCode::UnknownQueue.with(format!("there is no interaction queue `{queue}` on this server")))
    }

    /// For its holder; or, while nobody holds it, for the media server that submitted it.
    pub(super) fn stop_processing(&mut self, client: ClientId, request: RequestStopProcessing) -> Answered {
        let id = &request.interaction_id;
        if !self.out.contains_key(id) && self.submitted_by(client, id) {
            if let Some(entry) = self.views.remove(id).or_else(|| self.workbins.remove(id)) {
                self.kept_no_more(id);
                self.stopped(entry, Party::Client(client), &request.reason);
            }
            return acknowledge();
        }
        self.held_by(client, id)?;
        let finishes = self.finishes(id);
        let Some(out) = self.release(id) else { return Err(Self::unknown_interaction(id)) };
        self.finished(finishes);
        let holder = Party::Holder(&out.holder);
        self.report_interaction(ReportingName::PartyRemoved, &out.entry, holder, &request.reason);
        self.stopped(out.entry, holder, &request.reason);
        acknowledge()
    }

    fn stopped(&mut self, entry: Entry, party: Party<'_>, reason: &str) {
        self.report_interaction(ReportingName::ProcessingStopped, &entry, party, reason);
        self.bodies.remove(&entry.key.id);
        self.outbox.writes.push(Write::Delete { key: entry.key });
    }

    /// Whether this client is the media server an interaction came from.
    pub(super) fn submitted_by(&self, client: ClientId, id: &str) -> bool {
        self.client_type(client) == ClientType::MediaServer
            && self.entry(id).is_some_and(|entry| entry.submitted_by == self.client_name(client))
    }

    /// Reads interactions whole, as they are now, in the order asked. Those whose body is not stored are
    /// left out, and logged: their entries are.
    pub(super) fn interactions(&mut self, ids: &[&str]) -> Result<Vec<Interaction>, RequestError> {
        let missing: Vec<&str> = ids.iter().copied().filter(|id| self.bodies.get(id).is_none()).collect();
        let read = if missing.is_empty() {
            Vec::new()
        } else {
            self.reader.interactions(&missing).map_err(|error| self.failed(error))?
        };
        let mut read: std::collections::HashMap<String, Interaction> =
            read.into_iter().map(|interaction| (interaction.interaction_id.clone(), interaction)).collect();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let body = match read.remove(*id) {
                Some(interaction) => {
                    self.bodies.put(interaction.clone(), 0);
                    Some(interaction)
                }
                None => self.bodies.get(id).cloned(),
            };
            match body {
                Some(mut interaction) => {
                    self.bring_up_to_date(&mut interaction);
                    found.push(interaction);
                }
                None => tracing::error!(interaction = id, "the store has no body for an interaction it lists"),
            }
        }
        Ok(found)
    }

    pub(super) fn interaction(&mut self, id: &str) -> Result<Interaction, RequestError> {
        self.interactions(&[id])?.pop().ok_or_else(|| Self::unknown_interaction(id))
    }

    /// Lays what is known in memory over a stored interaction.
    fn bring_up_to_date(&self, interaction: &mut Interaction) {
        let id = interaction.interaction_id.clone();
        if let Some(entry) = self.entry(&id) {
            entry.apply_to(interaction);
        }
        self.show_holder(&id, interaction);
    }

    /// Sets what is known of an interaction's holder, and no store keeps.
    pub(super) fn show_holder(&self, id: &str, interaction: &mut Interaction) {
        let out = self.out.get(id);
        interaction.submitted_to_router_at = out.map_or(0, |out| out.submitted_to_router_at);
        interaction.assigned_at = out.map_or(0, |out| out.assigned_at);
        interaction.assigned_to.clear();
        let state = match out.map(|out| &out.holder) {
            None => InteractionState::Queued,
            Some(Holder::Agent { agent, .. }) => {
                interaction.assigned_to.clone_from(agent);
                InteractionState::Handling
            }
            // Offered to an agent it is still being routed.
            Some(Holder::Router { .. } | Holder::Invited { .. }) => InteractionState::Routing,
        };
        interaction.state = state.into();
    }

    /// Makes the invited agent the holder.
    pub(super) fn assign(&mut self, id: &str, client: ClientId, agent: &str, patience: u64) {
        self.agent_has_answered(agent);
        let Some(out) = self.out.get_mut(id) else { return };
        out.holder = Holder::Agent { client, agent: agent.into() };
        out.assigned_at = self.now.wall;
        out.touched = self.now.ticks;
        out.patience = patience;
        out.timer = Some(self.timers.set(self.now.ticks.saturating_add(patience), Timer::Holding(id.into())));
    }

    /// Takes the interaction out of its holder's hands and offers it: no timer of its own runs.
    pub(super) fn offer(&mut self, id: &str, ticket: u64) -> Option<Holder> {
        let out = self.out.get_mut(id)?;
        if let Some(timer) = out.timer.take() {
            self.timers.cancel(timer);
        }
        self.strategies.credit(out.account.take());
        Some(std::mem::replace(&mut out.holder, Holder::Invited { ticket }))
    }
}
