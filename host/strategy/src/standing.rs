//! How a session stands: what the host knows of it between two turns, without running its strategy.
//!
//! It follows from the session's origin and its turns, and from nothing else: a running session and
//! one that is only read from the journal come to the same. It is part of each checkpoint.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::contract::{
    Event, Failure, Interaction, InteractionEvent, InteractionId, KvPair, MessageEvent, RequestDoneEvent,
    RequestFailedEvent, RequestId, set_pairs,
};
use crate::record::{Clock, Input, Origin, TimerChange, Turn};
use crate::request::Request;
use crate::second::Second;
use crate::session::SessionEvent;
use crate::timers::Timers;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The oldest first, as the session last saw them. It holds a handful, so they are searched one by one.
    held: Vec<Interaction>,
    /// Requests without an outcome.
    waiting: BTreeMap<RequestId, Pending>,
    /// Interactions it began with and has not been told of yet.
    starting: VecDeque<InteractionId>,
    /// Requests that were refused on the spot, of which it has not been told yet.
    refused: VecDeque<(RequestId, Failure)>,
    pub(crate) timers: Timers,
    last_request: RequestId,
    /// Requests within a second.
    #[serde(default, skip_serializing_if = "Second::is_unused")]
    second: Second,
    /// Turns that were recorded.
    turns: u64,
    /// Of the last of them.
    clock: Clock,
    /// When its wait for an event ends, in nanoseconds of its monotonic time.
    wait_ends: Option<u64>,
}

/// A request without an outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// What was asked for.
    pub request: Request,
    /// The time of the turn that asked, in milliseconds since 1970-01-01T00:00:00Z.
    pub asked_at: u64,
}

/// What a session that is passive is woken for, and how far its time has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Turns that were recorded.
    pub turns: u64,
    /// Its monotonic time at the last of them, in nanoseconds.
    pub(crate) monotonic: u64,
    /// When it goes on without an event, in nanoseconds of that time.
    pub(crate) due: Option<u64>,
    /// It has something to do already.
    pub(crate) at_once: bool,
}

impl Standing {
    /// At the beginning.
    pub fn new(origin: &Origin) -> Standing {
        Standing {
            starting: origin.interactions.iter().map(|interaction| interaction.id.clone()).collect(),
            held: origin.interactions.clone(),
            ..Standing::default()
        }
    }

    /// The interactions it holds, the oldest first.
    pub fn held(&self) -> &[Interaction] {
        &self.held
    }

    /// Its requests without an outcome, in the order in which they were made.
    pub fn waiting(&self) -> &BTreeMap<RequestId, Pending> {
        &self.waiting
    }

    /// Turns that were recorded.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The time of its last turn.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What it is woken for when it is passive.
    pub fn resumed(&self) -> Resumed {
        Resumed {
            turns: self.turns,
            monotonic: self.clock.monotonic,
            due: self.due(),
            at_once: !self.starting.is_empty() || !self.refused.is_empty(),
        }
    }

    /// A recorded turn happens again.
    pub(crate) fn fold(&mut self, turn: &Turn) {
        self.take(&turn.input);
        for change in &turn.timers {
            match *change {
                TimerChange::Started(_, after) => {
                    self.timers.start(turn.clock.monotonic, after);
                }
                TimerChange::Cancelled(timer) => {
                    self.timers.cancel(timer);
                }
            }
        }
        for _ in 0..turn.requests.len() + turn.refused.len() {
            self.count_request(turn.clock);
        }
        for (request, what) in &turn.requests {
            self.asked(*request, what.clone(), turn.clock);
        }
        for (request, failure) in &turn.refused {
            self.refuse(*request, failure.clone());
        }
        self.turn_ended(turn.clock, turn.wait);
    }

    // ---- what comes in ----

    /// What this changes, and how the strategy sees it. None: the end of a wait, the beginning, or no
    /// news: of what the session does not hold (any more), or a second outcome.
    pub(crate) fn take(&mut self, input: &Input) -> Option<Event> {
        match input {
            Input::Start | Input::TimedOut => None,
            Input::Held(_) => self.starting.pop_front().map(Event::InteractionPresent),
            Input::Refused(_) => {
                let (request, failure) = self.refused.pop_front()?;
                Some(Event::RequestFailed(RequestFailedEvent { request, failure }))
            }
            Input::Timer(timer) => self.timers.cancel(*timer).then_some(Event::TimerFired(*timer)),
            Input::Event(event) => self.receive(event),
        }
    }

