//! The part of an instance's data that only a session has: what it holds, what it asked for in
//! this turn, its timers, and the wait between two turns.

use std::collections::VecDeque;
use std::sync::Arc;

use jackfield_protocol::ErrorCode;

use crate::contract::{
    Event, Failure, InteractionEvent, InteractionId, KvPair, MessageEvent, RequestDoneEvent, RequestFailedEvent,
    RequestId, TimerId, check_pairs, failure,
};
use crate::end::EndReason;
use crate::holdings::{Change, Holdings};
use crate::plugin::Capability;
use crate::session::{Facts, SessionEvent, SessionStart, Shared};
use crate::settings::Settings;
use crate::state::Ending;
use crate::timers::{Timers, deadline};
use crate::turn::{Request, Turn, TurnError, Turns};

/// Bytes of a checkpoint (contract, `session.checkpoint`).
pub(crate) const CHECKPOINT_BYTES: usize = 1 << 20;

pub(crate) struct Active {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    plugin: crate::plugin::Plugin,
    pub parameters: Vec<KvPair>,
    pub facts: Arc<dyn Facts>,
    pub holdings: Holdings,
    pub timers: Timers,
    turns: Arc<dyn Turns>,
    turns_recorded: u64,
    last_request: RequestId,
    // ---- of this turn
    asked: usize,
    bytes: usize,
    requests: Vec<(RequestId, Request)>,
    checkpoint: Option<Vec<u8>>,
    // ---- events of the session's own making, which go first
    starting: VecDeque<InteractionId>,
    refused: VecDeque<(RequestId, Failure)>,
    /// Timers and the inbox take turns, so that neither can hold up the other.
    timers_first: bool,
}

impl Active {
    pub fn new(settings: Arc<Settings>, start: SessionStart, shared: Arc<Shared>) -> Active {
        Active {
            settings,
            shared,
            plugin: start.plugin,
            parameters: start.parameters,
            facts: start.facts,
            starting: start.interactions.iter().map(|interaction| interaction.id.clone()).collect(),
            holdings: Holdings::new(start.interactions),
            timers: Timers::default(),
            turns: start.turns,
            turns_recorded: 0,
            last_request: 0,
            asked: 0,
            bytes: 0,
            requests: Vec::new(),
            checkpoint: None,
            refused: VecDeque::new(),
            timers_first: false,
        }
    }

    pub fn id(&self) -> &str {
        &self.shared.id
    }

    pub fn turns_recorded(&self) -> u64 {
        self.turns_recorded
    }

    /// Adds a request to the turn, or, where it is refused, the failure that will be its outcome.
    pub fn ask(
        &mut self,
        allowed: Result<(), Failure>,
        request: Request,
        change: Change,
    ) -> wasmtime::Result<RequestId> {
        self.last_request += 1;
        self.asked += 1;
        self.bytes = self.bytes.saturating_add(request.bytes());
        if self.asked > self.settings.requests_per_turn
            || self.bytes > self.settings.request_bytes_per_turn
            || self.holdings.waiting() + self.refused.len() >= self.settings.requests_waiting
        {
            return Err(Ending(EndReason::TooManyRequests).into());
        }
        match allowed {
            Ok(()) => {
                self.requests.push((self.last_request, request));
                self.holdings.requested(self.last_request, change);
            }
            Err(failure) => self.refused.push_back((self.last_request, failure)),
        }
        Ok(self.last_request)
    }

    /// Whether the session may ask for something about this interaction.
    pub fn holds(&self, id: &str) -> Result<(), Failure> {
        match self.holdings.get(id) {
            Some(_) => Ok(()),
            None => Err(failure(ErrorCode::NotOwner.with(format!("this session does not hold interaction `{id}`")))),
        }
    }

    /// Whether the manifest names this capability.
    pub fn may(&self, capability: Capability) -> Result<(), Failure> {
        if self.plugin.may(capability) {
            return Ok(());
        }
        Err(failure(ErrorCode::NotPermitted.with(format!(
            "plugin `{}` does not name the capability `{}`; add it to the manifest that `describe` returns",
            self.plugin.name(),
            capability.name()
        ))))
    }

    /// Starts a timer.
    pub fn start_timer(&mut self, after_ms: u64) -> wasmtime::Result<TimerId> {
        if self.timers.len() >= self.settings.timers {
            return Err(wasmtime::Error::msg(format!("more than {} timers at once", self.settings.timers)));
        }
        Ok(self.timers.start(after_ms))
    }

