//! The way back of a link that comes up: after the node was started with sessions in its journal, and
//! after a connection was lost. Both are the same: sessions have requests whose outcome nobody knows,
//! and hold interactions the server has taken back.
//!
//! 1. *Probing.* What the server remembers is asked again with its keys. We hold nothing yet, so an
//!    acknowledgement says that it was done over the connection before, and anything else that it was not.
//! 2. *Reclaiming.* What sessions still hold is asked for. Of what the server has kept for this node sessions
//!    hear nothing. What it had taken back by then, because the loss was too long, and has for us all the same,
//!    the session hears to be lost and to be there again. What another has is lost to its session; what an agent
//!    has is delivered, where it was on its way there.
//! 3. *Resuming.* Everything that still has no outcome is carried out, in order.
//! 4. Only then new interactions are pulled.
//!
//! A connection that is lost in the middle starts over. Requests made meanwhile wait for the third step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_link::LinkError;
use jackfield_protocol::limits::PULL_COUNT;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::not_reclaimed::State;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{EventReclaimed, Interaction, InteractionState, NotReclaimed, RequestReclaim};
use jackfield_strategy::contract::{self, Destination, Outcome, RouteRequest, TargetType};
use jackfield_strategy::{Request, SessionEvent};

use crate::failures::HostError;
use crate::link::LinkTask;
use crate::requests::{Lasting, Purpose, Then, lasting, placed, request_key};
use crate::sessions::Running;
use crate::targets::routed;

/// The pause before reclaiming is tried again that the server refused: its store cannot be read.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How far a link has come on its way back.
#[derive(Debug)]
pub(crate) enum Phase {
    /// There is no connection.
    Down,
    /// See the module. `open`: asked, and not answered.
    Probing {
        todo: VecDeque<(Arc<str>, u64)>,
        open: usize,
    },
    /// `asked`: a chunk is under way; otherwise the next one is asked for at `next`.
    Reclaiming {
        todo: VecDeque<Arc<str>>,
        asked: bool,
        next: Instant,
    },
    Resuming {
        todo: VecDeque<(Arc<str>, u64)>,
    },
    /// There is nothing to catch up with.
    Up,
}

impl Phase {
    pub fn is_up(&self) -> bool {
        matches!(self, Phase::Up)
    }
}

impl LinkTask {
    /// There is a connection.
    pub(crate) fn begin_return(&mut self) {
        let todo = self.pending(|request| matches!(lasting(request), Ok(Some(_))) || queue_of(request).is_some());
        self.phase = Phase::Probing { todo, open: 0 };
    }

    /// Requests without an outcome, the oldest session's first.
    pub(crate) fn pending(&self, which: impl Fn(&Request) -> bool) -> VecDeque<(Arc<str>, u64)> {
        let mut sessions: Vec<&Running> = self.sessions.values().map(Box::as_ref).collect();
        // Ids sort by time.
        sessions.sort_unstable_by(|one, other| one.card.id.cmp(&other.card.id));
        let pending = sessions.into_iter().flat_map(|running| {
            let requests = running.card.waiting(&which);
            requests.into_iter().map(|request| (running.card.id.clone(), request))
        });
        pending.collect()
    }

    /// Goes on as far as there is room for what is sent.
    pub(crate) fn go_on(&mut self) {
        loop {
            let has_room = self.takes_turns();
            match &mut self.phase {
                Phase::Down | Phase::Up => return,
                Phase::Probing { todo, open } => match todo.pop_front() {
                    Some((session, request)) if has_room => self.probe(session, request),
                    Some(first) => {
                        todo.push_front(first);
                        return;
                    }
                    None if *open > 0 => return,
                    None => {
                        let mut todo: Vec<Arc<str>> = self.interactions.keys().cloned().collect();
                        todo.sort_unstable();
                        self.phase = Phase::Reclaiming { todo: todo.into(), asked: false, next: self.now };
                    }
                },
                Phase::Reclaiming { todo, asked, next } => {
                    if *asked || *next > self.now {
                        return;
                    }
                    *asked = true;
                    let chunk = todo.len().min(usize::try_from(PULL_COUNT).unwrap_or(usize::MAX));
                    // They stay in the list until they are answered.
                    let interaction_ids = todo.iter().take(chunk).map(|id| id.to_string()).collect();
                    let ask = RequestReclaim { interaction_ids, more: todo.len() > chunk };
                    let within = self.shared.request_timeout();
                    self.send(Ask::Reclaim(ask), String::new(), Purpose::Reclaim, Some(within));
                    return;
                }
                Phase::Resuming { todo } => {
                    // Agents are known first: a target may be one who is only logged in.
                    if self.asked_agents {
                        return;
                    }
                    match todo.pop_front() {
                        Some((session, request)) if has_room => self.resume(&session, request),
                        Some(first) => {
                            todo.push_front(first);
                            return;
                        }
                        None => return self.is_back(),
                    }
                }
            }
        }
    }