    /// The next it makes itself: what it began with, and what it was refused.
    pub(crate) fn own_input(&self) -> Option<Input> {
        if let Some(id) = self.starting.front() {
            return Some(Input::Held(id.clone()));
        }
        self.refused.front().map(|(request, _)| Input::Refused(*request))
    }

    fn receive(&mut self, event: &SessionEvent) -> Option<Event> {
        match event {
            SessionEvent::InteractionPresent(interaction) => {
                let id = interaction.id.clone();
                self.put((**interaction).clone());
                Some(Event::InteractionPresent(id))
            }
            SessionEvent::InteractionNotControlled { interaction, reason } => self
                .release(interaction)
                .then(|| Event::InteractionNotControlled(InteractionEvent::new(interaction, reason))),
            SessionEvent::InteractionDeleted { interaction, reason } => {
                self.release(interaction).then(|| Event::InteractionDeleted(InteractionEvent::new(interaction, reason)))
            }
            SessionEvent::UserDataChanged(interaction) => {
                self.refresh((**interaction).clone()).then(|| Event::UserDataChanged(interaction.id.clone()))
            }
            SessionEvent::RequestDone { request, outcome } => {
                let Pending { request: what, .. } = self.waiting.remove(request)?;
                self.done(what);
                Some(Event::RequestDone(RequestDoneEvent { request: *request, outcome: outcome.clone() }))
            }
            SessionEvent::RequestFailed { request, failure } => {
                self.waiting.remove(request)?;
                Some(Event::RequestFailed(RequestFailedEvent { request: *request, failure: failure.clone() }))
            }
            SessionEvent::Message { name, data, .. } => {
                Some(Event::Message(MessageEvent { name: name.clone(), data: data.clone() }))
            }
            SessionEvent::StopRequested(reason) => Some(Event::StopRequested(reason.clone())),
        }
    }

    // ---- what it asks for ----

    /// The number of its next request.
    pub(crate) fn next_request(&self) -> RequestId {
        self.last_request + 1
    }

    /// Counts one more, whatever becomes of it. Returns how many there are in this second.
    pub(crate) fn count_request(&mut self, at: Clock) -> usize {
        self.second.add(at.monotonic, 1)
    }

    pub(crate) fn asked(&mut self, request: RequestId, what: Request, at: Clock) {
        self.last_request = request;
        self.waiting.insert(request, Pending { request: what, asked_at: at.wall_ms() });
    }

    pub(crate) fn refuse(&mut self, request: RequestId, failure: Failure) {
        self.last_request = self.last_request.max(request);
        self.refused.push_back((request, failure));
    }

    /// Requests of whose outcome it has not been told.
    pub(crate) fn untold(&self) -> usize {
        self.waiting.len() + self.refused.len()
    }

    /// HTTP requests of whose outcome it has not been told.
    pub(crate) fn fetching(&self) -> usize {
        self.waiting.values().filter(|pending| matches!(pending.request, Request::Fetch(_))).count()
    }

    pub(crate) fn turn_ended(&mut self, clock: Clock, wait: Option<u64>) {
        self.turns += 1;
        self.clock = clock;
        self.wait_ends = wait.map(|milliseconds| crate::timers::after(clock.monotonic, milliseconds));
    }

    /// When it goes on without an event, in nanoseconds of its monotonic time.
    pub(crate) fn due(&self) -> Option<u64> {
        [self.wait_ends, self.timers.next_due()].into_iter().flatten().min()
    }

    pub(crate) fn wait_ends(&self) -> Option<u64> {
        self.wait_ends
    }

    // ---- what it holds ----

    pub(crate) fn get(&self, id: &str) -> Option<&Interaction> {
        self.held.iter().find(|interaction| interaction.id == id)
    }

    /// Whether its user data has this key, or will have it once what was asked for is done.
    pub(crate) fn has_key(&self, id: &str, key: &str) -> bool {
        let is_it = |pair: &KvPair| pair.key == key;
        self.get(id).is_some_and(|held| held.user_data.iter().any(is_it))
            || self.waiting.values().any(|pending| match &pending.request {
                Request::UpdateUserData { interaction, pairs: added }
                | Request::AttachVirtualQueue { interaction, added, .. } => {
                    interaction == id && added.iter().any(is_it)
                }
                _ => false,
            })
    }

    /// Takes it in, or replaces the copy there is.
    fn put(&mut self, interaction: Interaction) {
        match self.held_mut(&interaction.id) {
            Some(held) => *held = interaction,
            None => self.held.push(interaction),
        }
    }

