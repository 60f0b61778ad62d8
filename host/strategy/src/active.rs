//! The part of an instance's data that only a session has: how it stands, the turn it is in, and the
//! wait between two turns. A rebuilt one first goes through what is recorded ([`Replay`]).

use std::sync::Arc;

use jackfield_protocol::ErrorCode;

use crate::clock::SessionClock;
use crate::contract::{Event, Failure, KvPair, Level, RequestId, TimerId, check_pairs, failure};
use crate::end::{EndReason, Limit};
use crate::engine::Engine;
use crate::journal::{Journal, JournalError};
use crate::plugin::{Capability, Plugin};
use crate::policy::Policy;
use crate::record::{Checkpoint, Clock, History, Input, Lookup, Question, TimerChange, Turn};
use crate::replay::{Difference, Replay, Step};
use crate::request::{Request, text_bytes};
use crate::session::{Facts, Shared};
use crate::standing::Standing;
use crate::state::{Ending, past};

/// Bytes of a checkpoint (contract, `session.checkpoint`).
pub(crate) const CHECKPOINT_BYTES: usize = 1 << 20;

pub(crate) struct Active {
    engine: Engine,
    shared: Arc<Shared>,
    plugin: Plugin,
    /// Its limits, as they were when this instance was made.
    policy: Arc<Policy>,
    facts: Arc<dyn Facts>,
    journal: Arc<dyn Journal>,
    session_clock: SessionClock,
    pub parameters: Vec<KvPair>,
    pub standing: Standing,
    /// Turn of the last checkpoint.
    checkpointed: u64,
    turns_recorded: u64,
    /// Called with its checkpoint, it has not come to wait yet: it may not do anything.
    waking: bool,
    /// What is recorded and has to happen again.
    replay: Option<Replay>,
    /// It is only looked at, and this was seen: it ends where the record ends.
    seen: Option<Vec<Step>>,
    /// A turn was run that is not in the record.
    ran: bool,
    // ---- of this turn
    turn: Turn,
    state: Option<Vec<u8>>,
    asked: usize,
    bytes: usize,
    /// Timers and the inbox take turns, so that neither can hold up the other.
    timers_first: bool,
}

/// What a session is run with.
pub(crate) struct Run {
    pub plugin: Plugin,
    pub facts: Arc<dyn Facts>,
    pub journal: Arc<dyn Journal>,
    pub session_clock: SessionClock,
    /// It is only looked at; with the turn in which it failed, if it did.
    pub look: Option<Option<Turn>>,
}

impl Active {
    pub fn new(engine: &Engine, run: Run, history: History, shared: Arc<Shared>) -> Active {
        let Run { plugin, facts, journal, session_clock, look } = run;
        let History { origin, checkpoint, turns } = history;
        let waking = checkpoint.is_some();
        let (standing, checkpointed) = match checkpoint {
            Some(checkpoint) => (checkpoint.standing, checkpoint.turn),
            None => (Standing::new(&origin), 0),
        };
        let turns_recorded = turns.last().map_or(checkpointed, |turn| turn.number);
        let is_look = look.is_some();
        let replay = Replay::new(turns, look.flatten());
        let turn = match &replay {
            _ if waking => Turn::begun(checkpointed, Input::Start, standing.clock()),
            Some(replay) => replay.now().begun_again(),
            None => Turn::begun(1, Input::Start, session_clock.turn()),
        };
        Active {
            engine: engine.clone(),
            shared,
            policy: plugin.policy(),
            plugin,
            facts,
            journal,
            session_clock,
            parameters: origin.parameters,
            standing,
            checkpointed,
            turns_recorded,
            ran: !waking && replay.is_none(),
            waking,
            replay,
            seen: is_look.then(Vec::new),
            turn,
            state: None,
            asked: 0,
            bytes: 0,
            timers_first: false,
        }
    }

    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    pub fn id(&self) -> &str {
        &self.shared.id
    }

    pub fn turns_recorded(&self) -> u64 {
        self.turns_recorded
    }

    /// The time of the turn.
    pub fn clock(&self) -> Clock {
        self.turn.clock
    }

    /// Whether what it does is not new.
    pub fn is_again(&self) -> bool {
        self.waking || self.replay.is_some()
    }