    /// What the session is to be rebuilt from, as of this turn.
    pub fn set_checkpoint(&mut self, state: Vec<u8>) -> wasmtime::Result<()> {
        if state.len() > CHECKPOINT_BYTES {
            return Err(wasmtime::Error::msg(format!(
                "a checkpoint of {} bytes; at most {CHECKPOINT_BYTES} are kept",
                state.len()
            )));
        }
        self.checkpoint = Some(state);
        Ok(())
    }

    /// Ends the turn: it is recorded, and its requests are on their way.
    pub async fn commit(&mut self, last: bool) -> Result<(), Ending> {
        let turn = Turn {
            session: Arc::clone(&self.shared.id),
            number: self.turns_recorded + 1,
            requests: std::mem::take(&mut self.requests),
            checkpoint: self.checkpoint.take(),
            last,
        };
        self.asked = 0;
        self.bytes = 0;
        match self.turns.commit(turn).await {
            Ok(()) => {
                self.turns_recorded += 1;
                Ok(())
            }
            Err(TurnError(reason)) => Err(Ending(EndReason::TurnNotRecorded(reason))),
        }
    }

    /// Waits for the next event, or for the timeout to pass.
    pub async fn next(&mut self, timeout_ms: Option<u64>) -> Result<Option<Event>, Ending> {
        // A session that always finds something to do must let others on too.
        tokio::task::coop::consume_budget().await;
        let timeout = timeout_ms.map(deadline);
        loop {
            if let Some(event) = self.ready()? {
                return Ok(Some(event));
            }
            let now = tokio::time::Instant::now();
            if timeout.is_some_and(|timeout| timeout <= now) {
                return Ok(None);
            }
            let wake = match (timeout, self.timers.next_due()) {
                (Some(timeout), Some(timer)) => Some(timeout.min(timer)),
                (timeout, timer) => timeout.or(timer),
            };
            match wake {
                None => self.shared.inbox.changed().await,
                Some(at) => tokio::select! {
                    () = self.shared.inbox.changed() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }

    /// What can be taken without waiting.
    fn ready(&mut self) -> Result<Option<Event>, Ending> {
        if let Some(reason) = self.shared.inbox.ending() {
            return Err(Ending(reason));
        }
        if let Some(id) = self.starting.pop_front() {
            return Ok(Some(Event::InteractionPresent(id)));
        }
        if let Some((request, failure)) = self.refused.pop_front() {
            return Ok(Some(Event::RequestFailed(RequestFailedEvent { request, failure })));
        }
        self.timers_first = !self.timers_first;
        if self.timers_first
            && let Some(event) = self.fired()
        {
            return Ok(Some(event));
        }
        while let Some(event) = self.shared.inbox.take().map_err(Ending)? {
            if let Some(event) = self.receive(event) {
                return Ok(Some(event));
            }
        }
        Ok(self.fired())
    }

    fn fired(&mut self) -> Option<Event> {
        self.timers.fire(tokio::time::Instant::now()).map(Event::TimerFired)
    }

    /// What an event changes here, and how the strategy sees it. News of what the session does not
    /// hold (any more), and second outcomes, are no news.
    fn receive(&mut self, event: SessionEvent) -> Option<Event> {
        match event {
            SessionEvent::InteractionPresent(interaction) => {
                let id = interaction.id.clone();
                self.holdings.put(*interaction);
                Some(Event::InteractionPresent(id))
            }
            SessionEvent::InteractionNotControlled { interaction, reason } => self
                .holdings
                .release(&interaction)
                .then_some(Event::InteractionNotControlled(InteractionEvent { interaction, reason })),
            SessionEvent::InteractionDeleted { interaction, reason } => self
                .holdings
                .release(&interaction)
                .then_some(Event::InteractionDeleted(InteractionEvent { interaction, reason })),
            SessionEvent::UserDataChanged(interaction) => {
                let id = interaction.id.clone();
                self.holdings.refresh(*interaction).then_some(Event::UserDataChanged(id))
            }
            SessionEvent::RequestDone { request, outcome } => {
                self.holdings.done(request).then_some(Event::RequestDone(RequestDoneEvent { request, outcome }))
            }
            SessionEvent::RequestFailed { request, failure } => {
                self.holdings.failed(request).then_some(Event::RequestFailed(RequestFailedEvent { request, failure }))
            }
            SessionEvent::Message { name, data } => Some(Event::Message(MessageEvent { name, data })),
            SessionEvent::StopRequested(reason) => Some(Event::StopRequested(reason)),
        }
    }
}

/// Whether these can be carried by the protocol.
pub(crate) fn well_formed(pairs: &[KvPair]) -> Result<(), Failure> {
    check_pairs(pairs).map_err(|error| failure(ErrorCode::BadRequest.with(error)))
}