    /// Replaces the copy there is, except for the view it was taken through, which only the pull told.
    /// Whether that changed anything.
    fn refresh(&mut self, mut interaction: Interaction) -> bool {
        let Some(held) = self.held_mut(&interaction.id) else { return false };
        interaction.view = interaction.view.or_else(|| held.view.clone());
        let changed = *held != interaction;
        *held = interaction;
        changed
    }

    /// Whether it was held.
    fn release(&mut self, id: &str) -> bool {
        let before = self.held.len();
        self.held.retain(|interaction| interaction.id != id);
        self.held.len() < before
    }

    /// A request is done: what it changes shows from here on.
    fn done(&mut self, request: Request) {
        match request {
            Request::UpdateUserData { interaction, pairs } => {
                if let Some(held) = self.held_mut(&interaction) {
                    set_pairs(&mut held.user_data, pairs);
                }
            }
            Request::DeleteUserData { interaction, keys } => {
                if let Some(held) = self.held_mut(&interaction) {
                    held.user_data.retain(|pair| !keys.contains(&pair.key));
                }
            }
            Request::AttachVirtualQueue { interaction, added, .. } => {
                if let Some(held) = self.held_mut(&interaction) {
                    held.user_data.extend(added);
                }
            }
            Request::PlaceInQueue { interaction, .. }
            | Request::StopProcessing { interaction, .. }
            | Request::Deliver { interaction, .. } => {
                self.release(&interaction);
            }
            Request::Route(route) if route.deliver => {
                self.release(&route.interaction);
            }
            Request::Route(_)
            | Request::CreateMessage(_)
            | Request::SendMessage { .. }
            | Request::CallService { .. }
            | Request::CancelRoute(_)
            | Request::QueryRoute(_)
            | Request::SendEvent { .. }
            | Request::Fetch(_) => {}
        }
    }

    fn held_mut(&mut self, id: &str) -> Option<&mut Interaction> {
        self.held.iter_mut().find(|held| held.id == id)
    }
}

impl InteractionEvent {
    fn new(interaction: &str, reason: &str) -> InteractionEvent {
        InteractionEvent { interaction: interaction.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{self, KvValue, Outcome};

    fn interaction(is_online: bool) -> Interaction {
        let from = jackfield_protocol::v1::Interaction { interaction_id: "i".into(), is_online, ..Default::default() };
        contract::interaction(from, None)
    }

    fn pair(key: &str, value: &str) -> KvPair {
        KvPair { key: key.into(), value: KvValue::Text(value.into()) }
    }

    fn standing(held: Interaction) -> Standing {
        Standing::new(&Origin { parameters: Vec::new(), interactions: vec![held], seed: [0; 32], started_at: 0 })
    }

    #[test]
    fn a_refreshed_copy_is_new_but_for_its_view_and_the_same_again_is_no_news() {
        let mut standing = standing(Interaction { view: Some("all".into()), ..interaction(true) });
        assert!(standing.refresh(interaction(false)));
        assert!(standing.get("i").is_some_and(|held| !held.is_online && held.view.as_deref() == Some("all")));
        assert!(!standing.refresh(interaction(false)));
        assert!(!standing.refresh(Interaction { id: "other".into(), ..interaction(true) }));
        assert_eq!(standing.held().len(), 1);
    }

    #[test]
    fn appended_pairs_keep_what_is_there_and_count_from_when_they_are_asked_for() {
        let mut standing = standing(interaction(true));
        let attach = |value: &str| Request::AttachVirtualQueue {
            interaction: "i".into(),
            virtual_queue: "q".into(),
            added: vec![pair("key", value)],
        };
        let failure = Failure { code: 1, name: "n".into(), description: "d".into() };
        assert!(!standing.has_key("i", "key"));
        standing.asked(1, attach("one"), Clock::default());
        assert!(standing.has_key("i", "key") && !standing.has_key("other", "key"));
        assert!(standing.receive(&SessionEvent::RequestFailed { request: 1, failure }).is_some());
        assert!(!standing.has_key("i", "key"));
        for (request, value) in [(2, "one"), (3, "two")] {
            standing.asked(request, attach(value), Clock::default());
            let done = SessionEvent::RequestDone { request, outcome: Outcome::Done };
            assert!(standing.receive(&done).is_some() && standing.receive(&done).is_none(), "once");
        }
        assert_eq!(standing.get("i").expect("held").user_data, [pair("key", "one"), pair("key", "two")]);
    }
}
