//! A network that is slow, stalls, and breaks: it carries frames between clients and one server.
//!
//! Each connection is two tasks, one each way, which keep the order of what they carry, but for what may overtake
//! other things (`order`) where a frame is held up and those behind it catch up. Frames of different connections
//! have no order. Requests with keys may arrive twice. A connection that breaks loses what is on its way, or some
//! of it arrives late; each side hears of that in its own time. One that a side closes carries what is on its way
//! to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_link::{Connect, Connecting, Connection, Direct, Endpoint, LinkError};
use jackfield_protocol::v1::request::Message as Asked;
use jackfield_protocol::v1::{ClientFrame, Event, Request, ServerFrame};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::order::{self, About};
use crate::weather::Weather;

/// Frames that may wait on each side of a connection.
const FRAMES: usize = 64;
/// Events that may wait for one connection; one that has more is cut off.
const EVENTS: usize = 1_024;
/// Inputs that may wait for the server.
const INPUTS: usize = 1_024;
/// A connection that carries nothing for so long breaks: nobody answers the pings.
const KEPT_ALIVE: Duration = Duration::from_secs(10);
/// How much later than the break a side may hear of it: keep-alive is slow.
const UNNOTICED: Duration = Duration::from_secs(4);
/// Longest time a frame is held up.
const HELD_UP: Duration = Duration::from_secs(2);

/// What comes to the server.
pub(crate) enum Input {
    /// A client, the way to it, and what breaks its connection.
    Connected(u64, Way),
    Requests(u64, Vec<Request>),
    Disconnected(u64),
}

/// From the server to one client.
pub(crate) struct Way {
    /// Dropped, the connection ends after what was sent.
    pub events: mpsc::Sender<Event>,
    /// Who it is, for people.
    pub who: String,
}

#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>);

struct Inner {
    weather: Arc<Weather>,
    server: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    /// The way to the server while it is there.
    server: Option<mpsc::Sender<Input>>,
    open: Vec<Open>,
}

/// A connection, as whoever breaks it sees it.
struct Open {
    who: String,
    cut: CancellationToken,
    stalled: watch::Sender<Instant>,
}

impl Network {
    pub fn new(weather: Arc<Weather>, server: &str) -> Network {
        Network(Arc::new(Inner { weather, server: server.to_owned(), state: Mutex::default() }))
    }

    /// How that client reaches the server.
    pub fn endpoint(&self, who: &str) -> Endpoint {
        Endpoint::Direct(Direct::new(Arc::new(Path { network: self.clone(), who: who.to_owned() })))
    }

    /// The server listens from here on.
    pub fn listen(&self) -> mpsc::Receiver<Input> {
        let (sender, inputs) = mpsc::channel(INPUTS);
        self.state().server = Some(sender);
        inputs
    }

    /// The server is not there: every connection to it breaks.
    pub fn deaf(&self) {
        self.state().server = None;
        self.cut(|_| true);
    }

    /// Breaks connections; how many.
    pub fn cut(&self, which: impl Fn(&str) -> bool) -> usize {
        let mut state = self.state();
        let before = state.open.len();
        state.open.retain(|open| {
            let is_it = which(&open.who);
            if is_it {
                open.cut.cancel();
            }
            !is_it && !open.cut.is_cancelled()
        });
        before - state.open.len()
    }

    /// Those connections carry nothing for a while.
    pub fn stall(&self, which: impl Fn(&str) -> bool, time: Duration) {
        for open in self.state().open.iter().filter(|open| which(&open.who)) {
            open.stalled.send_replace(Instant::now() + time);
        }
    }

