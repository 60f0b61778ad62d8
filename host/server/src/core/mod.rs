//! The core: everything an Interaction Server decides, as a state machine with no I/O of its own.
//!
//! Owns what is in memory: clients, agents, what waits ([`Views`] and workbins), what is out (claimed
//! by a router or an agent, or offered to one), held pulls, ESP calls, timers. Time comes in with each
//! call. What it wants done goes to its [`Outbox`]: writes for the store, and events for clients that
//! must not leave before those writes are durable. Bodies of interactions are read through the store's
//! [`Reader`], with a bounded cache of recent ones in front.
//!
//! A claim is a lease in memory: nothing is written when an interaction is taken, only when it is
//! placed, changed or stopped. When a client goes, or the server starts anew, what was out is back in
//! its queue in its old place; what a router leaves behind is kept for its return. A failed read makes [`Core::failure`] say so; the core is then dropped
//! and made anew from the store.

mod agents;
mod bodies;
mod checks;
mod clients;
mod delivery;
mod finding;
mod holding;
mod idempotency;
mod ids;
mod keeping;
mod properties;
mod pulling;
mod reporting;
mod reporting_stream;
mod services;
mod status;
mod submit;
#[cfg(test)]
mod tests;
mod timers;
mod workbins;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::{Event, EventAck, Request};
use jackfield_protocol::{ErrorCode, RequestError};

use self::agents::Agents;
use self::bodies::Bodies;
use self::clients::{Client, Leaving};
use self::delivery::Invitation;
use self::holding::Out;
use self::idempotency::Answers;
use self::ids::InteractionIds;
use self::keeping::Keeping;
use self::pulling::Strategies;
use self::reporting_stream::{Most, Stream};
use self::services::ServiceCall;
use self::timers::{Timer, TimerKey, Timers};
use self::workbins::Workbins;
use crate::server::{OpenError, Warning};
use crate::settings::Settings;
use crate::store::{Reader, StoreError, Write};
use crate::view::Views;

/// Number of a connection; never used twice while a server runs.
pub(crate) type ClientId = u64;

/// How often views with a condition are asked again while pulls are held, in milliseconds: a condition
/// on time may become true with nothing having happened.
const VIEW_CHECK_INTERVAL: u64 = 1_000;

/// How often old idempotency keys are forgotten, in milliseconds.
const FORGET_INTERVAL: u64 = 60_000;

/// A moment: for attributes, and for measuring.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Milliseconds since 1970; may jump.
    pub wall: i64,
    /// Milliseconds since the server started; never goes back.
    pub ticks: u64,
}

/// What comes in.
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind, and a box each would cost more")]
#[derive(Debug)]
pub(crate) enum Input {
    /// A stream was opened.
    Connected(ClientId),
    /// A request came on it.
    Request(ClientId, Request),
    /// It ended, for whatever reason.
    Disconnected(ClientId),
}

/// What goes out to clients.
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind, and a box each would cost more")]
#[derive(Debug)]
pub(crate) enum Output {
    /// An event.
    Event(ClientId, Event),
    /// End this stream, after the events before.
    Close(ClientId, String),
    /// Let the store forget answers remembered before that wall-clock time.
    ForgetBefore(i64),
}

/// What the core wants done. Outputs wait until the writes are durable.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// For the store, in order, all or nothing.
    pub(crate) writes: Vec<Write>,
    /// For clients, in the order in which things happened.
    pub(crate) outputs: Vec<Output>,
}

/// What a request comes to.
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind, and a box each would cost more")]
enum Reply {
    /// This is the answer.
    Now(EventMessage),
    /// The answer comes later: a held pull, a call of another server.
    Later,
}

type Answered = Result<Reply, RequestError>;

fn acknowledge() -> Answered {
    Ok(Reply::Now(EventMessage::Ack(EventAck::default())))
}

/// The state machine; see the module.
pub(crate) struct Core {
    settings: Arc<Settings>,
    incarnation: u64,
    now: Now,
    outbox: Outbox,
    /// The number the writes in the outbox will have.
    sequence: u64,
    reader: Box<dyn Reader>,
    failure: Option<StoreError>,
    bodies: Bodies,
    answers: Answers,
    ids: InteractionIds,
    timers: Timers,
    clients: BTreeMap<ClientId, Client>,
    /// Those clients that asked for reporting.
    reporting: Vec<ClientId>,
    stream: Stream,
    /// When recent events are forgotten, once nobody is there for whom they are kept.
    stop_keeping: Option<TimerKey>,
    agents: Agents,
    views: Views,
    workbins: Workbins,
    out: HashMap<String, Out>,
    strategies: Strategies,
    tickets: u64,
    invitations: BTreeMap<u64, Invitation>,
    keeping: Keeping,
    service_calls: BTreeMap<u64, ServiceCall>,
    service_references: u64,
    stopping: bool,
}

