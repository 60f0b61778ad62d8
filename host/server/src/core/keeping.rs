//! What waits, and only one client may take: the one place that says who may take what.
//!
//! Kept are: for two seconds what an agent did not accept, for the client that offered it; and for
//! `reclaim_window` what a routing engine held, or could not hear the end of, when its connection broke,
//! for the routing engine of that name. No view shows what is kept. It is kept no longer when it is
//! taken or stopped, when its time is over, or when the client it is kept for leaves in good order.
//!
//! After a start with interactions in the store, who held what is forgotten: for
//! `reclaim_window_at_start` everything is kept for whoever reclaims it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jackfield_protocol::limits::{FRAME_BYTES, PULL_COUNT};
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::not_reclaimed::State;
use jackfield_protocol::v1::{ClientType, EventReclaimed, Interaction, NotReclaimed, RequestReclaim};
use jackfield_protocol::{ErrorCode, RequestError};
use prost::Message;

use super::delivery::Inviter;
use super::holding::Holder;
use super::pulling::Account;
use super::timers::{Timer, TimerKey};
use super::{Answered, ClientId, Core, Reply, checks};

/// How long a rejected interaction is kept for the client that offered it, in milliseconds.
const FIRST_REFUSAL: u64 = 2_000;
/// Bytes of interactions one answer holds; one is always given, whatever its size.
const RECLAIMED_BYTES: usize = FRAME_BYTES / 2;

/// Whom something is kept for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// The routing engine of this name, whichever connection it has.
    Router(Arc<str>),
    /// Any other client: this connection.
    Client(ClientId),
}

/// Everything that is kept.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    kept: HashMap<String, Kept>,
    /// The server has just started: what is kept for nobody is for those who reclaim it.
    just_started: bool,
}

#[derive(Debug)]
pub(super) struct Kept {
    whom: Whom,
    why: Why,
    timer: TimerKey,
}

/// Why something is kept.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// Its client offered it and heard that it was not accepted.
    FirstRefusal,
    /// Its client's connection broke. As it was held: it stays charged to this account.
    LeftBehind { account: Option<Account>, strategy: Option<Arc<str>> },
}

impl Kept {
    fn is_left_behind(&self) -> bool {
        matches!(self.why, Why::LeftBehind { .. })
    }

    fn account(&self) -> Option<Account> {
        match self.why {
            Why::LeftBehind { account, .. } => account,
            Why::FirstRefusal => None,
        }
    }
}

impl Keeping {
    /// Whether a pull that names no ids passes it over.
    pub(super) fn is_kept(&self, id: &str) -> bool {
        self.kept.contains_key(id)
    }

    /// Whether a pull by its id may take it.
    pub(super) fn lets_take(&self, whom: &Whom, id: &str) -> bool {
        self.kept.get(id).map_or(!self.just_started, |kept| kept.whom == *whom)
    }

    /// How it may be reclaimed; none: it is kept for another.
    fn reclaim(&self, whom: &Whom, id: &str) -> Option<Reclaim> {
        match self.kept.get(id) {
            Some(kept) => (kept.whom == *whom).then_some(Reclaim::Take),
            None if self.just_started => Some(Reclaim::Take),
            None => Some(Reclaim::TakeOfAll),
        }
    }

    /// Whether pulls wait until those who come back have reclaimed.
    pub(super) fn pulls_wait(&self) -> bool {
        self.just_started
    }

    /// In the order of the ids: the order of a hash map is chance.
    pub(super) fn ids(&self, which: impl Fn(&Kept) -> bool) -> Vec<String> {
        let mut ids: Vec<String> = self.kept.iter().filter(|(_, kept)| which(kept)).map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    #[cfg(test)]
    pub(super) fn charged(&self) -> usize {
        self.kept.values().filter(|kept| kept.account().is_some()).count()
    }
}

/// How an interaction comes back to a client that reclaims it.
enum Reclaim {
    /// It waits, and is kept for the client.
    Take,
    /// It waits, and is everybody's.
    TakeOfAll,
    /// The client holds it already.
    Hold,
    /// The invitation with this ticket is the client's.
    Hear(u64),
}

impl Core {
    pub(super) fn whom(&self, client: ClientId) -> Whom {
        match self.registration(client) {
            Some(registration) if registration.client_type == ClientType::RoutingEngine => {
                Whom::Router(registration.name.as_str().into())
            }
            _ => Whom::Client(client),
        }
    }

