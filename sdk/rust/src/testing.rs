//! A scripted host with a clock of its own, for testing strategies natively.
//!
//! ```
//! use jackfield_sdk::{prelude::*, testing};
//!
//! let host = testing::Script::new(testing::email().with("Subject", "hello").build());
//! let ended = host.run(|session| {
//!     let interaction = session.interaction()?;
//!     session.place(&interaction, "email.general")
//! });
//! assert_eq!(ended, Ok(()));
//! assert_eq!(host.placed(), ["email.general"]);
//! ```
//!
//! Requests are done as soon as the turn ends; what routes, messages, services and HTTP servers come to is
//! told beforehand. Time passes only by waiting: a strategy that sleeps an hour takes no time to test.
//!
//! [`Script::run_rebuilt`] runs a strategy as a host does that has no room for it while it waits:
//! whatever it forgets then, its test shows.

mod rebuild;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::error::{CANCELLED, TIMEOUT};
use crate::interaction::{
    Destination, Event, Failure, Interaction, InteractionEvent, InteractionId, InteractionState, KvPair, KvValue,
    MessageEvent, Outcome, RequestDoneEvent, RequestFailedEvent, RequestId, Routed,
};
use crate::route::{CalendarTime, Target, TextError, Waiting};
use crate::{Error, Host, HttpResponse, Request, Session};

/// An interaction being put together; see [`email`] and [`chat`].
#[derive(Clone, Debug)]
pub struct Builder(Interaction);

/// An e-mail with no user data, taken from queue `email.inbound`.
pub fn email() -> Builder {
    Builder::new("email", "email.inbound", false)
}

/// A chat whose customer is there, taken from queue `chat.inbound`.
pub fn chat() -> Builder {
    Builder::new("chat", "chat.inbound", true)
}

impl Builder {
    fn new(media: &str, queue: &str, is_online: bool) -> Builder {
        Builder(Interaction {
            id: "0000TEST00000001".to_owned(),
            parent_id: None,
            external_id: None,
            tenant: 1,
            media_type: media.to_owned(),
            interaction_type: "Inbound".to_owned(),
            interaction_subtype: "InboundNew".to_owned(),
            queue: queue.to_owned(),
            view: None,
            state: InteractionState::Routing,
            is_online,
            priority: 0,
            received_at: START,
            submitted_at: START,
            placed_in_queue_at: START,
            user_data: Vec::new(),
            last_agent: None,
        })
    }

    /// Appends a pair of user data.
    pub fn with(mut self, key: &str, value: impl Into<KvValue>) -> Builder {
        self.0.user_data.push((key, value).into());
        self
    }

    /// The interaction.
    pub fn build(self) -> Interaction {
        self.0
    }
}

/// What target selection comes to.
#[derive(Clone, Debug)]
pub enum Route {
    /// This agent accepts after so many milliseconds.
    Agent(String, u64),
    /// Nobody fits: the request's own time passes.
    Nobody,
    /// It fails at once.
    Fails(Failure),
}

/// Where the clock of a script begins: 2023-11-14T22:13:20Z.
pub const START: u64 = 1_700_000_000_000;

/// Says whether a request is one of those meant.
pub type Which = fn(&Request) -> bool;
/// What somebody else does to an interaction.
pub type Change = fn(&mut Interaction);

#[derive(Clone, Default)]
struct State {
    now: u64,
    interactions: Vec<Interaction>,
    /// Those it lost, and may be told to have again.
    lost: Vec<Interaction>,
    /// By the time they come, then in the order in which they were put in.
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    requests: Vec<Request>,
    routes: VecDeque<Route>,
    waiting: BTreeMap<RequestId, InteractionId>,
    failures: VecDeque<(Which, Failure)>,
    services: VecDeque<Vec<KvPair>>,
    responses: VecDeque<HttpResponse>,
    lists: BTreeMap<(String, String, String), String>,
    parameters: BTreeMap<String, String>,
    statistics: BTreeMap<(String, String), i64>,
    hours: BTreeMap<String, bool>,
    special_days: BTreeMap<(String, String), bool>,
    calendar_time: Option<CalendarTime>,
    targets: BTreeMap<String, Vec<Target>>,
    timers: BTreeSet<u64>,
    changes: Vec<(u64, Change)>,
    checkpoints: Vec<Vec<u8>>,
    progress: rebuild::Progress,
}

