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
//! How it ends: at a shutdown, when all sessions are gone and what they held was given back; when the node
//! is suspended, with its sessions in the journal and their interactions kept by the server; or when it is
//! dropped, which is the same without a last commit.

mod connection;
mod pulls;
mod sending;
mod waits;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jackfield_link::{Client, Link, LinkError, LinkEvent, Reply};
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{ClientType, RequestCancelPull, RequestRegisterClient};
use jackfield_routing::RouteId;
use jackfield_strategy::{SessionEvent, Turn};
use tokio::sync::{mpsc, watch};

use self::sending::{Awaiting, Sent};
use self::waits::LinkWaits;
pub(crate) use self::waits::Overdue;
use crate::by_id::ById;
use crate::clean_up::Table as CleanUp;
use crate::fetches::{Fetched, Fetches};
use crate::held::Names;
use crate::live::Live;
use crate::pulling::{Pull, PullId};
use crate::reclaim::Phase;
use crate::recording::{TURNS_WAITING, Way};
use crate::requests::Purpose;
use crate::selections::SharedSelection;
use crate::services::Services;
use crate::sessions::{Boxed, Running};
use crate::shared::Shared;
use crate::status::{SessionState, ShutdownReport};
use crate::targets::{Delivery, QueueLengths, Waiting};
use crate::virtual_queues::Reports;

/// How long a shutdown waits, after the grace time, for the server to take back what was left.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What everybody is told when the node stops, once.
pub(crate) type Stop = watch::Receiver<Option<Stopping>>;

/// How the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Sessions are asked to end, and have so much time for it.
    Drain(Duration),
    /// Sessions go on at the next start; what is under way may take so long.
    Suspend(Duration),
}

/// What the link task waits for.
enum Step {
    Answer(u64, Result<Answer, LinkError>),
    Sent(u64, Result<Reply, LinkError>),
    Link(Option<LinkEvent>),
    /// These sessions have ended.
    Over(Vec<Arc<str>>),
    Recorded,
    Turn(Turn),
    Fetched(Fetched),
    Pull(Pull),
    Configured,
    Stop(Stopping),
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
    /// Nothing comes of this link any more.
    is_closed: bool,
    /// When another is opened in its place.
    open_again_at: Option<Instant>,
    /// How far the link has come since it is up.
    pub(crate) phase: Phase,
    /// Who is logged in was asked, and not answered yet.
    pub(crate) asked_agents: bool,
    pulls: mpsc::Receiver<Pull>,
    turns: mpsc::Receiver<Turn>,
    pub(crate) way: Arc<Way>,
    stop: Stop,
    configured: watch::Receiver<Arc<Live>>,

    outgoing: VecDeque<(u64, Ask, String)>,
    sending: Option<Boxed<(u64, Result<Reply, LinkError>)>>,
    sent: HashMap<u64, Sent>,
    replies: FuturesUnordered<Awaiting>,
    deadlines: BTreeSet<(Instant, u64)>,
    last_token: u64,
    /// Requests to servers behind the Interaction Server.
    pub(crate) services: Services,
    /// HTTP requests.
    pub(crate) fetches: Fetches,
    /// Requests that wait for the link.
    pub(crate) link_waits: LinkWaits,
    /// What is in `orchestration_system`.
    pub(crate) clean_up: CleanUp,
    /// Held pulls and the reference ids they were sent with.
    pub(crate) held_pulls: Vec<(PullId, u64)>,

    pub(crate) sessions: ById<Box<Running>>,
    /// Affinity: the session of each interaction held.
    pub(crate) interactions: HashMap<Arc<str>, Arc<str>>,
    /// Those of them that came anew before the revocation of the time before.
    pub(crate) overtaken: HashSet<String>,
    /// Ends of sessions on their way to the journal.
    pub(crate) recordings: FuturesUnordered<Boxed<()>>,
    /// One copy of each name of a queue or media type.
    pub(crate) names: Names,
    /// Sessions that are to be gone by then, in that order.
    pub(crate) kills: VecDeque<(Instant, Arc<str>)>,

    pub(crate) selection: SharedSelection,
    pub(crate) routes: HashMap<RouteId, Waiting>,
    pub(crate) deliveries: HashMap<String, Delivery>,
    pub(crate) agents: HashSet<String>,
    /// Waits in virtual queues, told to reporting.
    pub(crate) reports: Reports,
    pub(crate) queue_lengths: QueueLengths,
    pub(crate) last_route: u64,
    pub(crate) attempts: u64,
    /// Interactions that a request whose time is over may still send away: nothing more is asked about them
    /// before its answer has come, because they may be somebody else's by then.
    pub(crate) late: HashSet<String>,
    /// Number of the last delivery.
    pub(crate) last_delivery: u64,