impl Core {
    /// Reads everything that is not stopped from the store.
    pub(crate) fn new(
        settings: Arc<Settings>,
        mut reader: Box<dyn Reader>,
        incarnation: u64,
        now: Now,
    ) -> Result<(Core, Vec<Warning>), OpenError> {
        let (mut views, problems) = Views::new(&settings).map_err(|error| OpenError::Settings(error.to_string()))?;
        let mut warnings: Vec<Warning> = problems.into_iter().map(Warning::View).collect();
        let mut workbins = Workbins::default();
        reader.entries(&mut |entry| match entry.workbin {
            None => views.insert(entry),
            Some(_) => workbins.insert(entry),
        })?;
        let strategies = Strategies::new(&settings, &views, &mut warnings);
        for (queue, waiting) in views.counts() {
            if !settings.queues.iter().any(|known| known.name == queue) {
                warnings.push(Warning::QueueNotConfigured { queue: queue.into(), waiting });
            }
        }
        let most = Most {
            // All of it may be sent to one client at once.
            events: settings.limits.reporting_events.min(settings.limits.events_waiting / 2),
            bytes: settings.limits.reporting_bytes,
        };
        let mut core = Core {
            // A store that is begun anew counts incarnations anew, too.
            stream: Stream::new(format!("{incarnation}-{:x}", now.wall), most),
            stop_keeping: None,
            ids: InteractionIds::new(&settings.name, incarnation),
            bodies: Bodies::new(settings.limits.body_cache_bytes),
            settings,
            incarnation,
            now,
            outbox: Outbox::default(),
            sequence: 1,
            reader,
            failure: None,
            answers: Answers::default(),
            timers: Timers::default(),
            clients: BTreeMap::new(),
            reporting: Vec::new(),
            agents: Agents::default(),
            views,
            workbins,
            out: HashMap::new(),
            strategies,
            tickets: 0,
            invitations: BTreeMap::new(),
            keeping: Keeping::default(),
            service_calls: BTreeMap::new(),
            service_references: 0,
            stopping: false,
        };
        core.timers.set(now.ticks + VIEW_CHECK_INTERVAL, Timer::CheckViews);
        core.timers.set(now.ticks, Timer::Forget);
        core.keep_all_at_start();
        Ok((core, warnings))
    }

