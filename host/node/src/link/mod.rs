//! The link task: owns one connection to an Interaction Server and everything that came over it.
//!
//! It is the only one who knows the sessions, deliveries and waits of its link, so nothing in it is
//! locked. It never waits for a session, and waits for the server only when the send buffer is full;
//! then it goes on reading answers and events, and takes no more turns, which holds back those
//! sessions that ask for more. What one step sends leaves in that order.
//!
//! Its parts: what it sends and the answers to that (`sending`), the connection and what comes over it
//! unasked (`connection`), its pulls (`pulls`); this file waits, and hands on.
//!
//! How it ends: at a shutdown, when all sessions are gone and what they held was given back; or when
//! it is dropped, and the server takes back everything.

mod connection;
mod pulls;
mod sending;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jackfield_link::{Client, Link, LinkError, LinkEvent, Reconnect, Reply};
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{ClientType, RequestCancelPull, RequestRegisterClient};
use jackfield_routing::{Directory as Agents, RouteId, Selection};
use jackfield_strategy::{Session, SessionEnd, SessionEvent, Turn, TurnError, Turns};
use tokio::sync::{mpsc, watch};

use self::sending::{Awaiting, Sent};
use crate::pulling::{Pull, PullId};
use crate::requests::Purpose;
use crate::sessions::{Boxed, Running};
use crate::shared::Shared;
use crate::status::ShutdownReport;
use crate::targets::{Delivery, Waiting};

/// Turns of sessions that wait for the link task.
const TURNS_WAITING: usize = 256;
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
    /// Those of them that came anew before the revocation of the time before.
    pub(crate) overtaken: HashSet<String>,
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
            overtaken: HashSet::new(),
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
        self.expire();
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
