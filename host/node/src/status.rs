//! What a node tells about itself: plain data, made to be printed or sent as JSON.

use serde::Serialize;

/// A node at one moment. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Application name of the node.
    pub name: String,
    /// Its cluster; empty: none.
    pub cluster: String,
    /// When it started.
    pub started_at: u64,
    /// Whether it takes work: false from the beginning of a shutdown.
    pub pulling: bool,
    /// Its links, in the order of the configuration.
    pub links: Vec<LinkStatus>,
    /// One entry for each link and strategy.
    pub pulls: Vec<PullStatus>,
    /// Running sessions, the oldest first.
    pub sessions: Vec<SessionStatus>,
    /// Where sessions are recorded; none: nowhere.
    pub journal: Option<JournalStatus>,
    /// What has happened since it started.
    pub counters: CounterStatus,
}

/// The journal of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalStatus {
    /// Why it does not record at this moment; empty: it does.
    pub problem: String,
    /// Sessions the node found in it when it started, and goes on with.
    pub recovered: u64,
    /// Turns recorded since the node started.
    pub turns: u64,
}

/// A connection to one Interaction Server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// Application name of the Interaction Server.
    pub server: String,
    /// Whether it is up.
    pub up: bool,
    /// Times it came up since the node started.
    pub connections: u64,
    /// Why it is down; empty while it is up.
    pub problem: String,
    /// Interactions the node holds from this server.
    pub interactions: usize,
    /// Interactions that wait for a target.
    pub waiting_for_target: usize,
    /// Agents known on this server.
    pub agents: usize,
}

/// What one strategy's pull on one link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PullState {
    /// The link is down.
    LinkDown,
    /// The plugin of the strategy is not there.
    NoPlugin,
    /// The strategy is switched off.
    Disabled,
    /// A pull is held open at the server.
    Pulling,
    /// Waits for sessions to end: the node, or the strategy, has as many as it may.
    Full,
    /// Rests after an error of the server.
    Resting,
    /// The journal does not record: what is pulled could not go on.
    JournalDown,
    /// The node is stopping.
    Stopped,
}

/// One strategy on one link.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PullStatus {
    /// Application name of the Interaction Server.
    pub server: String,
    /// Name of the strategy.
    pub strategy: String,
    /// What it is doing.
    pub state: PullState,
    /// Interactions the held pull asks for; 0: none is held.
    pub asked: usize,
    /// Milliseconds until a rest ends; 0: it does not rest.
    pub rest_ms: u64,
    /// The error it rests for, or what is wrong with the journal; empty: none.
    pub problem: String,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It runs, or waits for an event.
    Running,
    /// It was asked to end.
    Stopping,
    /// Its program has ended; what it held is being given back.
    Ending,
}

/// A running session.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// Its id.
    pub id: String,
    /// The strategy it runs.
    pub strategy: String,
    /// Name of the plugin that runs it.
    pub plugin: String,
    /// Version of that plugin.
    pub plugin_version: String,
    /// The interaction it was started for.
    pub interaction: String,
    /// Application name of the Interaction Server the interaction came from.
    pub server: String,
    /// When it started.
    pub started_at: u64,
    /// Turns so far.
    pub turns: u64,
    /// What it waits for, for people: `event`, `target (Billing >= 5)`, `answer to place-in-queue`.
    pub waits_for: String,
    /// When it goes on without an event: its next timer, or the end of its wait.
    pub due_at: Option<u64>,
    /// What it is doing.
    pub state: SessionState,
}

/// Counts since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterStatus {
    /// Interactions pulled.
    pub pulled: u64,
    /// Sessions that ran to their end.
    pub finished: u64,
    /// Sessions that failed: trap, limit, error, or an end with the interaction still in hand.
    pub failed: u64,
    /// Sessions the node ended: at a shutdown, or because they could not be recorded or rebuilt.
    pub ended_by_node: u64,
    /// Interactions given back to their queue.
    pub given_back: u64,
    /// Interactions put into the poison queue.
    pub poisoned: u64,
    /// Interactions delivered to agents.
    pub delivered: u64,
    /// Invitations that were rejected, or not answered.
    pub not_accepted: u64,
    /// Requests sent to Interaction Servers.
    pub requests: u64,
    /// Interactions cleaned up from `orchestration_system`.
    pub cleaned_up: u64,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownReport {
    /// Sessions that ended by themselves within the grace time.
    pub finished: u64,
    /// Sessions that were ended because the grace time was over.
    pub killed: u64,
    /// Interactions given back to their queues.
    pub given_back: u64,
    /// Sessions that go on when the node is started again.
    pub suspended: u64,
}
