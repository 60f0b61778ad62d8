//! One session: requests made, and waited for, one after the other.
//!
//! While a call waits for its own outcome, whatever else happens is kept in order and handed out by
//! [`Session::next_event`] later. Two things are looked at on the way: when the interaction a call is
//! about is lost, the call ends in [`Error::Lost`] at once (its late outcome is then dropped), unless the
//! next that happens is that it is there again, as after a link that was down for long; when the host asks the session to stop, the calls that may take long ([`Session::route`],
//! [`Session::sleep`], [`Session::interaction`]) end in [`Error::Stopped`], from then on at once, and
//! the short ones still do their work, so that the interaction can be put somewhere.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::host::{Component, Host, Request};
use crate::http::{Fetch, HttpRequest, HttpResponse};
use crate::interaction::{
    Destination, Event, Interaction, InteractionEvent, InteractionId, KvPair, Outcome, RequestDoneEvent,
    RequestFailedEvent, RequestId, Routed, pairs,
};
use crate::route::{CalendarTime, Route, RouteRequest, Target, TextError, Waiting};
use crate::{Error, Message, ServiceCall, json};

/// Events kept for [`Session::next_event`] at the most. Beyond it the oldest is dropped, with a
/// warning in the log.
pub const EVENTS_KEPT: usize = 1_024;

/// So many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many minutes.
pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes.saturating_mul(60))
}

/// So many hours.
pub const fn hours(hours: u64) -> Duration {
    minutes(hours.saturating_mul(60))
}

/// A length of time as the contract counts it.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A running session of a strategy.
pub struct Session {
    host: Box<dyn Host>,
    pub(crate) kept: VecDeque<Event>,
    /// Requests nobody waits for any more; bounded by the requests the host lets a session make.
    pub(crate) given_up: BTreeSet<RequestId>,
    pub(crate) stop: Option<String>,
    checkpoint: Option<Vec<u8>>,
    /// Whether the session's first event has been taken.
    has_begun: bool,
    /// Turns ended since the last checkpoint.
    pub(crate) turns: u32,
}

impl Session {
    /// The session this component was started for, from its start.
    pub fn start() -> Session {
        Session::of_component(None)
    }

    /// The session this component runs, rebuilt from a checkpoint where there is one.
    pub fn of_component(checkpoint: Option<Vec<u8>>) -> Session {
        Session::over(Component, checkpoint)
    }

    /// A session over any host; for tests.
    pub fn over(host: impl Host + 'static, checkpoint: Option<Vec<u8>>) -> Session {
        Session {
            host: Box::new(host),
            kept: VecDeque::new(),
            given_up: BTreeSet::new(),
            stop: None,
            has_begun: checkpoint.is_some(),
            checkpoint,
            turns: 0,
        }
    }