    /// Whether the limits of its policy hold for what it does: what is recorded was judged when it happened
    /// first. One that failed is to fail again.
    pub fn is_judged(&self) -> bool {
        !self.waking && self.replay.as_ref().is_none_or(Replay::is_to_fail)
    }

    /// The turn in which it failed, as far as it came.
    pub fn failed_turn(&mut self) -> Option<Turn> {
        (!self.is_again()).then(|| std::mem::take(&mut self.turn))
    }

    /// What somebody who only looked has seen, and how the rest differs.
    pub fn seen(&mut self) -> Vec<Step> {
        self.seen.take().unwrap_or_default()
    }

    /// It ended where it did not then.
    pub fn ended_early(&self, how: &str) -> Option<Difference> {
        self.replay.as_ref().filter(|replay| !replay.is_to_fail()).map(|replay| replay.ended(how))
    }

    // ---- what the strategy does in a turn ----

    /// Adds a request to the turn, or, where it is refused, the failure that will be its outcome.
    pub fn ask(&mut self, allowed: Result<(), Failure>, request: Request) -> wasmtime::Result<RequestId> {
        self.is_awake("asked for something")?;
        let id = self.standing.next_request();
        self.charge(request.bytes())?;
        let in_second = self.standing.count_request(self.turn.clock);
        if self.is_judged() {
            let most = self.engine.settings().requests_waiting;
            if self.standing.untold() >= most {
                return Err(past(Limit::RequestsWaiting(most)));
            }
            if let Some(most) = self.policy.requests_per_second
                && in_second > most
            {
                return Err(past(Limit::RequestsPerSecond(most)));
            }
        }
        match allowed {
            Ok(()) => {
                self.again(|replay| replay.ask(id, Some(&request)))?;
                self.standing.asked(id, request.clone(), self.turn.clock);
                self.turn.requests.push((id, request));
            }
            Err(failure) => {
                self.again(|replay| replay.ask(id, None))?;
                self.standing.refuse(id, failure.clone());
                self.turn.refused.push((id, failure));
            }
        }
        Ok(id)
    }

