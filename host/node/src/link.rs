//! The link task: owns one connection to an Interaction Server and everything that came over it.
//!
//! It is the only one who knows the sessions, deliveries and waits of its link, so nothing in it is
//! locked. It never waits for a session, and waits for the server only when the send buffer is full;
//! then it goes on reading answers and events, and takes no more turns, which holds back those
//! sessions that ask for more. What one step sends leaves in that order.
//!
//! How it ends: at a shutdown, when all sessions are gone and what they held was given back; or when
//! it is dropped, and the server takes back everything.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jackfield_link::{Client, Link, LinkError, LinkEvent, Reconnect, Reply};
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    ClientType, RequestCancelPull, RequestPull, RequestRegisterClient, RequestStartReporting, request_pull::What,
};
use jackfield_protocol::{ErrorCode, ORCHESTRATION_SYSTEM, RequestError};
use jackfield_routing::{Directory as Agents, RouteId, Selection};
use jackfield_strategy::{Session, SessionEnd, SessionEvent, Turn, TurnError, Turns};
use tokio::sync::{mpsc, watch};

use crate::pulling::{Pull, PullId};
use crate::requests::Purpose;
use crate::sessions::{Boxed, Running};
use crate::shared::{Shared, count};
use crate::status::ShutdownReport;
use crate::targets::{Delivery, Waiting};

/// Turns of sessions that wait for the link task.
const TURNS_WAITING: usize = 256;
/// Requests that wait for the send buffer; at this many no more turns are taken. One turn may exceed it.
const REQUESTS_WAITING: usize = 4_096;
/// Requests that wait for an answer; at this many no more turns are taken.
const REQUESTS_UNANSWERED: usize = 8_192;
/// How long a shutdown waits, after the grace time, for the server to take back what was left.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What everybody is told when the node shuts down: the grace time that is left to sessions.
pub(crate) type Stop = watch::Receiver<Option<Duration>>;

/// Where the sessions' turns go: to their link task, in order.
pub(crate) struct LinkTurns(mpsc::Sender<Turn>);

impl Turns for LinkTurns {
    fn commit(&self, turn: Turn) -> Pin<Box<dyn Future<Output = Result<(), TurnError>> + Send + '_>> {
        Box::pin(async move {
            if turn.requests.is_empty() {
                return Ok(());
            }
            self.0.send(turn).await.map_err(|_| TurnError("the node is stopping".into()))
        })
    }
}

/// A request that was sent, or is about to be.
struct Sent {
    purpose: Purpose,
    /// Longest time to its answer; what began is in `deadlines`.
    deadline: Option<Instant>,
    /// Its time was over: whoever asked was told.
    late: bool,
}

/// An answer to come.
struct Awaiting {
    token: u64,
    reply: Reply,
}

impl Future for Awaiting {
    type Output = (u64, Result<Answer, LinkError>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let token = self.token;
        Pin::new(&mut self.reply).poll(context).map(|answer| (token, answer))
    }
}

/// What the link task waits for.
enum Step {
    Answer(u64, Result<Answer, LinkError>),
    Sent(u64, Result<Reply, LinkError>),
    Link(Option<LinkEvent>),
    Ended(Arc<str>, SessionEnd),
    Started(Arc<str>, Session),
    Turn(Turn),
    Pull(Pull),
    Stop(Duration),
    Tick,
}