    /// The server has started with interactions in its store.
    pub(super) fn keep_all_at_start(&mut self) {
        let window = checks::millis(self.settings.timers.reclaim_window_at_start);
        if window > 0 && self.views.len() + self.workbins.entries().count() > 0 {
            self.keeping.just_started = true;
            self.timers.set(self.now.ticks.saturating_add(window), Timer::Started);
        }
    }

    /// Held pulls are looked at from here on.
    pub(super) fn start_is_over(&mut self) {
        self.keeping.just_started = false;
    }

    /// An offer was not accepted: who made it may offer it to somebody else. Call it before the
    /// interaction is back in its place.
    pub(super) fn keep_for_inviter(&mut self, inviter: &Inviter, id: &str) {
        let now = self.now.ticks;
        match inviter {
            Inviter::Here(client, _) => {
                self.keep(id, self.whom(*client), now.saturating_add(FIRST_REFUSAL), Why::FirstRefusal);
            }
            Inviter::Away(name, until) if *until > now => {
                let why = Why::LeftBehind { account: None, strategy: None };
                self.keep(id, Whom::Router(name.clone()), *until, why);
            }
            Inviter::Away(..) | Inviter::Gone => {}
        }
    }

    fn keep(&mut self, id: &str, whom: Whom, until: u64, why: Why) {
        let timer = self.timers.set(until, Timer::Kept(id.into()));
        self.kept_no_more(id);
        self.keeping.kept.insert(id.into(), Kept { whom, why, timer });
    }

    /// It was taken, or stopped.
    pub(super) fn kept_no_more(&mut self, id: &str) {
        if let Some(kept) = self.keeping.kept.remove(id) {
            self.timers.cancel(kept.timer);
            self.strategies.credit(kept.account());
        }
    }

    /// Anybody may take it now.
    pub(super) fn free(&mut self, id: &str) {
        self.kept_no_more(id);
        if let Some(entry) = self.views.get(id) {
            self.strategies.queue_changed(&entry.key.queue);
        }
    }

    /// A client's connection broke. What a routing engine held is kept for its return; what it offered
    /// goes on.
    pub(super) fn leave_behind(&mut self, client: ClientId, reason: &str) {
        let window = checks::millis(self.settings.timers.reclaim_window);
        let Whom::Router(name) = self.whom(client) else { return self.leave_nothing(client) };
        if window == 0 {
            return self.leave_nothing(client);
        }
        let until = self.now.ticks.saturating_add(window);
        let whom = Whom::Router(name.clone());
        self.inviter_is_away(client, &name, until);
        // What an earlier connection left behind has its own time, or who comes and goes would keep it for ever.
        for id in self.keeping.ids(|kept| kept.whom == whom && !kept.is_left_behind()) {
            self.keep(&id, whom.clone(), until, Why::LeftBehind { account: None, strategy: None });
        }
        for id in self.ids_held_by(client) {
            let Some(out) = self.out.get_mut(&id) else { continue };
            let account = out.account.take();
            let strategy = match &out.holder {
                Holder::Router { strategy, .. } => strategy.clone(),
                _ => None,
            };
            self.keep(&id, whom.clone(), until, Why::LeftBehind { account, strategy });
            self.give_back(&id, reason);
        }
    }

    /// A client goes, and nothing is kept for it.
    pub(super) fn leave_nothing(&mut self, client: ClientId) {
        self.inviter_is_gone(|inviter| matches!(inviter, Inviter::Here(here, _) if *here == client));
        let whom = self.whom(client);
        if let Whom::Router(name) = &whom {
            self.inviter_is_gone(|inviter| matches!(inviter, Inviter::Away(away, _) if away == name));
        }
        for id in self.keeping.ids(|kept| kept.whom == whom) {
            self.free(&id);
        }
    }