    /// Whether the session may ask for something about this interaction.
    pub fn holds(&self, id: &str) -> Result<(), Failure> {
        match self.standing.get(id) {
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

    /// Looks something up; within a turn the answer stays.
    pub fn look_up(&mut self, question: Question) -> wasmtime::Result<Option<String>> {
        self.is_awake("looked something up")?;
        if let Some(lookup) = self.turn.lookups.iter().find(|lookup| lookup.question == question) {
            return Ok(lookup.answer.clone());
        }
        let answer = match (&self.replay, &question) {
            (Some(replay), question) => replay.look_up(question).map_err(diverged)?,
            (None, question) => question.answer(&*self.facts, self.turn.clock.wall_ms()),
        };
        self.charge(question.bytes() + answer.as_ref().map_or(0, String::len))?;
        self.turn.lookups.push(Lookup { question, answer: answer.clone() });
        Ok(answer)
    }

    /// Starts a timer.
    pub fn start_timer(&mut self, after_ms: u64) -> wasmtime::Result<TimerId> {
        self.is_awake("started a timer")?;
        let most = self.engine.settings().timers;
        if self.standing.timers.len() >= most || self.turn.timers.len() >= 2 * most {
            return Err(wasmtime::Error::msg(format!("more than {most} timers at once")));
        }
        let timer = self.standing.timers.start(self.turn.clock.monotonic, after_ms);
        self.timer(TimerChange::Started(timer, after_ms))?;
        Ok(timer)
    }

    /// Whether the timer was still to fire.
    pub fn cancel_timer(&mut self, timer: TimerId) -> wasmtime::Result<bool> {
        self.is_awake("cancelled a timer")?;
        let was_to_fire = self.standing.timers.cancel(timer);
        if was_to_fire {
            self.timer(TimerChange::Cancelled(timer))?;
        }
        Ok(was_to_fire)
    }

    fn timer(&mut self, change: TimerChange) -> wasmtime::Result<()> {
        self.again(|replay| replay.timer(change))?;
        self.turn.timers.push(change);
        Ok(())
    }

    /// What the session is to be rebuilt from, as of this turn.
    pub fn set_checkpoint(&mut self, state: Vec<u8>) -> wasmtime::Result<()> {
        if state.len() > CHECKPOINT_BYTES {
            return Err(wasmtime::Error::msg(format!(
                "a checkpoint of {} bytes; at most {CHECKPOINT_BYTES} are kept",
                state.len()
            )));
        }
        // What is rebuilt may say again what it was rebuilt from.
        if !self.waking {
            self.state = Some(state);
        }
        Ok(())
    }

    /// Counts what the turn will keep.
    fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.asked += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let (most, most_bytes) = (self.policy.requests_per_turn, self.engine.settings().request_bytes_per_turn);
        match self.is_judged() {
            true if self.asked > most => Err(past(Limit::RequestsPerTurn(most))),
            true if self.bytes > most_bytes => Err(past(Limit::RequestBytes(most_bytes))),
            _ => Ok(()),
        }
    }

    fn is_awake(&self, what: &str) -> wasmtime::Result<()> {
        if !self.waking {
            return Ok(());
        }
        Err(wasmtime::Error::msg(format!(
            "rebuilt from its checkpoint it {what} before it waited in `events.next`; keep what it needs in the checkpoint"
        )))
    }

    /// Where the turn happens again: did it do so then?
    fn again(&mut self, check: impl FnOnce(&mut Replay) -> Result<(), Difference>) -> Result<(), Ending> {
        match &mut self.replay {
            Some(replay) => check(replay).map_err(diverged),
            None => Ok(()),
        }
    }

    // ---- between two turns ----

    /// Ends the turn: it is recorded, and its requests are on their way. Returns its number where
    /// it made a checkpoint.
    pub async fn end_turn(
        &mut self,
        wait: Option<u64>,
        last: bool,
        log: Vec<(Level, String)>,
    ) -> Result<Option<u64>, Ending> {
        self.asked = 0;
        self.bytes = 0;
        if self.waking {
            if last {
                let text = "rebuilt from its checkpoint it ended before it waited in `events.next`";
                return Err(Ending::Over(EndReason::Trapped(text.into())));
            }
            return Ok(None);
        }
        let state = self.state.take();
        if let Some(replay) = &self.replay {
            replay.end_turn(wait, last).map_err(diverged)?;
            if let Some(seen) = &mut self.seen {
                seen.push(Step { turn: replay.now().clone(), log });
            }
            self.standing.turn_ended(self.turn.clock, wait);
            return Ok(state.map(|_| self.turn.number));
        }
        let most = self.engine.settings().turns_without_checkpoint;
        if self.journal.keeps() && state.is_none() && !last && self.turn.number - self.checkpointed > most {
            return Err(Ending::Over(EndReason::TooManyTurns(most)));
        }
        self.standing.turn_ended(self.turn.clock, wait);
        let mut turn = std::mem::take(&mut self.turn);
        let number = turn.number;
        turn.session = Arc::clone(&self.shared.id);
        turn.wait = wait;
        turn.last = last;
        turn.due_at = self.standing.due().filter(|_| !last).map(|due| self.session_clock.wall_at(due));
        let is_checkpoint = state.is_some();
        turn.checkpoint =
            state.map(|state| Box::new(Checkpoint { turn: number, state, standing: self.standing.clone() }));
        let recorded = self.journal.record(turn).await;
        recorded.map_err(|JournalError(reason)| Ending::Over(EndReason::TurnNotRecorded(reason)))?;
        self.turns_recorded = number;
        if is_checkpoint {
            self.checkpointed = number;
        }
        Ok(is_checkpoint.then_some(number))
    }

    /// Begins the next turn: with what is recorded, or with what comes next.
    pub async fn next(&mut self) -> Result<Option<Event>, Ending> {
        if !std::mem::take(&mut self.waking) {
            self.replay = self.replay.take().and_then(Replay::next);
        }
        if let Some(replay) = &self.replay {
            self.turn = replay.now().begun_again();
            return Ok(self.standing.take(&self.turn.input));
        }
        if self.seen.is_some() {
            return Err(Ending::Leave(self.standing.resumed()));
        }
        let (input, event) = self.wait().await?;
        self.turn = Turn::begun(self.standing.turns() + 1, input, self.session_clock.turn());
        self.ran = true;
        Ok(event)
    }

    /// Waits for the next event, or for the wait to end; or lets go of the instance.
    async fn wait(&mut self) -> Result<(Input, Option<Event>), Ending> {
        // A session that always finds something to do must let others on too.
        tokio::task::coop::consume_budget().await;
        let keeps = self.journal.keeps();
        let drops = keeps && self.engine.settings().live == 0;
        let engine = self.engine.clone();
        loop {
            if (drops && self.ran) || (keeps && self.shared.inbox.is_to_exchange()) {
                return Err(Ending::Leave(self.standing.resumed()));
            }
            if let Some((input, event)) = self.choose()? {
                return Ok((input, Some(event)));
            }
            if self.standing.wait_ends().is_some_and(|ends| ends <= self.session_clock.monotonic()) {
                return Ok((Input::TimedOut, None));
            }
            if keeps && (drops || self.shared.inbox.is_to_leave() || engine.cache().is_wanted()) {
                return Err(Ending::Leave(self.standing.resumed()));
            }
            let _place = keeps.then(|| engine.cache().idle_place(&self.shared));
            self.shared.something_or(self.standing.due().map(|due| self.session_clock.instant(due))).await;
        }
    }

    /// What can be taken without waiting.
    fn choose(&mut self) -> Result<Option<(Input, Event)>, Ending> {
        if let Some(reason) = self.shared.inbox.ending() {
            return Err(Ending::Over(reason));
        }
        if let Some(input) = self.standing.own_input() {
            return Ok(self.taken(input));
        }
        self.timers_first = !self.timers_first;
        if self.timers_first
            && let Some(fired) = self.fired()
        {
            return Ok(Some(fired));
        }
        while let Some(event) = self.shared.inbox.take().map_err(Ending::Over)? {
            if let Some(news) = self.taken(Input::Event(event)) {
                return Ok(Some(news));
            }
        }
        Ok(self.fired())
    }

    fn fired(&mut self) -> Option<(Input, Event)> {
        let timer = self.standing.timers.first_due(self.session_clock.monotonic())?;
        self.taken(Input::Timer(timer))
    }

    fn taken(&mut self, input: Input) -> Option<(Input, Event)> {
        let event = self.standing.take(&input)?;
        Some((input, event))
    }
}

impl Turn {
    /// One that begins.
    fn begun(number: u64, input: Input, clock: Clock) -> Turn {
        Turn { number, input, clock, ..Turn::default() }
    }