/// A host that follows a script. Clones are the same host.
#[derive(Clone, Default)]
pub struct Script(Rc<RefCell<State>>);

impl Script {
    /// A host whose session holds this interaction.
    pub fn new(interaction: Interaction) -> Script {
        let script = Script::default();
        script.0.borrow_mut().now = START;
        script.after(0, Event::InteractionPresent(interaction.id.clone()));
        script.0.borrow_mut().interactions.push(interaction);
        script
    }

    /// An event so many milliseconds after the start.
    pub fn after(&self, at_ms: u64, event: Event) -> &Script {
        self.0.borrow_mut().put(START + at_ms, event);
        self
    }

    /// A message so many milliseconds after the start; `data` is JSON text.
    pub fn message_at(&self, at_ms: u64, name: &str, data: &str) -> &Script {
        self.after(at_ms, Event::Message(MessageEvent { name: name.to_owned(), data: data.to_owned() }))
    }

    /// Somebody else changes the interaction so many milliseconds after the start; the session gets
    /// `user-data-changed`.
    pub fn changes_at(&self, at_ms: u64, change: Change) -> &Script {
        let mut state = self.0.borrow_mut();
        if let Some(id) = state.interactions.first().map(|interaction| interaction.id.clone()) {
            state.put(START + at_ms, Event::UserDataChanged(id));
            state.changes.push((START + at_ms, change));
        }
        drop(state);
        self
    }

    /// What the next target selection comes to. Without any nobody fits.
    pub fn route(&self, route: Route) -> &Script {
        self.0.borrow_mut().routes.push_back(route);
        self
    }

    /// The next request that is `which` fails.
    pub fn fail(&self, which: Which, code: u32, name: &str) -> &Script {
        let failure = Failure { code, name: name.to_owned(), description: format!("scripted {name}") };
        self.0.borrow_mut().failures.push_back((which, failure));
        self
    }

    /// What the next service called answers.
    pub fn service(&self, answer: impl IntoIterator<Item = impl Into<KvPair>>) -> &Script {
        self.0.borrow_mut().services.push_back(answer.into_iter().map(Into::into).collect());
        self
    }

    /// What the next HTTP server asked answers. Without any it answers 200 and nothing.
    pub fn http(&self, status: u16, body: impl Into<Vec<u8>>) -> &Script {
        let response = HttpResponse { status, headers: Vec::new(), body: body.into() };
        self.0.borrow_mut().responses.push_back(response);
        self
    }

    /// A value of a configured list.
    pub fn list(&self, list: &str, item: &str, key: &str, value: &str) -> &Script {
        let place = (list.to_owned(), item.to_owned(), key.to_owned());
        self.0.borrow_mut().lists.insert(place, value.to_owned());
        self
    }

    /// A parameter of the strategy.
    pub fn parameter(&self, name: &str, value: &str) -> &Script {
        self.0.borrow_mut().parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A statistic of an object.
    pub fn statistic(&self, object: &str, name: &str, value: i64) -> &Script {
        self.0.borrow_mut().statistics.insert((object.to_owned(), name.to_owned()), value);
        self
    }

    /// Whether it is open by these business hours.
    pub fn open(&self, hours: &str, is_open: bool) -> &Script {
        self.0.borrow_mut().hours.insert(hours.to_owned(), is_open);
        self
    }

    /// Whether today is this special day.
    pub fn special_day(&self, table: &str, day: &str, is_today: bool) -> &Script {
        self.0.borrow_mut().special_days.insert((table.to_owned(), day.to_owned()), is_today);
        self
    }

    /// What clocks on the wall show, in every zone.
    pub fn local_time(&self, time: CalendarTime) -> &Script {
        self.0.borrow_mut().calendar_time = Some(time);
        self
    }

    /// What a text of targets means; every other is refused.
    pub fn targets_of(&self, text: &str, targets: impl IntoIterator<Item = Target>) -> &Script {
        self.0.borrow_mut().targets.insert(text.to_owned(), targets.into_iter().collect());
        self
    }

    /// Runs a strategy as the component would be run.
    ///
    /// # Errors
    /// The text the session failed with.
    pub fn run(&self, run: impl FnOnce(&mut Session) -> Result<(), Error>) -> Result<(), String> {
        Session::over(self.clone(), None).finish(run)
    }

    /// Every request made so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.borrow().requests.clone()
    }