    /// Interactions on their way back.
    pub(crate) leaving: usize,
    /// Pulls that were cancelled, and whose last answers may still bring something.
    pub(crate) cancelling: usize,
    /// The shutdown: when everything must be over.
    pub(crate) stopping: Option<Instant>,
    /// Its sessions go on at the next start.
    pub(crate) suspending: bool,
    pub(crate) report: ShutdownReport,
}

/// Begins to connect.
fn open(shared: &Shared, index: usize) -> Option<(Link, mpsc::Receiver<LinkEvent>)> {
    let settings = shared.settings.links.get(index)?;
    let register = RequestRegisterClient {
        client_name: shared.settings.name.clone(),
        client_type: ClientType::RoutingEngine.into(),
        cluster: shared.settings.cluster.clone(),
        ..Default::default()
    };
    Some(Link::open(settings.endpoint.clone(), register, shared.live().reconnect()))
}

impl LinkTask {
    /// Opens the link. Needs a tokio runtime.
    pub fn new(
        shared: Arc<Shared>,
        index: usize,
        pulls: mpsc::Receiver<Pull>,
        (way, turns): (Arc<Way>, mpsc::Receiver<Turn>),
        stop: Stop,
    ) -> Option<LinkTask> {
        let (link, events) = open(&shared, index)?;
        let configured = shared.live.subscribe();
        let selection = shared.selections.get(index)?.clone();
        Some(LinkTask {
            index,
            server: shared.settings.links.get(index)?.server.clone(),
            now: tokio::time::Instant::now().into_std(),
            link,
            events,
            client: None,
            is_closed: false,
            open_again_at: None,
            phase: Phase::Down,
            asked_agents: false,
            pulls,
            turns,
            way,
            stop,
            configured,
            outgoing: VecDeque::new(),
            sending: None,
            sent: HashMap::new(),
            replies: FuturesUnordered::new(),
            deadlines: BTreeSet::new(),
            last_token: 0,
            services: Services::default(),
            fetches: Fetches::default(),
            link_waits: LinkWaits::default(),
            clean_up: CleanUp::new(&shared.settings.cluster, &shared.settings.name),
            held_pulls: Vec::new(),
            sessions: ById::default(),
            interactions: HashMap::new(),
            overtaken: HashSet::new(),
            recordings: FuturesUnordered::new(),
            names: Names::default(),
            kills: VecDeque::new(),
            selection,
            routes: HashMap::new(),
            deliveries: HashMap::new(),
            agents: HashSet::new(),
            reports: Reports::default(),
            queue_lengths: QueueLengths::default(),
            last_route: 0,
            attempts: 0,
            late: HashSet::new(),
            last_delivery: 0,
            leaving: 0,
            cancelling: 0,
            stopping: None,
            suspending: false,
            report: ShutdownReport::default(),
            shared,
        })
    }

    /// Runs until the shutdown is done.
    pub async fn run(mut self) -> ShutdownReport {
        self.link_waits.begin(self.now);
        loop {
            let step = self.next().await;
            self.now = tokio::time::Instant::now().into_std();
            self.take(step);
            self.go_on();
            self.selected();
            self.clean_up();
            self.flush();
            self.show();
            if self.is_done() {
                break;
            }
        }
        for running in self.sessions.values() {
            self.shared.directory.remove(&running.card.id);
        }
        // One that does not take its leave finds what it held when it comes back.
        if let Some(client) = self.client.as_ref().filter(|_| !self.suspending) {
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
                && let Some(stopping) = *grace
            {
                return stopping;
            }
            // Stopping already, or the node was dropped and with it this task.
            std::future::pending().await
        };
        tokio::select! {
            biased;
            (token, reply) = sending => Step::Sent(token, reply),
            Some((token, answer)) = self.replies.next() => Step::Answer(token, answer),
            grace = stop => Step::Stop(grace),
            event = self.events.recv(), if !self.is_closed => Step::Link(event),
            ended = self.way.ended() => Step::Over(ended),
            Some(()) = self.recordings.next() => Step::Recorded,
            () = tick => Step::Tick,
            fetched = self.fetches.next() => Step::Fetched(fetched),
            Ok(()) = self.configured.changed() => Step::Configured,
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
            Step::Link(event) => {
                if matches!(event, Some(LinkEvent::Event(_))) {
                    self.answers_first();
                }
                self.link_event(event);
            }
            Step::Over(sessions) => {
                self.last_turns();
                self.over(sessions);
            }
            Step::Recorded => {}
            Step::Turn(turn) => self.turn(turn),
            Step::Fetched(fetched) => self.fetched(fetched),
            Step::Pull(pull) => self.pull(pull),
            Step::Configured => {
                let live = self.configured.borrow_and_update().clone();
                self.link.set_reconnect(live.reconnect());
                self.selection().set_directory(self.now, live.directory());
            }
            Step::Stop(Stopping::Drain(grace)) => self.begin_shutdown(grace),
            Step::Stop(Stopping::Suspend(grace)) => self.begin_suspension(grace),
            Step::Tick => self.tick(),
        }
    }

