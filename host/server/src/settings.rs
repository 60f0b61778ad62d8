//! What an Interaction Server is told about its site: the configuration objects it works with.
//!
//! Plain data, made by whoever reads the configuration. Names are unique within their kind.

use std::time::Duration;

/// Everything one server needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Application name of this server; also the seed of its interaction ids.
    pub name: String,
    /// The tenant it serves.
    pub tenant_id: u32,
    /// Media types it takes; an empty list takes any.
    pub media_types: Vec<MediaType>,
    /// Interaction queues.
    pub queues: Vec<Queue>,
    /// Views over them.
    pub views: Vec<View>,
    /// What joins views to strategies.
    pub submitters: Vec<Submitter>,
    /// Routing scripts.
    pub strategies: Vec<Strategy>,
    /// Names of workbin types.
    pub workbins: Vec<String>,
    /// Agents who may log in; an empty list lets anybody.
    pub agents: Vec<Agent>,
    /// Places they may log in at; an empty list allows any.
    pub places: Vec<String>,
    /// User data that views may use, as properties of their own.
    pub custom_properties: Vec<CustomProperty>,
    /// Clocks.
    pub timers: Timers,
    /// Bounds.
    pub limits: Limits,
}

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Its name, such as `email`.
    pub name: String,
    /// Idle time of an agent application for interactions of this media type: goes before
    /// [`Timers::handling_timeout`], and after user data key `handling-timeout` (minutes). 1 to 1,440 min.
    pub handling_timeout: Option<Duration>,
}

/// An interaction queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
}

/// A view: which interactions of a queue, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The queue it looks at.
    pub queue: String,
    /// SQL-like text over system properties and custom properties; empty: all.
    pub condition: String,
    /// SQL-like text; empty: `received_at, id`, after the priority of the interaction.
    pub order: String,
}

/// An Interaction Submitter: joins one view to one strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitter {
    /// Its name.
    pub name: String,
    /// The view it takes from.
    pub view: String,
    /// The strategy it submits to.
    pub strategy: String,
    /// Larger is served first; default 0.
    pub priority: i32,
    /// Interactions with routers on its account at once; 0: no limit.
    pub max_interactions: u32,
    /// Only routers of this cluster may pull it; none: all.
    pub cluster_id: Option<String>,
}

/// A routing script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Its name.
    pub name: String,
    /// A pull for a disabled one gets error 109.
    pub enabled: bool,
    /// Interactions with routers on its account at once, over all its submitters; 0: no limit.
    pub max_interactions: u32,
}

/// An agent who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Employee id.
    pub id: String,
    /// Interactions at once for each media type; media not listed: 1.
    pub capacity: Vec<(String, u32)>,
}

/// User data raised to a property that view conditions and orders may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomProperty {
    /// Its name in conditions: `[A-Za-z_][A-Za-z0-9_]*`, not the name of a system property.
    pub name: String,
    /// The user data key its value is copied from.
    pub key: String,
    /// What it holds.
    pub kind: PropertyKind,
}

/// What a custom property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    /// Text.
    Text,
    /// A 32-bit integer; text that reads as one counts.
    Integer,
}

/// Clocks of a server (reference page, *Limits and timers*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Time with a router since its last request. Default 720 min, 20 to 525,600.
    pub routing_timeout: Duration,
    /// Idle time of an agent application, where its media type has none. Default 180 min, 1 to 1,440.
    pub handling_timeout: Duration,
    /// Time to accept an invitation. Default 30 s, 1 to 86,400.
    pub delivering_timeout: Duration,
    /// Longest a pull by strategy is held. Default 10 s, 1 to 600.
    pub max_pull_delay: Duration,
    /// How long an idempotency key is remembered. Default 24 h, 1 h to 30 days.
    pub idempotency_retention: Duration,
    /// A connection that has not registered by then is closed. Default 10 s.
    pub registration_timeout: Duration,
    /// How long what a routing engine held when its connection broke is kept for the routing engine of
    /// that name. Default 30 s, 0 to 3,600; 0 keeps nothing.
    pub reclaim_window: Duration,
    /// How long pulls find nothing after a start with interactions in the store, so that routers which
    /// come back can reclaim first. Default 2 s, 0 to 60; 0 for no such pause.
    pub reclaim_window_at_start: Duration,
    /// How long recent reporting events are kept after the last resumable client went. Default 10 min,
    /// 0 to 1,440; 0 forgets them at once.
    pub reporting_window: Duration,
}

/// Bounds of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Clients at once. Default 1,000.
    pub clients: usize,
    /// Requests of one client that wait for the disk. Default 4,096. Reading from it pauses there.
    pub requests_in_flight: usize,
    /// Events waiting to be sent to one client; one that does not read them is cut off. Default 65,536.
    pub events_waiting: usize,
    /// Bytes of interaction bodies kept in memory; the others are read when pulled. Default 64 MiB.
    pub body_cache_bytes: usize,
    /// Recent reporting events kept for clients that come back; never more than half of what may wait for
    /// one client. Default 16,384; 0 keeps none.
    pub reporting_events: usize,
    /// Bytes of them. Default 16 MiB.
    pub reporting_bytes: usize,
}

impl Settings {
    /// These settings with what a running server can take over from `new`: timers, media types, workbins, agents,
    /// places; and of strategies and submitters that are there already, whether they are enabled, their limits,
    /// priority and cluster. The others need a server that is opened anew.
    pub fn changed(&self, new: &Settings) -> Settings {
        let mut changed = Settings {
            media_types: new.media_types.clone(),
            workbins: new.workbins.clone(),
            agents: new.agents.clone(),
            places: new.places.clone(),
            timers: new.timers,
            ..self.clone()
        };
        for strategy in &mut changed.strategies {
            if let Some(new) = new.strategies.iter().find(|new| new.name == strategy.name) {
                strategy.clone_from(new);
            }
        }
        for submitter in &mut changed.submitters {
            if let Some(new) = new.submitters.iter().find(|new| new.name == submitter.name) {
                submitter.priority = new.priority;
                submitter.max_interactions = new.max_interactions;
                submitter.cluster_id.clone_from(&new.cluster_id);
            }
        }
        changed
    }
}

impl Default for Timers {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Timers {
            routing_timeout: Duration::from_secs(720 * MINUTE),
            handling_timeout: Duration::from_secs(180 * MINUTE),
            delivering_timeout: Duration::from_secs(30),
            max_pull_delay: Duration::from_secs(10),
            idempotency_retention: Duration::from_secs(24 * 60 * MINUTE),
            registration_timeout: Duration::from_secs(10),
            reclaim_window: Duration::from_secs(30),
            reclaim_window_at_start: Duration::from_secs(2),
            reporting_window: Duration::from_secs(10 * MINUTE),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            clients: 1_000,
            requests_in_flight: 4_096,
            events_waiting: 65_536,
            body_cache_bytes: 64 << 20,
            reporting_events: 16_384,
            reporting_bytes: 16 << 20,
        }
    }
}