    /// The queues interactions were placed in.
    pub fn placed(&self) -> Vec<String> {
        let queue = |request: &Request| match request {
            Request::PlaceInQueue { queue, .. } => Some(queue.clone()),
            _ => None,
        };
        self.0.borrow().requests.iter().filter_map(queue).collect()
    }

    /// The reasons interactions were stopped for.
    pub fn stopped(&self) -> Vec<String> {
        let reason = |request: &Request| match request {
            Request::StopProcessing { reason, .. } => Some(reason.clone().unwrap_or_default()),
            _ => None,
        };
        self.0.borrow().requests.iter().filter_map(reason).collect()
    }

    /// The target expressions that were routed to, one list for each request.
    pub fn targets(&self) -> Vec<Vec<String>> {
        let names = |request: &Request| match request {
            Request::Route(route) => Some(route.targets.iter().map(|target| target.name.clone()).collect()),
            _ => None,
        };
        self.0.borrow().requests.iter().filter_map(names).collect()
    }

    /// Milliseconds that passed since the start.
    pub fn elapsed(&self) -> u64 {
        self.0.borrow().now - START
    }

    /// Whether the session holds nothing any more: a strategy that ends well leaves nothing behind.
    pub fn is_settled(&self) -> bool {
        self.0.borrow().interactions.is_empty()
    }

    /// Every checkpoint so far.
    pub fn checkpoints(&self) -> Vec<Vec<u8>> {
        self.0.borrow().checkpoints.clone()
    }

    /// The last checkpoint.
    pub fn last_checkpoint(&self) -> Option<Vec<u8>> {
        self.0.borrow().checkpoints.last().cloned()
    }
}

impl State {
    fn put(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn done(&mut self, request: RequestId, outcome: Outcome) {
        self.put(self.now, Event::RequestDone(RequestDoneEvent { request, outcome }));
    }

    fn failed(&mut self, at: u64, request: RequestId, failure: Failure) {
        self.put(at, Event::RequestFailed(RequestFailedEvent { request, failure }));
    }

    fn release(&mut self, id: &str) {
        self.interactions.retain(|interaction| interaction.id != id);
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Vec<KvPair>)) {
        if let Some(interaction) = self.interactions.iter_mut().find(|interaction| interaction.id == id) {
            change(&mut interaction.user_data);
        }
    }