    /// The last turn of a session is handed over before it ends, so it is among these.
    fn last_turns(&mut self) {
        for _ in 0..TURNS_WAITING {
            let Ok(turn) = self.turns.try_recv() else { break };
            self.turn(turn);
        }
    }

    /// An event and an answer that was sent before it may come between two looks at what has come: the
    /// answer goes first. A list of agents must not take the place of what was heard of them since.
    fn answers_first(&mut self) {
        while let Some(Some((token, answer))) = self.replies.next().now_or_never() {
            self.answered(token, answer);
        }
    }

    // ---- time ----

    fn wake_at(&self) -> Option<Instant> {
        // Asked by itself, because the others ask it too.
        let selection = self.selection().next_deadline();
        [
            self.deadlines.first().map(|(at, _)| *at),
            selection,
            self.kills.front().map(|(at, _)| *at),
            self.go_on_at(),
            self.services.next(),
            self.clean_up_at(),
            self.queue_lengths_at(),
            self.link_waits_until(),
            self.open_again_at,
            self.stopping,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tick(&mut self) {
        self.expire();
        self.selection().tick(self.now);
        self.ask_queue_lengths();
        self.ask_services_again();
        self.give_up_waiting();
        self.open_again();
        while let Some((at, _)) = self.kills.front()
            && *at <= self.now
        {
            let Some((_, session)) = self.kills.pop_front() else { break };
            if let Some(running) = self.sessions.get_mut(&session) {
                running.stopping = true;
                running.kill("the node is stopping");
            }
        }
    }

    // ---- shutdown ----

    fn begin_shutdown(&mut self, grace: Duration) {
        self.stopping = Some(self.now + grace + GIVE_BACK_WITHIN);
        self.cancel_pulls();
        for running in self.sessions.values_mut() {
            running.stopping = true;
            if running.end.is_none() {
                running.card.set_state(SessionState::Stopping);
                running.tell(SessionEvent::StopRequested("the node is stopping".to_owned()));
                self.kills.push_back((self.now + grace, running.card.id.clone()));
            }
        }
    }

    /// A session that waits is stopped where it is; a turn that runs is left aside, and begins again when
    /// the session goes on; a turn that is being recorded still is.
    fn begin_suspension(&mut self, grace: Duration) {
        self.stopping = Some(self.now + grace);
        self.suspending = true;
        self.cancel_pulls();
        let mut ended = Vec::new();
        for running in self.sessions.values() {
            if running.end.is_none() {
                running.kill("the node is suspended");
            } else {
                ended.push(running.card.id.clone());
            }
        }
        // What these left behind is given back after the next start.
        for id in ended {
            self.leave_for_later(&id);
        }
    }

    fn cancel_pulls(&mut self) {
        for (_, pull_reference_id) in std::mem::take(&mut self.held_pulls) {
            let cancel = RequestCancelPull { pull_reference_id };
            self.cancelling += 1;
            self.send(Ask::CancelPull(cancel), String::new(), Purpose::CancelPull, None);
        }
    }

    fn is_done(&self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        if deadline <= self.now {
            return true;
        }
        // Without a connection nothing can be given back.
        let no_sessions = match self.phase {
            Phase::Down => self.sessions.values().all(|running| running.end.is_some()),
            _ => self.sessions.is_empty(),
        };
        no_sessions
            && self.leaving == 0
            && self.outgoing.is_empty()
            && self.recordings.is_empty()
            && self.cancelling == 0
    }
}
