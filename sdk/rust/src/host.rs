//! The host as the waiting logic needs it, and the real one behind it.

use crate::bindings::jackfield::strategy::{
    events, facts, http, interactions, messages, routing, session, timers, virtual_queues,
};
use crate::interaction::{Destination, Event, Interaction, InteractionId, KvPair, RequestId};
use crate::route::{CalendarTime, Target, TextError};

/// A request of a session; each ends in one `request-done` or `request-failed`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each field is a parameter of the function named, documented in the contract")]
pub enum Request {
    /// `interactions.update-user-data`.
    UpdateUserData { interaction: InteractionId, pairs: Vec<KvPair> },
    /// `interactions.delete-user-data`.
    DeleteUserData { interaction: InteractionId, keys: Vec<String> },
    /// `interactions.place-in-queue`.
    PlaceInQueue { interaction: InteractionId, queue: String },
    /// `interactions.stop-processing`.
    StopProcessing { interaction: InteractionId, reason: Option<String> },
    /// `messages.create`.
    CreateMessage(messages::Message),
    /// `messages.send`.
    SendMessage { interaction: InteractionId, server: Option<String> },
    /// `messages.call-service`.
    CallService {
        server: String,
        service: String,
        method: String,
        parameters: Vec<KvPair>,
        user_data: Vec<KvPair>,
        timeout_ms: u64,
    },
    /// `routing.submit`.
    Route(routing::RouteRequest),
    /// `routing.cancel`.
    CancelRoute(RequestId),
    /// `routing.query`.
    QueryRoute(RequestId),
    /// `routing.deliver`.
    Deliver { interaction: InteractionId, to: Destination },
    /// `virtual-queues.attach`.
    AttachVirtualQueue { interaction: InteractionId, virtual_queue: String, data: Vec<KvPair> },
    /// `events.send`; `data` is JSON text.
    SendEvent { session: String, name: String, data: String },
    /// `http.fetch`.
    Fetch(http::Request),
}

/// What a session needs from outside. [`Component`] is the real one; tests bring their own.
pub trait Host {
    /// Ids of the interactions held, the oldest first.
    fn held(&self) -> Vec<InteractionId>;
    /// A copy of one of them as of this turn.
    fn get(&self, interaction: &str) -> Option<Interaction>;
    /// Makes a request; it leaves when the turn ends.
    fn request(&mut self, request: Request) -> RequestId;
    /// Ends the turn and waits for the next event; none when so many milliseconds pass first.
    fn next(&mut self, timeout_ms: Option<u64>) -> Option<Event>;
    /// Asks for an event `timer-fired` after so many milliseconds; its timer id.
    fn start_timer(&mut self, after_ms: u64) -> u64;
    /// false when it fired already, or never was.
    fn cancel_timer(&mut self, timer: u64) -> bool;
    /// Milliseconds since 1970-01-01T00:00:00Z, as of this turn.
    fn now(&self) -> u64;
    /// `facts.list-item`.
    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String>;
    /// `facts.parameter`.
    fn parameter(&self, name: &str) -> Option<String>;
    /// `facts.statistic`.
    fn statistic(&self, object: &str, name: &str) -> Option<i64>;
    /// `facts.local-time`.
    fn local_time(&self, zone: Option<&str>) -> Option<CalendarTime>;
    /// `facts.is-open`.
    fn is_open(&self, hours: &str) -> Option<bool>;
    /// `facts.is-special-day`.
    fn is_special_day(&self, table: &str, day: Option<&str>, zone: Option<&str>) -> Option<bool>;
    /// `routing.read-targets`.
    fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError>;
    /// The session's id.
    fn session_id(&self) -> String;
    /// What the session was started with.
    fn start_parameters(&self) -> Vec<KvPair>;
    /// Rebuild the session from these bytes from now on.
    fn checkpoint(&mut self, state: &[u8]);
}

/// The imports of the component.
#[derive(Clone, Copy, Debug, Default)]
pub struct Component;

impl Host for Component {
    fn held(&self) -> Vec<InteractionId> {
        interactions::held()
    }

    fn get(&self, interaction: &str) -> Option<Interaction> {
        interactions::get(interaction)
    }

    fn request(&mut self, request: Request) -> RequestId {
        match request {
            Request::UpdateUserData { interaction, pairs } => interactions::update_user_data(&interaction, &pairs),
            Request::DeleteUserData { interaction, keys } => interactions::delete_user_data(&interaction, &keys),
            Request::PlaceInQueue { interaction, queue } => interactions::place_in_queue(&interaction, &queue),
            Request::StopProcessing { interaction, reason } => {
                interactions::stop_processing(&interaction, reason.as_deref())
            }
            Request::CreateMessage(message) => messages::create(&message),
            Request::SendMessage { interaction, server } => messages::send(&interaction, server.as_deref()),
            Request::CallService { server, service, method, parameters, user_data, timeout_ms } => {
                messages::call_service(&server, &service, &method, &parameters, &user_data, timeout_ms)
            }
            Request::Route(route) => routing::submit(&route),
            Request::CancelRoute(request) => routing::cancel(request),
            Request::QueryRoute(request) => routing::query(request),
            Request::Deliver { interaction, to } => routing::deliver(&interaction, &to),
            Request::AttachVirtualQueue { interaction, virtual_queue, data } => {
                virtual_queues::attach(&interaction, &virtual_queue, &data)
            }
            Request::SendEvent { session, name, data } => events::send(&session, &name, &data),
            Request::Fetch(request) => http::fetch(&request),
        }
    }

    fn next(&mut self, timeout_ms: Option<u64>) -> Option<Event> {
        events::next(timeout_ms)
    }

    fn start_timer(&mut self, after_ms: u64) -> u64 {
        timers::start(after_ms)
    }

    fn cancel_timer(&mut self, timer: u64) -> bool {
        timers::cancel(timer)
    }

    fn now(&self) -> u64 {
        facts::now()
    }

    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String> {
        facts::list_item(list, item, key)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        facts::parameter(name)
    }

    fn statistic(&self, object: &str, name: &str) -> Option<i64> {
        facts::statistic(object, name)
    }

    fn local_time(&self, zone: Option<&str>) -> Option<CalendarTime> {
        facts::local_time(zone)
    }

    fn is_open(&self, hours: &str) -> Option<bool> {
        facts::is_open(hours)
    }

    fn is_special_day(&self, table: &str, day: Option<&str>, zone: Option<&str>) -> Option<bool> {
        facts::is_special_day(table, day, zone)
    }

    fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError> {
        routing::read_targets(text)
    }

    fn session_id(&self) -> String {
        session::id()
    }

    fn start_parameters(&self) -> Vec<KvPair> {
        session::parameters()
    }

    fn checkpoint(&mut self, state: &[u8]) {
        session::checkpoint(state);
    }
}