pub(crate) struct LinkTask {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) server: String,
    /// The moment of this step.
    pub(crate) now: Instant,

    link: Link,
    events: mpsc::Receiver<LinkEvent>,
    client: Option<Client>,
    pulls: mpsc::Receiver<Pull>,
    turns: mpsc::Receiver<Turn>,
    pub(crate) turns_sender: Arc<LinkTurns>,
    stop: Stop,

    outgoing: VecDeque<(u64, Ask, String)>,
    sending: Option<Boxed<(u64, Result<Reply, LinkError>)>>,
    sent: HashMap<u64, Sent>,
    replies: FuturesUnordered<Awaiting>,
    deadlines: BTreeSet<(Instant, u64)>,
    last_token: u64,
    /// Held pulls and the reference ids they were sent with.
    pub(crate) held_pulls: Vec<(PullId, u64)>,

    pub(crate) sessions: HashMap<Arc<str>, Running>,
    /// Affinity: the session of each interaction held.
    pub(crate) interactions: HashMap<String, Arc<str>>,
    pub(crate) starting: FuturesUnordered<Boxed<(Arc<str>, Session)>>,
    pub(crate) ends: FuturesUnordered<Boxed<(Arc<str>, SessionEnd)>>,
    /// Sessions that are to be gone by then, in that order.
    pub(crate) kills: VecDeque<(Instant, Arc<str>)>,

    pub(crate) selection: Selection,
    pub(crate) routes: HashMap<RouteId, Waiting>,
    pub(crate) deliveries: HashMap<String, Delivery>,
    pub(crate) agents: HashSet<String>,
    pub(crate) last_route: u64,
    pub(crate) attempts: u64,

    /// Interactions on their way back.
    pub(crate) leaving: usize,
    /// The shutdown: when everything must be over.
    pub(crate) stopping: Option<Instant>,
    pub(crate) report: ShutdownReport,
}

impl LinkTask {
    /// Opens the link. Needs a tokio runtime.
    pub fn new(
        shared: Arc<Shared>,
        index: usize,
        agents: Agents,
        pulls: mpsc::Receiver<Pull>,
        stop: Stop,
    ) -> Option<LinkTask> {
        let settings = shared.settings.links.get(index)?;
        let options = &shared.settings.options;
        let register = RequestRegisterClient {
            client_name: shared.settings.name.clone(),
            client_type: ClientType::RoutingEngine.into(),
            cluster: shared.settings.cluster.clone(),
            ..Default::default()
        };
        let reconnect = Reconnect { first: options.reconnect_first, max: options.reconnect_max };
        let (link, events) = Link::open(settings.endpoint.clone(), register, reconnect);
        let (turns_sender, turns) = mpsc::channel(TURNS_WAITING);
        Some(LinkTask {
            index,
            server: settings.server.clone(),
            now: tokio::time::Instant::now().into_std(),
            link,
            events,
            client: None,
            pulls,
            turns,
            turns_sender: Arc::new(LinkTurns(turns_sender)),
            stop,
            outgoing: VecDeque::new(),
            sending: None,
            sent: HashMap::new(),
            replies: FuturesUnordered::new(),
            deadlines: BTreeSet::new(),
            last_token: 0,
            held_pulls: Vec::new(),
            sessions: HashMap::new(),
            interactions: HashMap::new(),
            starting: FuturesUnordered::new(),
            ends: FuturesUnordered::new(),
            kills: VecDeque::new(),
            selection: Selection::new(agents),
            routes: HashMap::new(),
            deliveries: HashMap::new(),
            agents: HashSet::new(),
            last_route: 0,
            attempts: 0,
            leaving: 0,
            stopping: None,
            report: ShutdownReport::default(),
            shared,
        })
    }

    /// Runs until the shutdown is done.
    pub async fn run(mut self) -> ShutdownReport {
        loop {
            let step = self.next().await;
            self.now = tokio::time::Instant::now().into_std();
            self.take(step);
            self.selected();
            self.flush();
            self.show();
            if self.is_done() {
                break;
            }
        }
        if let Some(client) = &self.client {
            client.leave().await;
        }
        self.link.close().await;
        self.report
    }