    /// Takes one input in.
    pub(crate) fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        match input {
            Input::Connected(client) => self.connected(client),
            Input::Request(client, request) => self.request(client, request),
            Input::Disconnected(client) => self.gone(client, Leaving::Broken, "the connection ended"),
        }
    }

    /// Goes on with other settings, as far as they [may change](Settings::changed). What is under way keeps its
    /// time-outs; held pulls are looked at again.
    pub(crate) fn set_settings(&mut self, now: Now, settings: Arc<Settings>) {
        self.now = now;
        self.strategies.change(&settings);
        self.settings = settings;
        self.end_pulls_of_disabled();
    }

    /// Ends a burst of inputs: runs what is due, and answers held pulls that can be answered now.
    pub(crate) fn flush(&mut self, now: Now) {
        self.now = now;
        while let Some(timer) = self.timers.due(now.ticks) {
            self.timer(timer);
        }
        self.serve_held_pulls();
    }

    /// What has gathered, with the number its writes get (the one before counts when there are none).
    pub(crate) fn take_outbox(&mut self) -> (u64, Outbox) {
        if !self.outbox.writes.is_empty() {
            self.sequence += 1;
        }
        (self.sequence - 1, std::mem::take(&mut self.outbox))
    }

    /// Everything up to this number is on disk.
    pub(crate) fn durable(&mut self, sequence: u64) {
        self.bodies.durable(sequence);
        self.answers.durable(sequence);
    }

    /// When [`flush`](Self::flush) has something to do though nothing comes in, in ticks.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.timers.next()
    }

    /// The read that failed, where one did: this core must not be used any more.
    pub(crate) fn failure(&mut self) -> Option<StoreError> {
        self.failure.take()
    }

    /// From here on every request is refused.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    fn timer(&mut self, timer: Timer) {
        match timer {
            Timer::Holding(interaction) => self.holding_is_due(&interaction),
            Timer::Invitation(ticket) => self.invitation_timed_out(ticket),
            Timer::Pull(strategy, client, reference) => self.end_held_pull(strategy, client, reference),
            Timer::Kept(interaction) => self.free(&interaction),
            Timer::Started => self.start_is_over(),
            Timer::Service(call) => self.service_timed_out(call),
            Timer::StopKeeping => self.stop_keeping(),
            Timer::CheckViews => {
                self.strategies.check_views();
                self.timers.set(self.now.ticks + VIEW_CHECK_INTERVAL, Timer::CheckViews);
            }
            Timer::Forget => {
                let retention = checks::millis(self.settings.timers.idempotency_retention);
                self.outbox.outputs.push(Output::ForgetBefore(self.now.wall.saturating_sub_unsigned(retention)));
                self.timers.set(self.now.ticks + FORGET_INTERVAL, Timer::Forget);
            }
        }
    }

    fn request(&mut self, client: ClientId, request: Request) {
        let Request { reference_id, idempotency_key, message } = request;
        let Some(known) = self.clients.get_mut(&client) else { return };
        known.last_request = self.now.ticks;
        let registered = known.registration.is_some();
        let answered = match message {
            _ if reference_id == 0 => {
                self.close(client, Leaving::Broken, "a request with reference id 0");
                return;
            }
            None => {
                Err(ErrorCode::BadRequest.with("a request without a message, or of a kind this server does not know"))
            }
            Some(_) if self.stopping => {
                Err(ErrorCode::ShuttingDown.with("the server is stopping; connect again later"))
            }
            Some(RequestMessage::RegisterClient(register)) => {
                let answered = self.register(client, register);
                if answered.is_err() && !registered {
                    self.reply(client, reference_id, answered);
                    self.close(client, Leaving::Broken, "the registration was refused");
                    return;
                }
                answered
            }
            Some(_) if !registered => {
                let error = ErrorCode::NotRegistered.with("the first request must be RequestRegisterClient");
                self.reply(client, reference_id, Err(error));
                self.close(client, Leaving::Broken, "the first request was not RequestRegisterClient");
                return;
            }
            Some(message) => self.once(client, reference_id, idempotency_key, message),
        };
        self.reply(client, reference_id, answered);
    }

    fn reply(&mut self, client: ClientId, reference_id: u64, answered: Answered) {
        let message = match answered {
            Ok(Reply::Now(message)) => message,
            Ok(Reply::Later) => return,
            Err(error) => EventMessage::Error(error.into()),
        };
        // The client may have left with this request.
        self.outbox.outputs.push(Output::Event(client, Event { reference_id, message: Some(message) }));
    }

    /// Sends an event that was not asked for.
    fn event(&mut self, client: ClientId, message: EventMessage) {
        self.reply(client, 0, Ok(Reply::Now(message)));
    }

    /// Cuts a client off.
    fn close(&mut self, client: ClientId, leaving: Leaving, reason: &str) {
        self.outbox.outputs.push(Output::Close(client, reason.into()));
        self.gone(client, leaving, reason);
    }

    fn dispatch(&mut self, client: ClientId, reference_id: u64, key: &str, message: RequestMessage) -> Answered {
        match message {
            RequestMessage::RegisterClient(_) => {
                Err(ErrorCode::NotRegistered.with("this client is registered already; open another connection"))
            }
            RequestMessage::UnregisterClient(_) => self.unregister(client, reference_id),
            RequestMessage::Submit(request) => self.submit(client, request),
            RequestMessage::Pull(request) => self.pull(client, reference_id, request),
            RequestMessage::CancelPull(request) => self.cancel_pull(client, request),
            RequestMessage::Reclaim(request) => self.reclaim(client, request),
            RequestMessage::FindInteractions(request) => self.find_interactions(request),
            RequestMessage::PlaceInQueue(request) => self.place_in_queue(client, request),
            RequestMessage::PlaceInWorkbin(request) => self.place_in_workbin(client, request),
            RequestMessage::Deliver(request) => self.deliver(client, reference_id, key, request),
            RequestMessage::Accept(request) => self.accept(client, request),
            RequestMessage::Reject(request) => self.reject(client, request),
            RequestMessage::StopProcessing(request) => self.stop_processing(client, request),
            RequestMessage::ChangeProperties(request) => self.change_properties(client, request),
            RequestMessage::GetInteractionProperties(request) => self.get_properties(request),
            RequestMessage::AgentLogin(request) => self.agent_login(client, request),
            RequestMessage::AgentLogout(request) => self.agent_logout(client, &request),
            RequestMessage::ReadyForMedia(request) => {
                self.set_ready(client, &request.agent, &request.media_types, true, "")
            }
            RequestMessage::NotReadyForMedia(request) => {
                self.set_ready(client, &request.agent, &request.media_types, false, &request.reason)
            }
            RequestMessage::GetWorkbinContent(request) => self.workbin_content(request),
            RequestMessage::ThirdServer(request) => self.call_service(client, reference_id, key, request),
            RequestMessage::ThirdServerAnswer(request) => self.service_answered(client, request),
            RequestMessage::StartReporting(request) => self.start_reporting(client, reference_id, request),
            RequestMessage::DistributeEvent(request) => self.distribute_event(client, request),
            RequestMessage::ServerStatus(_) => Ok(Reply::Now(EventMessage::ServerStatus(self.status()))),
        }
    }

    /// Notes that the store could not be read; the request that needed it is refused.
    fn failed(&mut self, error: StoreError) -> RequestError {
        let refusal = ErrorCode::StoreUnavailable.with(error.to_string());
        self.failure = Some(error);
        refusal
    }
}
