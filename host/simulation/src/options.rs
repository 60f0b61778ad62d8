//! What a seed makes of a simulation: everything that is not decided while it runs.

use std::time::Duration;

use rand::RngExt;

use crate::chance::Generator;

/// All of it follows from the seed; printed where the seed fails.
#[derive(Clone, Debug)]
pub struct Options {
    /// Interactions submitted.
    pub interactions: u64,
    /// Interaction Servers, each with its agents and media servers.
    pub servers: u64,
    /// Nodes, each connected to all servers.
    pub nodes: u64,
    /// How long a request waits for a link that is down.
    pub link_down_timeout: Duration,
    /// Agents at work.
    pub agents: u64,
    /// How long there are faults. Work is submitted meanwhile.
    pub stormy: Duration,
    /// How long the work may take when there are no more faults.
    pub patience: Duration,
    /// Longest way of a frame through the network.
    pub latency: Duration,
    /// Longest commit.
    pub disk: Duration,
    /// Longest time without a node or a server.
    pub outage: Duration,
    /// Longest time a connection carries nothing.
    pub stall: Duration,
    /// Of each commit: that its outcome is not known, and it is done again.
    pub repeated_commits: f64,
    /// Of each way of a frame: that it is held up there, so that other connections' frames overtake it, what
    /// follows it catches up, and among those some overtake others (`order`).
    pub overtaking: f64,
    /// Of each way of a frame to the server: that requests with keys which have no answer yet arrive again
    /// before it, as from somebody in between who lost his own connection.
    pub repeated_requests: f64,
    /// Of each frame that is on its way to the server when the connection breaks: that it arrives all the same,
    /// later, when its client may have asked again.
    pub late_frames: f64,
    /// Instances outlive their turns.
    pub live: bool,
    /// The second queue is pulled by its view (legacy), beside the first, whose strategy is pulled.
    pub legacy: bool,
    /// Of each way of a frame: that a fault strikes there.
    pub strikes_on_the_way: f64,
    /// Of each commit of the journal: that a fault strikes before or after it.
    pub strikes_at_commits: f64,
    /// Faults at moments of their own.
    pub strikes: u64,
    /// How likely the kinds of fault are, in the order of [`Fault`].
    pub weights: [u32; FAULTS.len()],
}

/// What can happen to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node's process dies, and is started again after a while.
    NodeCrash,
    /// A node is suspended, and started again.
    NodeSuspended,
    /// A server's process dies, or its store fails.
    ServerCrash,
    /// A connection of a node breaks.
    NodeCut,
    /// Another client's connection breaks.
    ClientCut,
    /// A connection of a node carries nothing for a while.
    NodeStall,
    /// A server's disk is slow for a while.
    ServerSlow,
    /// A node's disk takes no writes for a while.
    DiskFull,
    /// A node's disk is slow for a while.
    DiskSlow,
    /// The wall clock is set.
    ClockJump,
}

/// Every kind of fault.
pub const FAULTS: [Fault; 10] = [
    Fault::NodeCrash,
    Fault::NodeSuspended,
    Fault::ServerCrash,
    Fault::NodeCut,
    Fault::ClientCut,
    Fault::NodeStall,
    Fault::ServerSlow,
    Fault::DiskFull,
    Fault::DiskSlow,
    Fault::ClockJump,
];

impl Options {
    /// Those of a seed.
    pub(crate) fn of(generator: &mut Generator) -> Options {
        let mut weights = [0; FAULTS.len()];
        for weight in &mut weights {
            // Some seeds know only some kinds: those would drown among the others.
            *weight = if generator.random_bool(0.5) { generator.random_range(1..=4) } else { 0 };
        }
        let storms = generator.random_bool(0.95);
        let rarely =
            |generator: &mut Generator, most: f64| if storms { generator.random_range(0.0..most) } else { 0.0 };
        Options {
            interactions: generator.random_range(1..=10),
            servers: generator.random_range(1..=2),
            nodes: generator.random_range(1..=2),
            link_down_timeout: Duration::from_secs(if generator.random_bool(0.3) { 10 } else { 300 }),
            agents: generator.random_range(1..=3),
            stormy: Duration::from_secs(generator.random_range(5..=40)),
            patience: Duration::from_secs(300),
            latency: Duration::from_millis(generator.random_range(1..=60)),
            disk: Duration::from_millis(generator.random_range(1..=20)),
            outage: Duration::from_secs(if generator.random_bool(0.2) { 90 } else { 8 }),
            stall: Duration::from_secs(if generator.random_bool(0.2) { 90 } else { 8 }),
            repeated_commits: rarely(generator, 0.2),
            overtaking: rarely(generator, 0.6),
            repeated_requests: rarely(generator, 0.4),
            late_frames: rarely(generator, 1.0),
            live: generator.random_bool(0.5),
            legacy: generator.random_bool(0.3),
            strikes_on_the_way: rarely(generator, 0.02),
            strikes_at_commits: rarely(generator, 0.05),
            strikes: if storms { generator.random_range(0..=6) } else { 0 },
            weights,
        }
    }
}