    /// Waits for something to do. Answers come before events, so that an event finds done what was
    /// answered before it; the end of a session comes after its turns (`take`).
    async fn next(&mut self) -> Step {
        let takes_turns = self.takes_turns();
        let wake_at = self.wake_at();
        let sending = async {
            match &mut self.sending {
                Some(sending) => sending.await,
                None => std::future::pending().await,
            }
        };
        let tick = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let stopping = self.stopping.is_some();
        let stop = &mut self.stop;
        let stop = async {
            if !stopping
                && let Ok(grace) = stop.wait_for(Option::is_some).await
                && let Some(grace) = *grace
            {
                return grace;
            }
            // Stopping already, or the node was dropped and with it this task.
            std::future::pending().await
        };
        tokio::select! {
            biased;
            (token, reply) = sending => Step::Sent(token, reply),
            Some((token, answer)) = self.replies.next() => Step::Answer(token, answer),
            grace = stop => Step::Stop(grace),
            event = self.events.recv() => Step::Link(event),
            Some((id, end)) = self.ends.next() => Step::Ended(id, end),
            Some((id, session)) = self.starting.next() => Step::Started(id, session),
            () = tick => Step::Tick,
            Some(pull) = self.pulls.recv() => Step::Pull(pull),
            Some(turn) = self.turns.recv(), if takes_turns => Step::Turn(turn),
        }
    }