    /// When there is something to do that nobody else tells of.
    pub(crate) fn go_on_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Reclaiming { asked: false, next, .. } => Some(*next),
            _ => None,
        }
    }

    // ---- probing ----

    fn probe(&mut self, session: Arc<str>, request: u64) {
        let what = self.sessions.get(&session).and_then(|running| running.card.pending(request));
        let Some(what) = what.map(|pending| pending.request) else { return };
        let found = match queue_of(&what) {
            Some(placed) => Some(placed),
            None => lasting(&what).ok().flatten(),
        };
        let Some(Lasting { ask, then, .. }) = found else { return };
        if let Phase::Probing { open, .. } = &mut self.phase {
            *open += 1;
        }
        let key = request_key(&session, request, "");
        let within = self.shared.request_timeout();
        self.send(ask, key, Purpose::Probe { session, request, then }, Some(within));
    }

    pub(crate) fn probe_answer(
        &mut self,
        session: &Arc<str>,
        request: u64,
        then: Then,
        answer: Result<Answer, LinkError>,
    ) {
        // Not done yet, or refused then as now: it is carried out in its turn.
        if let Ok(answer @ Answer::Ack(_)) = answer {
            self.strategy_answer(session, request, then, Ok(answer));
        }
        self.probed();
    }

    /// One more is answered, or never will be.
    pub(crate) fn probed(&mut self) {
        if let Phase::Probing { open, .. } = &mut self.phase {
            *open = open.saturating_sub(1);
        }
    }

    // ---- reclaiming ----

    pub(crate) fn reclaim_answer(&mut self, answer: Result<Answer, LinkError>) {
        let Phase::Reclaiming { todo, asked, next } = &mut self.phase else { return };
        *asked = false;
        let error = match answer {
            Ok(Answer::Reclaimed(reclaimed)) => {
                let chunk = todo.len().min(usize::try_from(PULL_COUNT).unwrap_or(usize::MAX));
                todo.drain(..chunk);
                for id in reclaimed.remaining.iter().rev() {
                    todo.push_front(id.as_str().into());
                }
                let is_over = todo.is_empty();
                self.reclaimed(reclaimed);
                if is_over {
                    let todo = self.pending(|_| true);
                    self.phase = Phase::Resuming { todo };
                }
                return;
            }
            Ok(_) => LinkError::Protocol("the answer to a reclaim is none".into()),
            Err(error) => error,
        };
        *next = self.now + AGAIN_AFTER;
        tracing::warn!(
            server = self.server,
            %error,
            "the interaction server does not give back what this node holds; it is asked again in a moment"
        );
    }

    fn reclaimed(&mut self, reclaimed: EventReclaimed) {
        let EventReclaimed { interactions, not_reclaimed, invited, taken_back, .. } = reclaimed;
        for interaction in interactions {
            let is_invited = invited.contains(&interaction.interaction_id);
            if !is_invited && self.was_moved(&interaction) {
                continue;
            }
            let id = interaction.interaction_id.clone();
            if taken_back.contains(&id) {
                self.regained(interaction);
                continue;
            }
            self.show_change(interaction);
            if is_invited {
                self.is_invited(&id);
            }
        }
        for NotReclaimed { interaction_id, state, agent } in not_reclaimed {
            let (reason, is_done) = match State::try_from(state).unwrap_or(State::Taken) {
                State::WithAgent => ("an agent has it", self.is_with_agent(&interaction_id, agent)),
                State::Taken => ("somebody else has it", false),
                State::Unknown => ("it is not there any more", false),
            };
            if !is_done {
                self.lost(&interaction_id, &format!("the link was down, and {reason} by now"));
            }
        }
    }

    /// The server had taken it back and offered it to all who pull, and it is ours again.
    fn regained(&mut self, mut interaction: Interaction) {
        interaction.set_state(InteractionState::Routing);
        let interaction = contract::interaction(interaction, None);
        let held = self.names.hold(&interaction);
        let Some(running) = self.holder(&interaction.id) else { return };
        running.is_excused = true;
        if let Some(before) = running.held_mut(&interaction.id) {
            *before = held;
        }
        let lost = SessionEvent::InteractionNotControlled {
            interaction: interaction.id.clone(),
            reason: "the link was down, and the interaction server took it back".to_owned(),
        };
        running.tell_all([lost, SessionEvent::InteractionPresent(Box::new(interaction))]);
    }

    /// It waited in another queue than the one we had it from: somebody has put it there meanwhile, and it
    /// is for whoever serves that queue.
    fn was_moved(&mut self, interaction: &Interaction) -> bool {
        let id = &interaction.interaction_id;
        let was_in = self.holder(id).and_then(|running| running.holds(id)).map(|held| held.queue.clone());
        if was_in.is_none_or(|queue| *queue == *interaction.queue) {
            return false;
        }
        self.lost(id, &format!("the link was down, and it was placed in queue `{}` by then", interaction.queue));
        self.give_back_unstarted(id.clone());
        true
    }

    // ---- resuming ----

    fn resume(&mut self, session: &Arc<str>, request: u64) {
        let is_ending = self.is_ending(session, request);
        let Some(running) = self.sessions.get_mut(session) else { return };
        let Some(what) = running.card.pending(request).map(|pending| pending.request) else { return };
        if let Request::Route(RouteRequest { interaction, .. }) | Request::Deliver { interaction, .. } = &what
            && self.deliveries.get(interaction).is_some_and(|delivery| delivery.is_for(session, request))
        {
            // It goes on.
            return;
        }
        if matches!(what, Request::Fetch(_)) || is_ending {
            // It goes on, whatever becomes of the link.
            return;
        }
        if !matches!(what, Request::Route(_)) {
            return self.carry_out(session, request);
        }
        if running.end.is_some() {
            // Nobody waits for a target any more.
            self.not_routed(session, request, HostError::Cancelled.with("the session has ended"), None);
            return;
        }
        let is_cancelled = running.card.find(|other| matches!(other, Request::CancelRoute(of) if *of == request));
        if let Some((cancel, _)) = is_cancelled {
            self.not_routed(session, request, HostError::Cancelled.with("cancelled by the strategy"), Some(cancel));
            return;
        }
        self.carry_out(session, request);
    }

    fn is_back(&mut self) {
        self.phase = Phase::Up;
        self.link_waits.end();
        let ended = self.sessions.values().filter(|running| running.end.is_some());
        let mut ended: Vec<Arc<str>> = ended.map(|running| running.card.id.clone()).collect();
        ended.sort_unstable();
        for session in ended {
            self.settle(&session);
        }
        if self.stopping.is_none() {
            self.shared.pulls.tell(|pulls| pulls.link_up(self.index));
        }
    }
}

/// A wait for a target with a queue among the targets may have ended there.
fn queue_of(request: &Request) -> Option<Lasting> {
    let Request::Route(route) = request else { return None };
    if !route.deliver {
        return None;
    }
    let queue = route.targets.iter().find(|target| target.target_type == TargetType::InteractionQueue)?;
    let destination = Destination::InteractionQueue(queue.name.clone());
    let outcome = Outcome::Routed(routed(queue.name.clone(), destination, route.virtual_queue.clone()));
    Some(placed(&route.interaction, &queue.name, outcome))
}