    /// Runs a strategy in this session and turns its end into the contract's.
    ///
    /// # Errors
    /// The error's text, where the session has failed.
    pub fn finish(mut self, run: impl FnOnce(&mut Session) -> Result<(), Error>) -> Result<(), String> {
        match run(&mut self) {
            Ok(()) => Ok(()),
            Err(error) if error.is_quiet() => {
                crate::info!("session ends: {error}");
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    // ---- the interaction ---------------------------------------------------------------------

    /// The interaction the session was started for. Call it first: it takes the session's first
    /// event. Later, and after a checkpoint, it is a fresh copy of the oldest one held.
    ///
    /// # Errors
    /// [`Error::Lost`] when it was lost before the session began, or none is held any more;
    /// [`Error::Stopped`].
    pub fn interaction(&mut self) -> Result<Interaction, Error> {
        if self.has_begun {
            let oldest = self.host.held().into_iter().next().unwrap_or_default();
            return self.get(oldest);
        }
        loop {
            if let Some(reason) = &self.stop {
                return Err(Error::Stopped(reason.clone()));
            }
            match self.read(None) {
                Some(Event::InteractionPresent(id)) => {
                    self.has_begun = true;
                    return self.get(&id);
                }
                Some(Event::InteractionNotControlled(event) | Event::InteractionDeleted(event)) => {
                    return Err(Error::Lost { interaction: event.interaction, reason: event.reason });
                }
                Some(other) => self.keep(other),
                None => {}
            }
        }
    }

    /// A fresh copy of an interaction the session holds; changes made by
    /// [`set_user_data`](Session::set_user_data) show in it.
    ///
    /// # Errors
    /// [`Error::Lost`] when the session does not hold it.
    pub fn get(&self, interaction: impl AsRef<str>) -> Result<Interaction, Error> {
        let id = interaction.as_ref();
        self.host.get(id).ok_or_else(|| Error::Lost { interaction: id.to_owned(), reason: "not held".to_owned() })
    }

    /// Ids of the interactions the session holds, the oldest first.
    pub fn held(&self) -> Vec<InteractionId> {
        self.host.held()
    }

    /// Sets user data: each key named loses the values it had, then the pairs are appended in order.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Lost`].
    pub fn set_user_data(
        &mut self,
        interaction: impl AsRef<str>,
        data: impl IntoIterator<Item = impl Into<KvPair>>,
    ) -> Result<(), Error> {
        let interaction = interaction.as_ref().to_owned();
        self.done(Request::UpdateUserData { interaction: interaction.clone(), pairs: pairs(data) }, &interaction)
    }

    /// Removes user data keys with all their values.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Lost`].
    pub fn delete_user_data(&mut self, interaction: impl AsRef<str>, keys: &[&str]) -> Result<(), Error> {
        let interaction = interaction.as_ref().to_owned();
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        self.done(Request::DeleteUserData { interaction: interaction.clone(), keys }, &interaction)
    }

    /// Puts it into an interaction queue of its own server. The session no longer holds it then.
    ///
    /// # Errors
    /// [`Error::Refused`] (an unknown queue, for one), [`Error::Lost`].
    pub fn place(&mut self, interaction: impl AsRef<str>, queue: &str) -> Result<(), Error> {
        let interaction = interaction.as_ref().to_owned();
        self.done(Request::PlaceInQueue { interaction: interaction.clone(), queue: queue.to_owned() }, &interaction)
    }

    /// It is finished and leaves the Interaction Server. The session no longer holds it then.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Lost`].
    pub fn stop(&mut self, interaction: impl AsRef<str>, reason: &str) -> Result<(), Error> {
        let interaction = interaction.as_ref().to_owned();
        let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        self.done(Request::StopProcessing { interaction: interaction.clone(), reason }, &interaction)
    }

    // ---- routing -----------------------------------------------------------------------------

    /// Looks for a target and delivers there:
    /// `session.route(&interaction).to(Target::skill("Billing >= 5")).within(secs(60)).send()?`.
    pub fn route(&mut self, interaction: impl AsRef<str>) -> Route<'_> {
        let interaction = interaction.as_ref().to_owned();
        Route::new(self, interaction)
    }

    /// Sends it straight to a destination, with no selection. The session no longer holds it then.
    ///
    /// # Errors
    /// [`Error::Refused`] when an agent rejects it or stays silent (the session holds it again),
    /// [`Error::Lost`].
    pub fn deliver(&mut self, interaction: impl AsRef<str>, to: Destination) -> Result<(), Error> {
        let interaction = interaction.as_ref().to_owned();
        self.done(Request::Deliver { interaction: interaction.clone(), to }, &interaction)
    }

    /// Attaches reporting data of a virtual queue: an id of its own (`RVQID`), then `data`.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Lost`].
    pub fn attach_virtual_queue(
        &mut self,
        interaction: impl AsRef<str>,
        virtual_queue: &str,
        data: impl IntoIterator<Item = impl Into<KvPair>>,
    ) -> Result<(), Error> {
        let interaction = interaction.as_ref().to_owned();
        let request = Request::AttachVirtualQueue {
            interaction: interaction.clone(),
            virtual_queue: virtual_queue.to_owned(),
            data: pairs(data),
        };
        self.done(request, &interaction)
    }

    pub(crate) fn wait_for_target(&mut self, route: RouteRequest) -> Result<Routed, Error> {
        if let Some(reason) = &self.stop {
            return Err(Error::Stopped(reason.clone()));
        }
        let interaction = route.interaction.clone();
        let request = self.request(Request::Route(route));
        let outcome = self.outcome(request, Some(&interaction), |session| {
            // Nobody waits for how the cancelling ends: the route's own end says it.
            let cancel = session.request(Request::CancelRoute(request));
            session.given_up.insert(cancel);
        });
        match (outcome, &self.stop) {
            (Ok(Outcome::Routed(routed)), _) => Ok(routed),
            (Ok(other), _) => Err(unexpected("routing", &other)),
            (Err(Error::Cancelled), Some(reason)) => Err(Error::Stopped(reason.clone())),
            (Err(error), _) => Err(error),
        }
    }

    // ---- messages ----------------------------------------------------------------------------

    /// Has a message made, and sent at once unless it names a queue. The id of its interaction;
    /// empty where the media server made none.
    ///
    /// # Errors
    /// [`Error::Refused`] with the media server's fault, [`Error::Timeout`], [`Error::Lost`] of the
    /// interaction it is about.
    pub fn create_message(&mut self, message: Message) -> Result<InteractionId, Error> {
        let related = message.0.related.clone();
        let request = self.request(Request::CreateMessage(message.0));
        match self.outcome(request, related.as_deref(), |_| ())? {
            Outcome::MessageCreated(id) => Ok(id),
            other => Err(unexpected("making a message", &other)),
        }
    }

    /// Sends the interaction's sender an acknowledgement with this text.
    ///
    /// # Errors
    /// As [`create_message`](Session::create_message).
    pub fn acknowledge(&mut self, interaction: &Interaction, text: &str) -> Result<InteractionId, Error> {
        self.create_message(Message::acknowledgement(interaction).text(text))
    }

    /// Has a message that was created into a queue send itself.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Timeout`], [`Error::Lost`].
    pub fn send_message(&mut self, message: impl AsRef<str>, server: Option<&str>) -> Result<(), Error> {
        let interaction = message.as_ref().to_owned();
        let request = Request::SendMessage { interaction: interaction.clone(), server: server.map(str::to_owned) };
        self.done(request, &interaction)
    }

    /// Asks another server behind the Interaction Server, and returns what it answers.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's fault code, [`Error::Timeout`].
    pub fn call_service(&mut self, call: ServiceCall) -> Result<Vec<KvPair>, Error> {
        let request = self.request(call.into());
        match self.outcome(request, None, |_| ())? {
            Outcome::ServiceResponse(parameters) => Ok(parameters),
            other => Err(unexpected("a service", &other)),
        }
    }

    /// Asks an HTTP server the plugin may reach:
    /// `session.fetch(HttpRequest::get("https://crm.example.com/vip")).within(secs(5)).send()?`.
    ///
    /// When the host goes down before the answer is recorded it asks again, with the same header
    /// `idempotency-key`, unless the method is `POST` or `PATCH`: whether the server did those is not known
    /// then, and they fail as `outcome_unknown`.
    pub fn fetch(&mut self, request: HttpRequest) -> Fetch<'_> {
        Fetch::new(self, request)
    }

    pub(crate) fn fetched(&mut self, request: Request) -> Result<HttpResponse, Error> {
        let request = self.request(request);
        match self.outcome(request, None, |_| ())? {
            Outcome::HttpResponse(response) => Ok(response),
            other => Err(unexpected("an HTTP request", &other)),
        }
    }

    // ---- time and events ---------------------------------------------------------------------

    /// Waits. Other events are kept meanwhile.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Lost`] when the session has lost all it held.
    pub fn sleep(&mut self, time: Duration) -> Result<(), Error> {
        let end = self.host.now().saturating_add(milliseconds(time));
        loop {
            if let Some(reason) = &self.stop {
                return Err(Error::Stopped(reason.clone()));
            }
            let left = end.saturating_sub(self.host.now());
            if left == 0 {
                return Ok(());
            }
            let Some(event) = self.read(Some(left)) else { return Ok(()) };
            match &event {
                Event::InteractionNotControlled(lost) | Event::InteractionDeleted(lost)
                    if self.host.held().is_empty() =>
                {
                    let lost = lost.clone();
                    if !self.comes_back(event) {
                        return Err(Error::Lost { interaction: lost.interaction, reason: lost.reason });
                    }
                }
                _ => self.keep(event),
            }
        }
    }

    /// The next event, kept or new; none when `timeout` passes first. For ever when there is none.
    pub fn next_event(&mut self, timeout: Option<Duration>) -> Option<Event> {
        match self.kept.pop_front() {
            Some(event) => Some(event),
            None => self.read(timeout.map(milliseconds)),
        }
    }

    /// Why the host wants the session to end, once it does.
    pub fn stop_requested(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    /// Sends a named event to another session; `data` is JSON text.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such session.
    pub fn send_event(&mut self, session: &str, name: &str, data: &str) -> Result<(), Error> {
        let request = Request::SendEvent { session: session.to_owned(), name: name.to_owned(), data: data.to_owned() };
        let request = self.request(request);
        self.wait(request).map(drop)
    }

    /// Asks for an event `timer-fired` after this long; its id.
    pub fn start_timer(&mut self, after: Duration) -> u64 {
        self.host.start_timer(milliseconds(after))
    }

    /// false when it fired already, or never was.
    pub fn cancel_timer(&mut self, timer: u64) -> bool {
        self.host.cancel_timer(timer)
    }

    // ---- look-ups ----------------------------------------------------------------------------

    /// Milliseconds since 1970-01-01T00:00:00Z. Time stands still within a turn.
    pub fn now(&self) -> u64 {
        self.host.now()
    }

    /// The value of a key of an item of a configured list.
    pub fn list_value(&self, list: &str, item: &str, key: &str) -> Option<String> {
        self.host.list_item(list, item, Some(key)).map(|value| json::text(&value))
    }

    /// All keys of an item of a configured list, as a JSON object.
    pub fn list_item(&self, list: &str, item: &str) -> Option<String> {
        self.host.list_item(list, item, None)
    }

    /// A statistic of an agent, a group (`Billing@.GA`) or a virtual queue, such as `StatAgentsReady`. None: there is no
    /// such object or statistic, or nothing to tell it from.
    pub fn statistic(&self, object: &str, name: &str) -> Option<i64> {
        self.host.statistic(object, name)
    }

    /// What clocks on the wall show in a time zone, such as `Europe/Vienna`; in that of the site when none.
    pub fn local_time(&self, zone: Option<&str>) -> Option<CalendarTime> {
        self.host.local_time(zone)
    }

    /// Whether it is open now by these business hours; true where none of this name are configured, which is logged.
    pub fn is_open(&self, hours: &str) -> bool {
        self.host.is_open(hours).unwrap_or_else(|| {
            crate::warn!("there are no business hours {hours:?}: taken as open");
            true
        })
    }

    /// Whether today is this day of the table of special days, or any of them. None: there is no such table or day.
    pub fn is_special_day(&self, table: &str, day: Option<&str>) -> Option<bool> {
        self.host.is_special_day(table, day, None)
    }

    /// Targets as they are written in the field: `{threshold}[weight]name@statserver.type`, with commas between.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError> {
        self.host.read_targets(text)
    }

    /// How a route that was submitted, and waits, stands.
    ///
    /// # Errors
    /// [`Error::Refused`] when it waits no more.
    pub fn query_route(&mut self, route: RequestId) -> Result<Waiting, Error> {
        let request = self.request(Request::QueryRoute(route));
        match self.outcome(request, None, |_| ())? {
            Outcome::Waiting(waiting) => Ok(waiting),
            other => Err(unexpected("asking about a route", &other)),
        }
    }

    /// A parameter of the strategy, from its configuration.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.host.parameter(name)
    }