    fn takes_turns(&self) -> bool {
        self.outgoing.len() < REQUESTS_WAITING && self.sent.len() < REQUESTS_UNANSWERED
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Answer(token, answer) => self.answered(token, answer),
            Step::Sent(token, reply) => {
                self.sending = None;
                self.under_way(token, reply);
            }
            Step::Link(event) => self.link_event(event),
            Step::Ended(id, end) => {
                // Its last turn was handed over before it ended, so it is among these.
                for _ in 0..TURNS_WAITING {
                    let Ok(turn) = self.turns.try_recv() else { break };
                    self.turn(turn);
                }
                self.ended(&id, end);
            }
            Step::Started(id, session) => self.started(id, session),
            Step::Turn(turn) => self.turn(turn),
            Step::Pull(pull) => self.pull(pull),
            Step::Stop(grace) => self.begin_shutdown(grace),
            Step::Tick => self.tick(),
        }
    }

    // ---- sending ----

    /// Queues a request for this link. `within`: how long its answer may take.
    pub(crate) fn send(&mut self, message: Ask, key: String, purpose: Purpose, within: Option<Duration>) {
        self.last_token += 1;
        let token = self.last_token;
        let deadline = within.and_then(|within| self.now.checked_add(within));
        if let Some(at) = deadline {
            self.deadlines.insert((at, token));
        }
        self.sent.insert(token, Sent { purpose, deadline, late: false });
        self.outgoing.push_back((token, message, key));
    }

    /// Sends what is queued, as far as there is room.
    fn flush(&mut self) {
        while self.sending.is_none() {
            let Some((token, message, key)) = self.outgoing.pop_front() else { return };
            count(&self.shared.counters.requests);
            let Some(client) = self.client.clone() else {
                self.under_way(token, Err(LinkError::Down("there is no connection".into())));
                continue;
            };
            let mut sending: Boxed<(u64, Result<Reply, LinkError>)> =
                Box::pin(async move { (token, client.send(message, key).await) });
            match sending.as_mut().now_or_never() {
                Some((token, reply)) => self.under_way(token, reply),
                None => self.sending = Some(sending),
            }
        }
    }

    fn under_way(&mut self, token: u64, reply: Result<Reply, LinkError>) {
        match reply {
            Err(error) => self.answered(token, Err(error)),
            Ok(reply) => {
                if let Some(Sent { purpose: Purpose::Pull(pull), .. }) = self.sent.get(&token) {
                    self.held_pulls.push((pull.id, reply.reference_id()));
                }
                self.replies.push(Awaiting { token, reply });
            }
        }
    }

    fn answered(&mut self, token: u64, answer: Result<Answer, LinkError>) {
        let Some(Sent { purpose, deadline, late }) = self.sent.remove(&token) else { return };
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, token));
        }
        if late {
            self.late_answer(purpose, answer);
            return;
        }
        match purpose {
            Purpose::Strategy { session, request, then } => self.strategy_answer(&session, request, then, answer),
            Purpose::Pull(pull) => self.pull_answer(pull, answer),
            Purpose::CancelPull => {}
            Purpose::Reporting { with_clean_up } => self.reporting_answer(with_clean_up, answer),
            Purpose::Deliver { interaction } => self.deliver_answer(interaction, answer),
            Purpose::TakeBack { interaction } => self.taken_back(interaction, answer),
            Purpose::Leave { session, interaction, how } => self.leave_answer(session, interaction, how, answer),
            Purpose::CleanUp { interaction, pulled } => self.clean_up_answer(interaction, pulled, answer),
        }
    }

    // ---- the connection ----

    fn link_event(&mut self, event: Option<LinkEvent>) {
        match event {
            Some(LinkEvent::Up(client)) => self.up(client),
            Some(LinkEvent::Down { reason, retry_in }) => {
                tracing::warn!(server = self.server, reason, ?retry_in, "the link to the interaction server is down");
                self.down(&reason);
            }
            None => self.down("the link was closed"),
            Some(LinkEvent::Event(event)) => match event {
                Answer::Delivery(delivery) => self.delivery(delivery),
                Answer::Reporting(event) => self.reporting(event),
                Answer::Revoked(revoked) if revoked.ticket_id == 0 => {
                    self.lost(&revoked.interaction_id, &revoked.reason)
                }
                _ => {}
            },
        }
    }

    fn up(&mut self, client: Client) {
        tracing::info!(server = self.server, "the link to the interaction server is up");
        self.down("a new connection");
        self.client = Some(client);
        if let Some(board) = self.shared.boards.get(self.index) {
            board.up.store(true, Ordering::Relaxed);
            board.set_problem("");
            count(&board.connections);
        }
        self.start_reporting(true);
        if self.stopping.is_none() {
            self.shared.pulls.tell(|pulls| pulls.link_up(self.index));
        }
    }

    /// The server has taken back everything.
    fn down(&mut self, reason: &str) {
        if let Some(board) = self.shared.boards.get(self.index) {
            board.up.store(false, Ordering::Relaxed);
            board.set_problem(reason);
        }
        if self.client.take().is_none() {
            return;
        }
        self.shared.pulls.tell(|pulls| pulls.link_down(self.index));
        self.held_pulls.clear();
        self.agents.clear();
        self.deliveries_lost();
        self.selection.link_down(jackfield_routing::LinkId(self.index));
        self.selected();
        for interaction in self.interactions.keys().cloned().collect::<Vec<_>>() {
            self.lost(&interaction, "the link to the interaction server went down");
        }
        let grace = self.shared.settings.options.shutdown_grace;
        for session in self.sessions.keys().cloned().collect::<Vec<_>>() {
            self.kills.push_back((self.now + grace, session.clone()));
            self.settle(&session);
        }
    }

    fn start_reporting(&mut self, with_clean_up: bool) {
        let queues = if with_clean_up { vec![ORCHESTRATION_SYSTEM.to_owned()] } else { Vec::new() };
        let ask = RequestStartReporting { interactions: with_clean_up, agents: true, queues };
        self.send(Ask::StartReporting(ask), String::new(), Purpose::Reporting { with_clean_up }, None);
    }

    fn reporting_answer(&mut self, with_clean_up: bool, answer: Result<Answer, LinkError>) {
        match answer {
            Ok(Answer::AgentStates(states)) => self.agent_states(states.agents),
            Err(error) if with_clean_up && error.code() == Some(ErrorCode::UnknownQueue) => {
                tracing::warn!(
                    server = self.server,
                    "there is no interaction queue `{ORCHESTRATION_SYSTEM}` on this server; configure it where strategies \
                     send messages without a queue"
                );
                self.start_reporting(false);
            }
            Err(LinkError::Down(_)) => {}
            Err(error) => {
                tracing::error!(server = self.server, %error, "no agent states from this server: nothing can be routed there");
            }
            Ok(_) => tracing::error!(server = self.server, "the answer to a reporting request is no list of agents"),
        }
    }

    // ---- pulls ----

    fn pull(&mut self, pull: Pull) {
        let Some(strategy) = self.shared.strategy(pull.strategy) else { return };
        let ask = RequestPull {
            what: Some(What::Strategy(strategy.name.clone())),
            count: u32::try_from(pull.count).unwrap_or(u32::MAX),
            max_delay_ms: u32::try_from(pull.delay.as_millis()).unwrap_or(u32::MAX).max(1),
            ..Default::default()
        };
        let within = pull.delay.saturating_add(self.shared.settings.options.request_timeout);
        self.send(Ask::Pull(ask), String::new(), Purpose::Pull(pull), Some(within));
    }

    fn pull_answer(&mut self, pull: Pull, answer: Result<Answer, LinkError>) {
        self.held_pulls.retain(|(id, _)| *id != pull.id);
        let error = match answer {
            Ok(Answer::PulledInteractions(pulled)) => return self.pulled(pull, pulled),
            Ok(_) => LinkError::Protocol("the answer to a pull is no list of interactions".into()),
            Err(error) => error,
        };
        let rests = error.code().is_some_and(ErrorCode::rests_pull);
        if !matches!(error, LinkError::Down(_)) {
            let strategy = self.shared.strategy(pull.strategy).map(|strategy| strategy.name.as_str());
            let rest = if rests { self.shared.settings.options.mcr_pull_after_error_timeout } else { Duration::ZERO };
            tracing::warn!(server = self.server, strategy, %error, ?rest, "a pull was refused; it rests, others go on");
        }
        let problem = match &error {
            LinkError::Refused(RequestError { code, name, .. }) => format!("{name} ({code})"),
            error => error.to_string(),
        };
        let chance = rand::random();
        self.shared.pulls.tell(|pulls| pulls.failed(pull.id, self.now, &problem, rests, chance));
    }

    // ---- time ----

    fn wake_at(&self) -> Option<Instant> {
        [
            self.deadlines.first().map(|(at, _)| *at),
            self.selection.next_deadline(),
            self.kills.front().map(|(at, _)| *at),
            self.stopping,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tick(&mut self) {
        while let Some((at, token)) = self.deadlines.first().copied()
            && at <= self.now
        {
            self.deadlines.pop_first();
            if let Some(mut sent) = self.sent.remove(&token) {
                sent.deadline = None;
                sent.late = true;
                self.unanswered(&sent.purpose);
                self.sent.insert(token, sent);
            }
        }
        self.selection.tick(self.now);
        while let Some((at, _)) = self.kills.front()
            && *at <= self.now
        {
            let Some((_, session)) = self.kills.pop_front() else { break };
            let reason =
                if self.stopping.is_some() { "the node is stopping" } else { "it was left with nothing to do" };
            if let Some(running) = self.sessions.get_mut(&session) {
                running.stopping = true;
                running.kill(reason);
            }
        }
    }

    // ---- shutdown ----

    fn begin_shutdown(&mut self, grace: Duration) {
        self.stopping = Some(self.now + grace + GIVE_BACK_WITHIN);
        for (_, pull_reference_id) in std::mem::take(&mut self.held_pulls) {
            let cancel = RequestCancelPull { pull_reference_id };
            self.send(Ask::CancelPull(cancel), String::new(), Purpose::CancelPull, None);
        }
        // Those that were to be gone earlier still are.
        for (id, running) in &mut self.sessions {
            running.stopping = true;
            if running.end.is_none() {
                running.card.set_state(crate::status::SessionState::Stopping);
                running.tell(SessionEvent::StopRequested("the node is stopping".to_owned()));
                self.kills.push_back((self.now + grace, id.clone()));
            }
        }
        let mut kills: Vec<_> = std::mem::take(&mut self.kills).into();
        kills.sort();
        self.kills = kills.into();
    }

    fn is_done(&self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        let at_rest = self.sessions.is_empty() && self.leaving == 0 && self.outgoing.is_empty();
        at_rest || deadline <= self.now
    }
}