    /// This one, happening again.
    fn begun_again(&self) -> Turn {
        Turn::begun(self.number, self.input.clone(), self.clock)
    }
}

impl Question {
    fn bytes(&self) -> usize {
        size_of::<Lookup>()
            + match self {
                Question::ListItem { name, item, key } => name.len() + item.len() + text_bytes(key),
                Question::Statistic { object, name } => object.len() + name.len(),
                Question::IsSpecialDay { table, day, zone } => table.len() + text_bytes(day) + text_bytes(zone),
                Question::LocalTime(zone) => text_bytes(zone),
                Question::Parameter(text) | Question::IsOpen(text) | Question::Targets(text) => text.len(),
            }
    }

    /// From the facts, as it is recorded.
    fn answer(&self, facts: &dyn Facts, at: u64) -> Option<String> {
        match self {
            Question::ListItem { name, item, key } => facts.list_item(name, item, key.as_deref()),
            Question::Parameter(name) => facts.parameter(name),
            Question::Statistic { object, name } => facts.statistic(object, name).map(json),
            Question::LocalTime(zone) => facts.local_time(zone.as_deref(), at).map(json),
            Question::IsOpen(hours) => facts.is_open(hours, at).map(json),
            Question::IsSpecialDay { table, day, zone } => {
                facts.is_special_day(table, day.as_deref(), zone.as_deref(), at).map(json)
            }
            Question::Targets(text) => Some(json(facts.read_targets(text))),
        }
    }
}

fn json(answer: impl serde::Serialize) -> String {
    // Numbers, truths, and records with names: writing them does not fail.
    serde_json::to_string(&answer).unwrap_or_default()
}

fn diverged(difference: Difference) -> Ending {
    Ending::Over(EndReason::Diverged(difference))
}

/// Whether these can be carried by the protocol.
pub(crate) fn well_formed(pairs: &[KvPair]) -> Result<(), Failure> {
    check_pairs(pairs).map_err(|error| failure(ErrorCode::BadRequest.with(error)))
}
