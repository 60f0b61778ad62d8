//! A client that comes back: connects again, with growing pauses, for as long as it is wanted.
//!
//! Owns one task. It ends when the [`Link`] is closed or its last clone dropped; the client it had is
//! closed then.

use std::sync::Arc;
use std::time::Duration;

use jackfield_protocol::v1::RequestRegisterClient;
use jackfield_protocol::v1::event::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Client, Endpoint, LinkError};

/// Link events that may wait to be read; behind them events gather in the client.
const LINK_EVENTS_WAITING: usize = 64;

/// Pauses before a lost connection is tried again: the first, doubled at each failure up to `max`.
/// Of each pause the last half is left to chance, so that clients of a restarted server do not come all
/// at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// First pause; more than 0.
    pub first: Duration,
    /// Longest pause.
    pub max: Duration,
}

impl Default for Reconnect {
    /// 200 ms, up to 10 s.
    fn default() -> Self {
        Reconnect { first: Duration::from_millis(200), max: Duration::from_secs(10) }
    }
}

impl Reconnect {
    /// The pause after so many failures in a row (at least 1); `chance` is from 0 to 1.
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        // Past 2^20 any first pause of a microsecond has reached a second: no need to overflow.
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let whole = doubled.min(self.max).max(Duration::from_millis(1));
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// What happens on a link.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are events, which boxes would only make slower")]
pub enum LinkEvent {
    /// Connected and registered.
    Up(Client),
    /// No connection, or no longer one: what the client held is back in its queues.
    Down {
        /// For people.
        reason: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// An event that was not asked for, from the client of the last `Up`.
    Event(Message),
}

/// A connection that is made again whenever it is lost; clones share it.
#[derive(Clone, Debug)]
pub struct Link {
    client: watch::Receiver<Option<Client>>,
    reconnect: watch::Sender<Reconnect>,
    stop: CancellationToken,
    ended: CancellationToken,
    _stop_on_drop: Arc<DropGuard>,
}

impl Link {
    /// Starts connecting. The receiver must be read, as with [`Client::connect`]; dropping it discards
    /// what happens, and the link goes on. Must be called within a tokio runtime.
    pub fn open(
        endpoint: Endpoint,
        register: RequestRegisterClient,
        reconnect: Reconnect,
    ) -> (Link, mpsc::Receiver<LinkEvent>) {
        let (events, events_receiver) = mpsc::channel(LINK_EVENTS_WAITING);
        let (current, client) = watch::channel(None);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (reconnect, pauses) = watch::channel(reconnect);
        let link = Link {
            client,
            reconnect,
            stop: stop.clone(),
            ended: ended.clone(),
            _stop_on_drop: Arc::new(stop.clone().drop_guard()),
        };
        let mut task = Task { endpoint, register, pauses, events, current };
        tokio::spawn(async move {
            let _ended = ended.drop_guard();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = task.run() => {}
            }
            task.end().await;
        });
        (link, events_receiver)
    }

    /// The client, while there is a connection.
    pub fn client(&self) -> Option<Client> {
        self.client.borrow().clone().filter(|client| !client.is_closed())
    }

    /// Waits for a connection; none once the link is closed. Cancel-safe.
    pub async fn up(&self) -> Option<Client> {
        let mut client = self.client.clone();
        let up = client.wait_for(|client| client.as_ref().is_some_and(|client| !client.is_closed())).await;
        up.ok().and_then(|client| client.clone())
    }

    /// Stops connecting, and closes the connection; does not wait for it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Other pauses from here on; one that is under way becomes as long as it would have been with them.
    pub fn set_reconnect(&self, reconnect: Reconnect) {
        self.reconnect.send_if_modified(|now| std::mem::replace(now, reconnect) != reconnect);
    }

    /// Closes the connection and stops connecting; returns when that is done.
    pub async fn close(&self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

struct Task {
    endpoint: Endpoint,
    register: RequestRegisterClient,
    pauses: watch::Receiver<Reconnect>,
    events: mpsc::Sender<LinkEvent>,
    current: watch::Sender<Option<Client>>,
}

impl Task {
    async fn run(&mut self) {
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let reason = match Client::connect(&self.endpoint, self.register.clone()).await {
                Ok((client, events)) => {
                    let reason = self.forward(client, events).await;
                    // A server that takes us in only to drop us is not well: the pauses go on growing.
                    if began.elapsed() >= self.pauses.borrow().max {
                        failures = 0;
                    }
                    reason
                }
                Err(error @ (LinkError::Refused(_) | LinkError::Protocol(_))) => {
                    tracing::warn!(endpoint = %self.endpoint, %error, "cannot register with the interaction server");
                    error.to_string()
                }
                Err(error) => error.to_string(),
            };
            failures = failures.saturating_add(1);
            self.pause(reason, failures).await;
        }
    }

    async fn pause(&mut self, reason: String, failures: u32) {
        let chance = jackfield_world::chance();
        let retry_in = self.pauses.borrow_and_update().pause(failures, chance);
        self.tell(LinkEvent::Down { reason, retry_in }).await;
        let began = Instant::now();
        let mut until = began + retry_in;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                // Whoever could change them may be gone.
                Ok(()) = self.pauses.changed() => {
                    until = began + self.pauses.borrow_and_update().pause(failures, chance);
                }
            }
        }
    }

    /// Passes on what comes until the client has ended; returns why it did.
    async fn forward(&self, client: Client, mut events: mpsc::Receiver<Message>) -> String {
        self.current.send_replace(Some(client.clone()));
        self.tell(LinkEvent::Up(client.clone())).await;
        while let Some(event) = events.recv().await {
            self.tell(LinkEvent::Event(event)).await;
        }
        client.closed().await;
        self.current.send_replace(None);
        client.closed_because().unwrap_or_default()
    }

    /// Others may hold clones of the client; the stream ends all the same.
    async fn end(&self) {
        if let Some(client) = self.current.send_replace(None) {
            client.close();
            client.closed().await;
        }
    }

    async fn tell(&self, event: LinkEvent) {
        // Nobody need listen.
        let _ = self.events.send(event).await;
    }
}
