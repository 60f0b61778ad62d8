//! A network that is slow, stalls, and breaks: it carries frames between clients and the server.
//!
//! Each connection is two tasks, one each way, which keep the order of what they carry. A connection that
//! breaks loses what is on its way; each side hears of that in its own time. One that a side closes carries
//! what is on its way to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_link::{Connect, Connecting, Connection, Direct, Endpoint, LinkError};
use jackfield_protocol::v1::{ClientFrame, Event, Request, ServerFrame};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
    pub fn new(weather: Arc<Weather>) -> Network {
        Network(Arc::new(Inner { weather, state: Mutex::default() }))
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
        weather.note(format_args!("connection {client} of {who}"));
        let way = Way { events: events_in, who };
        if server.send(Input::Connected(client, way)).await.is_err() {
            return Err(LinkError::Down("nobody listens".into()));
        }
        let line = Line { weather, cut, until };
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
    cut: CancellationToken,
    until: watch::Receiver<Instant>,
}

impl Line {
    /// A frame is on its way; whether it arrives.
    async fn carry(&self) -> bool {
        let options = &self.weather.options;
        self.weather.may_strike(options.strikes_on_the_way);
        let way = async {
            self.weather.sleep(options.latency).await;
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
}

async fn up(line: Line, client: u64, mut frames: mpsc::Receiver<ClientFrame>, server: mpsc::Sender<Input>) {
    loop {
        let frame = tokio::select! {
            biased;
            () = line.cut.cancelled() => None,
            // Whoever closes it does so in its turn.
            frame = frames.recv() => frame,
        };
        let Some(frame) = frame else { break };
        if !line.carry().await {
            break;
        }
        if server.send(Input::Requests(client, frame.requests)).await.is_err() {
            break;
        }
    }
    if line.cut.is_cancelled() {
        line.hears().await;
    } else {
        // It was closed: the other way is of no use any more.
        line.carry().await;
        line.cut.cancel();
    }
    let _ = server.send(Input::Disconnected(client)).await;
}

async fn down(line: Line, mut events: mpsc::Receiver<Event>, frames: mpsc::Sender<ServerFrame>) {
    loop {
        let event = tokio::select! {
            biased;
            () = line.cut.cancelled() => None,
            event = events.recv() => event,
        };
        let Some(event) = event else { break };
        let mut together = vec![event];
        while let Ok(event) = events.try_recv() {
            together.push(event);
        }
        if !line.carry().await || frames.send(ServerFrame { events: together }).await.is_err() {
            break;
        }
    }
    if line.cut.is_cancelled() {
        line.hears().await;
    }
}