    fn answer(&mut self, id: RequestId, request: Request) {
        let now = self.now;
        if let Some(at) = self.failures.iter().position(|(which, _)| which(&request))
            && let Some((_, failure)) = self.failures.remove(at)
        {
            return self.failed(now, id, failure);
        }
        let outcome = match request {
            Request::UpdateUserData { interaction, pairs } => {
                self.change(&interaction, |data| {
                    data.retain(|old| pairs.iter().all(|new| new.key != old.key));
                    data.extend(pairs);
                });
                Outcome::Done
            }
            Request::DeleteUserData { interaction, keys } => {
                self.change(&interaction, |data| data.retain(|pair| !keys.contains(&pair.key)));
                Outcome::Done
            }
            Request::PlaceInQueue { interaction, .. }
            | Request::StopProcessing { interaction, .. }
            | Request::Deliver { interaction, .. } => {
                self.release(&interaction);
                Outcome::Done
            }
            Request::CreateMessage(_) => Outcome::MessageCreated(String::new()),
            Request::CallService { .. } => Outcome::ServiceResponse(self.services.pop_front().unwrap_or_default()),
            Request::Fetch(_) => {
                let nothing = HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() };
                Outcome::HttpResponse(self.responses.pop_front().unwrap_or(nothing))
            }
            Request::SendMessage { .. } | Request::AttachVirtualQueue { .. } | Request::SendEvent { .. } => {
                Outcome::Done
            }
            Request::QueryRoute(route) => {
                if !self.waiting.contains_key(&route) {
                    return self.failed(now, id, failure("request_unknown"));
                }
                Outcome::Waiting(Waiting { priority: 0, position: 1, expected: None })
            }
            Request::CancelRoute(route) => {
                if self.waiting.remove(&route).is_some() {
                    // What was to come of it does not come any more.
                    self.events.retain(|_, event| !is_end_of(event, route));
                    self.failed(now, route, failure(CANCELLED));
                }
                Outcome::Done
            }
            Request::Route(route) => {
                self.waiting.insert(id, route.interaction.clone());
                let target = route.targets.first().map(|target| target.name.clone()).unwrap_or_default();
                match (self.routes.pop_front().unwrap_or(Route::Nobody), route.timeout) {
                    (Route::Agent(agent, after), timeout) if timeout.is_none_or(|timeout| after < timeout) => {
                        let outcome = Outcome::Routed(Routed {
                            target,
                            destination: Destination::Agent(agent.clone()),
                            virtual_queue: route.virtual_queue,
                            virtual_queue_id: None,
                            agent: Some(agent),
                            place: None,
                        });
                        self.put(now + after, Event::RequestDone(RequestDoneEvent { request: id, outcome }));
                    }
                    (Route::Fails(failure), _) => self.failed(now, id, failure),
                    (_, Some(timeout)) => self.failed(now + timeout, id, failure(TIMEOUT)),
                    (_, None) => {}
                }
                return;
            }
        };
        self.done(id, outcome);
    }

    /// What an event does to the state when it is read.
    fn apply(&mut self, event: &Event) {
        match event {
            Event::InteractionNotControlled(InteractionEvent { interaction, .. })
            | Event::InteractionDeleted(InteractionEvent { interaction, .. }) => {
                let lost = self.interactions.extract_if(.., |held| held.id == *interaction);
                self.lost.extend(lost);
            }
            Event::InteractionPresent(id) => {
                let back = self.lost.extract_if(.., |lost| lost.id == *id);
                self.interactions.extend(back);
            }
            Event::RequestDone(RequestDoneEvent { request, .. })
            | Event::RequestFailed(RequestFailedEvent { request, .. }) => {
                let routed = self.waiting.remove(request);
                if let (Some(interaction), Event::RequestDone(_)) = (routed, event) {
                    self.release(&interaction);
                }
            }
            Event::UserDataChanged(id) => {
                let changes = &mut self.changes;
                if let Some(interaction) = self.interactions.iter_mut().find(|held| held.id == *id) {
                    changes.retain(|(at, change)| {
                        let due = *at <= self.now;
                        if due {
                            change(interaction);
                        }
                        !due
                    });
                }
            }
            Event::TimerFired(timer) => {
                self.timers.remove(timer);
            }
            _ => {}
        }
    }
}

fn failure(name: &str) -> Failure {
    Failure { code: 0, name: name.to_owned(), description: format!("scripted {name}") }
}

fn is_end_of(event: &Event, id: RequestId) -> bool {
    match event {
        Event::RequestDone(done) => done.request == id,
        Event::RequestFailed(failed) => failed.request == id,
        _ => false,
    }
}

impl Host for Script {
    fn held(&self) -> Vec<InteractionId> {
        self.0.borrow().interactions.iter().map(|interaction| interaction.id.clone()).collect()
    }