    async fn connect(self, who: String) -> Result<Connection, LinkError> {
        let weather = self.0.weather.clone();
        weather.sleep(weather.options.latency).await;
        let (requests, requests_out) = mpsc::channel(FRAMES);
        let (frames, events) = mpsc::channel(FRAMES);
        let (events_in, events_out) = mpsc::channel(EVENTS);
        let (stalled, until) = watch::channel(Instant::now());
        let cut = CancellationToken::new();
        let (server, client) = {
            let mut state = self.state();
            let Some(server) = state.server.clone() else {
                return Err(LinkError::Down("nobody listens".into()));
            };
            state.last += 1;
            state.open.retain(|open| !open.cut.is_cancelled());
            state.open.push(Open { who: who.clone(), cut: cut.clone(), stalled });
            (server, state.last)
        };
        weather.note(format_args!("connection {client} of {who} to {}", self.0.server));
        let way = Way { events: events_in, who: who.clone() };
        if server.send(Input::Connected(client, way)).await.is_err() {
            return Err(LinkError::Down("nobody listens".into()));
        }
        let line = Line { weather, who, cut, until, asked: Arc::default() };
        tokio::spawn(up(line.clone(), client, requests_out, server));
        tokio::spawn(down(line, events_out, frames));
        Ok(Connection { requests, events })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Path {
    network: Network,
    who: String,
}

impl Connect for Path {
    fn connect(&self) -> Connecting {
        Box::pin(self.network.clone().connect(self.who.clone()))
    }
}

/// One way of a connection.
#[derive(Clone)]
struct Line {
    weather: Arc<Weather>,
    who: String,
    cut: CancellationToken,
    until: watch::Receiver<Instant>,
    /// Requests that went to the server and whose answers have not come back, by their reference ids; shared by
    /// both ways. Bounded by what a client may have in flight.
    asked: Arc<Mutex<BTreeMap<u64, (About, Request)>>>,
}

impl Line {
    /// A frame is on its way; whether it arrives.
    async fn carry(&self, is_held_up: bool) -> bool {
        let options = &self.weather.options;
        self.weather.may_strike(options.strikes_on_the_way);
        let way = async {
            self.weather.sleep(options.latency).await;
            if is_held_up {
                self.weather.sleep(HELD_UP).await;
            }
            loop {
                let until = *self.until.borrow();
                if until <= Instant::now() {
                    break;
                }
                tokio::time::sleep_until(until).await;
            }
        };
        tokio::select! {
            biased;
            () = self.cut.cancelled() => false,
            () = way => true,
            () = tokio::time::sleep(KEPT_ALIVE) => {
                self.cut.cancel();
                false
            }
        }
    }

    /// Waits until this side hears of the break.
    async fn hears(&self) {
        self.weather.sleep(UNNOTICED).await;
    }

    fn happens(&self, odds: f64) -> bool {
        !self.weather.is_calm() && self.weather.chance(odds)
    }

    /// Requests that are to arrive again: with keys by which the server, or whoever it asks, knows them, and
    /// without an answer. An invitation's key counts only as long as it is open, so nobody asks for one again
    /// who does not know that it is.
    fn again(&self) -> Vec<Request> {
        let asked = self.asked();
        let known = asked.values().filter(|(_, request)| {
            !request.idempotency_key.is_empty() && !matches!(request.message, Some(Asked::Deliver(_)))
        });
        known.map(|(_, request)| request.clone()).collect()
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<u64, (About, Request)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn up(line: Line, client: u64, mut frames: mpsc::Receiver<ClientFrame>, server: mpsc::Sender<Input>) {
    let options = &line.weather.options;
    loop {
        let frame = tokio::select! {
            biased;
            () = line.cut.cancelled() => None,
            // Whoever closes it does so in its turn.
            frame = frames.recv() => frame,
        };
        let Some(ClientFrame { mut requests }) = frame else { break };
        let is_held_up = line.happens(options.overtaking);
        let has_arrived = line.carry(is_held_up).await;
        if !has_arrived {
            if !line.happens(options.late_frames) {
                break;
            }
            line.weather.sleep(UNNOTICED).await;
            line.weather.note(format_args!("a frame of {} arrives late", line.who));
        } else if is_held_up {
            while let Ok(behind) = frames.try_recv() {
                requests.extend(behind.requests);
            }
            if order::requests(&line.weather, &mut requests) {
                line.weather.note(format_args!("requests of {} overtake each other", line.who));
            }
        }
        if line.happens(options.repeated_requests) {
            let again = line.again();
            if !again.is_empty() {
                line.weather.note(format_args!("{} unanswered requests of {} arrive again", again.len(), line.who));
                requests.splice(0..0, again);
            }
        }
        line.asked()
            .extend(requests.iter().map(|request| (request.reference_id, (About::request(request), request.clone()))));
        if server.send(Input::Requests(client, requests)).await.is_err() || !has_arrived {
            break;
        }
    }
    if line.cut.is_cancelled() {
        line.hears().await;
    } else {
        // It was closed: the other way is of no use any more.
        line.carry(false).await;
        line.cut.cancel();
    }
    let _ = server.send(Input::Disconnected(client)).await;
}

async fn down(line: Line, mut events: mpsc::Receiver<Event>, frames: mpsc::Sender<ServerFrame>) {
    let options = &line.weather.options;
    loop {
        let event = tokio::select! {
            biased;
            () = line.cut.cancelled() => None,
            event = events.recv() => event,
        };
        let Some(event) = event else { break };
        let mut together = vec![event];
        let is_held_up = line.happens(options.overtaking);
        if !is_held_up {
            gather(&mut together, &mut events);
        }
        if !line.carry(is_held_up).await {
            break;
        }
        if is_held_up {
            gather(&mut together, &mut events);
            let asked = line.asked();
            if order::events(&line.weather, &mut together, |reference_id| {
                asked.get(&reference_id).map(|(about, _)| about)
            }) {
                line.weather.note(format_args!("what {} is told overtakes itself", line.who));
            }
        }
        for event in &together {
            line.asked().remove(&event.reference_id);
        }
        if frames.send(ServerFrame { events: together }).await.is_err() {
            break;
        }
    }
    if line.cut.is_cancelled() {
        line.hears().await;
    }
}

fn gather(together: &mut Vec<Event>, events: &mut mpsc::Receiver<Event>) {
    while let Ok(event) = events.try_recv() {
        together.push(event);
    }
}