    /// A parameter of the strategy, or this value when it is not configured, or not readable as its
    /// type (which is logged).
    pub fn parameter_or<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        match self.host.parameter(name) {
            None => default,
            Some(value) => value.trim().parse().unwrap_or_else(|_| {
                crate::warn!("parameter {name} = {value:?} is not understood; the default is used");
                default
            }),
        }
    }

    /// The session's id.
    pub fn id(&self) -> String {
        self.host.session_id()
    }

    /// What the session was started with.
    pub fn start_parameters(&self) -> Vec<KvPair> {
        self.host.start_parameters()
    }

    // ---- the contract underneath -------------------------------------------------------------

    /// The bytes the session is rebuilt from; none at its start. What is rebuilt comes to wait before
    /// it makes a request or looks anything up.
    pub fn checkpoint(&self) -> Option<&[u8]> {
        self.checkpoint.as_deref()
    }

    /// Rebuild from here on: the strategy is run with these bytes then. At most 1 MiB. Events kept for
    /// [`next_event`](Session::next_event) are not among them: read those first. A
    /// [`Reducer`](crate::Reducer) has all this done for it.
    pub fn save_checkpoint(&mut self, state: &[u8]) {
        if !self.kept.is_empty() {
            crate::warn!("{} events that nobody has read are not in the checkpoint", self.kept.len());
        }
        self.turns = 0;
        self.host.checkpoint(state);
    }

    /// Makes a request and does not wait for it: its outcome comes from [`wait`](Session::wait) or
    /// as an event. Requests made so leave together.
    pub fn request(&mut self, request: Request) -> RequestId {
        self.host.request(request)
    }

    /// Waits for how a request made by [`request`](Session::request) ends.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Cancelled`], [`Error::Refused`].
    pub fn wait(&mut self, request: RequestId) -> Result<Outcome, Error> {
        self.outcome(request, None, |_| ())
    }

    /// Makes a request about an interaction that ends in nothing but having been done.
    fn done(&mut self, request: Request, interaction: &str) -> Result<(), Error> {
        let request = self.request(request);
        self.outcome(request, Some(interaction), |_| ()).map(drop)
    }

    /// Waits for one request; everything else is kept. `stop_asked` runs once, when the host asks the
    /// session to stop meanwhile.
    fn outcome(
        &mut self,
        request: RequestId,
        interaction: Option<&str>,
        stop_asked: impl FnOnce(&mut Session),
    ) -> Result<Outcome, Error> {
        let ended = |event: &Event| match event {
            Event::RequestDone(RequestDoneEvent { request: id, .. })
            | Event::RequestFailed(RequestFailedEvent { request: id, .. }) => *id == request,
            _ => false,
        };
        let mut stop_asked = Some(stop_asked);
        loop {
            if let Some(at) = self.kept.iter().position(ended)
                && let Some(event) = self.kept.remove(at)
            {
                return result_of(event, interaction);
            }
            // No time-out is given, so none can pass; were it to, waiting on is right.
            let Some(event) = self.read(None) else { continue };
            if ended(&event) {
                return result_of(event, interaction);
            }
            match &event {
                Event::InteractionNotControlled(lost) | Event::InteractionDeleted(lost)
                    if interaction == Some(lost.interaction.as_str()) =>
                {
                    let lost = lost.clone();
                    if self.comes_back(event) || self.kept.iter().any(ended) {
                        continue;
                    }
                    self.given_up.insert(request);
                    return Err(Error::Lost { interaction: lost.interaction, reason: lost.reason });
                }
                Event::StopRequested(_) => {
                    if let Some(stop_asked) = stop_asked.take() {
                        stop_asked(self);
                    }
                }
                _ => {}
            }
            self.keep(event);
        }
    }

    /// The next event from the host that somebody still waits for.
    pub(crate) fn read(&mut self, timeout_ms: Option<u64>) -> Option<Event> {
        let end = timeout_ms.map(|timeout| self.host.now().saturating_add(timeout));
        loop {
            self.turns = self.turns.saturating_add(1);
            let event = self.host.next(end.map(|end| end.saturating_sub(self.host.now())))?;
            match &event {
                Event::RequestDone(RequestDoneEvent { request, .. })
                | Event::RequestFailed(RequestFailedEvent { request, .. })
                    if self.given_up.remove(request) =>
                {
                    continue;
                }
                Event::StopRequested(reason) => self.stop = Some(reason.clone()),
                _ => {}
            }
            return Some(event);
        }
    }

    /// Whether what this event says is lost is the session's again: what the server took back while the link was
    /// down, and has for this session all the same, is told to be present next. Then both are kept.
    fn comes_back(&mut self, lost: Event) -> bool {
        let Event::InteractionNotControlled(InteractionEvent { interaction, .. }) = &lost else { return false };
        let id = interaction.clone();
        self.keep(lost.clone());
        let is_back = self.is_told_present(&id);
        if !is_back && let Some(at) = self.kept.iter().position(|kept| *kept == lost) {
            self.kept.remove(at);
        }
        is_back
    }

    /// Whether the session is told at this moment that it has this interaction. What it is told is kept.
    pub(crate) fn is_told_present(&mut self, id: &str) -> bool {
        while let Some(event) = self.read(Some(0)) {
            let is_it = matches!(&event, Event::InteractionPresent(present) if present == id);
            self.keep(event);
            if is_it {
                return true;
            }
        }
        false
    }

    fn keep(&mut self, event: Event) {
        // That user data changed is said once, however often it did.
        if matches!(event, Event::UserDataChanged(_)) && self.kept.contains(&event) {
            return;
        }
        if self.kept.len() >= EVENTS_KEPT {
            let dropped = self.kept.pop_front();
            crate::warn!("{EVENTS_KEPT} events wait to be read; the oldest is dropped: {dropped:?}");
        }
        self.kept.push_back(event);
    }
}

/// Names of the host's failures after which a session can do nothing for its interaction: it does not hold it any
/// more, or its link was down for too long, and it goes back to its queue when the link is up.
const LOST: [&str; 2] = ["link_down", "not_held"];

fn result_of(event: Event, interaction: Option<&str>) -> Result<Outcome, Error> {
    match event {
        Event::RequestDone(done) => Ok(done.outcome),
        Event::RequestFailed(failed) => Err(match interaction {
            Some(id) if LOST.contains(&failed.failure.name.as_str()) => {
                Error::Lost { interaction: id.to_owned(), reason: failed.failure.description }
            }
            _ => failed.failure.into(),
        }),
        other => Err(Error::Other(format!("{other:?} is not the end of a request"))),
    }
}

fn unexpected(what: &str, outcome: &Outcome) -> Error {
    Error::Other(format!("{what} ended in {outcome:?}, which the contract does not know"))
}