    fn get(&self, interaction: &str) -> Option<Interaction> {
        self.0.borrow().interactions.iter().find(|held| held.id == interaction).cloned()
    }

    fn request(&mut self, request: Request) -> RequestId {
        let mut state = self.0.borrow_mut();
        state.asks("a request");
        state.requests.push(request.clone());
        let id = state.requests.len() as u64;
        state.answer(id, request);
        id
    }

    #[allow(clippy::panic, reason = "a script that never goes on is a fault of the test")]
    fn next(&mut self, timeout_ms: Option<u64>) -> Option<Event> {
        let mut state = self.0.borrow_mut();
        state.turn_ends(timeout_ms);
        let end = timeout_ms.map(|timeout| state.now + timeout);
        let due = state.events.first_key_value().map(|(&key, _)| key);
        match (due, end) {
            (Some((at, _)), end) if end.is_none_or(|end| at <= end) => {
                state.now = state.now.max(at);
                let (_, event) = state.events.pop_first()?;
                state.apply(&event);
                Some(event)
            }
            (_, Some(end)) => {
                state.now = end;
                None
            }
            _ => panic!("the strategy waits for ever; its requests: {:#?}", state.requests),
        }
    }

    fn start_timer(&mut self, after_ms: u64) -> u64 {
        let mut state = self.0.borrow_mut();
        state.asks("timers.start");
        let at = state.now + after_ms;
        let timer = state.count + 1;
        state.timers.insert(timer);
        state.put(at, Event::TimerFired(timer));
        timer
    }

    fn cancel_timer(&mut self, timer: u64) -> bool {
        let mut state = self.0.borrow_mut();
        state.asks("timers.cancel");
        state.events.retain(|_, event| *event != Event::TimerFired(timer));
        state.timers.remove(&timer)
    }

    fn now(&self) -> u64 {
        self.0.borrow().now
    }

    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String> {
        let state = self.0.borrow();
        state.asks("facts.list-item");
        state.lists.get(&(list.to_owned(), item.to_owned(), key?.to_owned())).cloned()
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let state = self.0.borrow();
        state.asks("facts.parameter");
        state.parameters.get(name).cloned()
    }

    fn statistic(&self, object: &str, name: &str) -> Option<i64> {
        let state = self.0.borrow();
        state.asks("facts.statistic");
        state.statistics.get(&(object.to_owned(), name.to_owned())).copied()
    }

    fn local_time(&self, _zone: Option<&str>) -> Option<CalendarTime> {
        let state = self.0.borrow();
        state.asks("facts.local-time");
        state.calendar_time
    }

    fn is_open(&self, hours: &str) -> Option<bool> {
        let state = self.0.borrow();
        state.asks("facts.is-open");
        state.hours.get(hours).copied()
    }

    fn is_special_day(&self, table: &str, day: Option<&str>, _zone: Option<&str>) -> Option<bool> {
        let state = self.0.borrow();
        state.asks("facts.is-special-day");
        let mut days = state.special_days.iter().filter(|((of, _), _)| of == table);
        match day {
            Some(day) => days.find(|((_, name), _)| name == day).map(|(_, is_today)| *is_today),
            None => days.map(|(_, is_today)| *is_today).reduce(|one, other| one || other),
        }
    }

    fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError> {
        let state = self.0.borrow();
        state.asks("routing.read-targets");
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let refused = || TextError { message: "not in the script".to_owned(), start: 0, end };
        state.targets.get(text).cloned().ok_or_else(refused)
    }

    fn session_id(&self) -> String {
        "0".repeat(32)
    }

    fn start_parameters(&self) -> Vec<KvPair> {
        Vec::new()
    }

    fn checkpoint(&mut self, state: &[u8]) {
        let bytes = state.to_vec();
        let mut state = self.0.borrow_mut();
        state.asks("session.checkpoint");
        state.checkpoints.push(bytes);
        state.progress.is_saved = true;
    }
}