    /// A routing engine is back. Nothing changes where the store cannot be read.
    pub(super) fn reclaim(&mut self, client: ClientId, request: RequestReclaim) -> Answered {
        let Whom::Router(name) = self.whom(client) else {
            self.permit(client, false, "reclaim interactions")?;
            return Err(ErrorCode::NotPermitted.with("only routing engines may reclaim interactions"));
        };
        if request.interaction_ids.len() > usize::try_from(PULL_COUNT).unwrap_or(usize::MAX) {
            return Err(ErrorCode::BadRequest
                .with(format!("more than {PULL_COUNT} interaction ids; reclaim the others with another request")));
        }
        for id in &request.interaction_ids {
            checks::name("an interaction id", id)?;
        }
        let mut answer = EventReclaimed::default();
        let found = self.look_up(client, request.interaction_ids, &mut answer)?;
        for (id, way, mut interaction) in found {
            match way {
                Reclaim::Take => self.take_back(client, &id),
                Reclaim::TakeOfAll => {
                    self.take_back(client, &id);
                    answer.taken_back.push(id.clone());
                }
                Reclaim::Hold => {
                    // A sign of life.
                    let _ = self.held_by(client, &id);
                }
                Reclaim::Hear(ticket) => {
                    self.inviter_is_back(client, ticket);
                    answer.invited.push(id.clone());
                }
            }
            self.show_holder(&id, &mut interaction);
            answer.interactions.push(interaction);
        }
        if !request.more && answer.remaining.is_empty() {
            self.reclaimed_all(&name);
        }
        Ok(Reply::Now(EventMessage::Reclaimed(answer)))
    }

    /// What can be reclaimed of these, as much as fits into one answer; what cannot goes into the answer.
    fn look_up(
        &mut self,
        client: ClientId,
        ids: Vec<String>,
        answer: &mut EventReclaimed,
    ) -> Result<Vec<(String, Reclaim, Interaction)>, RequestError> {
        let mut found: Vec<(String, Reclaim, Interaction)> = Vec::new();
        let mut seen = HashSet::new();
        let mut bytes = 0;
        for id in ids {
            if !seen.insert(id.clone()) {
                continue;
            }
            if !answer.remaining.is_empty() {
                answer.remaining.push(id);
                continue;
            }
            let way = match self.way_back(client, &id) {
                Ok(way) => way,
                Err((state, agent)) => {
                    answer.not_reclaimed.push(NotReclaimed { interaction_id: id, state: state.into(), agent });
                    continue;
                }
            };
            let Some(mut interaction) = self.interactions(&[&id])?.pop() else {
                let (state, agent) = (State::Unknown.into(), String::new());
                answer.not_reclaimed.push(NotReclaimed { interaction_id: id, state, agent });
                continue;
            };
            self.tell_last_agents(std::iter::once(&mut interaction));
            bytes += interaction.encoded_len();
            if bytes > RECLAIMED_BYTES && !found.is_empty() {
                answer.remaining.push(id);
                continue;
            }
            found.push((id, way, interaction));
        }
        Ok(found)
    }

    /// How this client can have the interaction; or why not, with the agent who has it.
    fn way_back(&self, client: ClientId, id: &str) -> Result<Reclaim, (State, String)> {
        match self.out.get(id).map(|out| &out.holder) {
            None => match self.entry(id) {
                None => Err((State::Unknown, String::new())),
                Some(entry) if entry.is_locked => Err((State::Taken, String::new())),
                Some(_) => self.keeping.reclaim(&self.whom(client), id).ok_or((State::Taken, String::new())),
            },
            Some(Holder::Router { client: holder, .. }) if *holder == client => Ok(Reclaim::Hold),
            Some(Holder::Router { .. }) => Err((State::Taken, String::new())),
            Some(Holder::Agent { agent, .. }) => Err((State::WithAgent, agent.clone())),
            Some(Holder::Invited { ticket }) if self.is_inviter(client, *ticket) => Ok(Reclaim::Hear(*ticket)),
            Some(Holder::Invited { ticket }) => match self.invitations.get(ticket).and_then(|by| by.by_agent.clone()) {
                Some(agent) => Err((State::WithAgent, agent)),
                None => Err((State::Taken, String::new())),
            },
        }
    }

    /// As it was held before, where that is known.
    fn take_back(&mut self, client: ClientId, id: &str) {
        let (account, strategy) = match self.keeping.kept.get(id).map(|kept| &kept.why) {
            Some(Why::LeftBehind { account, strategy }) => (*account, strategy.clone()),
            Some(Why::FirstRefusal) | None => (None, None),
        };
        if let Some(entry) = self.views.remove(id).or_else(|| self.workbins.remove(id)) {
            self.take(entry, Holder::Router { client, strategy }, account, self.routing_patience());
        }
    }

    /// What a router of that name left behind and does not want back is everybody's.
    fn reclaimed_all(&mut self, name: &Arc<str>) {
        self.inviter_is_gone(|inviter| matches!(inviter, Inviter::Away(away, _) if away == name));
        let whom = Whom::Router(name.clone());
        for id in self.keeping.ids(|kept| kept.whom == whom && kept.is_left_behind()) {
            self.free(&id);
        }
    }
}
