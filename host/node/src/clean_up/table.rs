//! What this node takes out of `orchestration_system`, and when: pure logic over injected time.
//!
//! An interaction there belongs to the node that its owner key names (reference page, *ORSI*). What names this
//! node is pulled by its id at once, and stopped. What names another node of this cluster is left alone for a
//! while, in which its owner would have taken it, and then taken in that one's place. Nobody is asked whether an
//! owner is gone, and no two nodes agree on who steps in: the pull by the id is the arbiter, whoever gets the
//! interaction stops it. What names another cluster, or nobody, is never touched.
//!
//! The queue is looked into when the link comes up, when something may be there that no event told of, and every
//! so often; events tell of the rest. What is known is forgotten with the connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jackfield_protocol::v1::key_value::Value;
use jackfield_protocol::v1::{Interaction, KeyValueList};
use jackfield_protocol::{ORCHESTRATION_SYSTEM, OWNER_KEY_PREFIX};

/// Interactions that are known at once; others are found when the queue is looked into again.
const KNOWN: usize = 10_000;
/// Pulls and stops under way at once.
const AT_ONCE: usize = 64;
/// First pause before the queue is looked into because something did not go as it should; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest such pause.
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// Whose an interaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This node's.
    Ours,
    /// Another node's, of this cluster.
    Another,
}

/// What is to be asked of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What is in the queue, from the first after this id.
    Find { after: String },
    /// This one.
    Pull { interaction: String },
    /// That it is discarded; it was pulled.
    Stop { interaction: String },
}

/// How a stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// As it should.
    Done,
    /// The interaction is not with us any more.
    NotOurs,
    /// It may be tried again.
    Later,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is pulled, or, when it was pulled, stopped at this time.
    Due(Instant),
    UnderWay,
}

#[derive(Debug)]
struct Entry {
    whose: Whose,
    pulled: bool,
    state: State,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Table {
    cluster: String,
    node: String,
    entries: BTreeMap<String, Entry>,
    /// Those that are due at a time, in that order.
    due: BTreeSet<(Instant, String)>,
    under_way: usize,
    is_up: bool,
    /// A look into the queue is under way.
    looking: bool,
    /// When the next one is due.
    look_at: Option<Instant>,
    pause: Duration,
    /// Something did not go as it should since the last look: for all of that the pause doubles once.
    has_doubled: bool,
}

impl Table {
    /// Of the node of this name, in this cluster (empty: none). There is no connection.
    pub fn new(cluster: &str, node: &str) -> Table {
        Table {
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            under_way: 0,
            is_up: false,
            looking: false,
            look_at: None,
            pause: PAUSE_FIRST,
            has_doubled: false,
        }
    }

    /// There is a connection, on which the queue's events are heard from here on.
    pub fn link_up(&mut self, now: Instant) {
        self.link_down();
        self.is_up = true;
        self.look_at = Some(now);
    }

    /// What was asked is never answered, and what is in the queue is not known any more.
    pub fn link_down(&mut self) {
        self.entries.clear();
        self.due.clear();
        self.under_way = 0;
        self.is_up = false;
        self.looking = false;
        self.look_at = None;
        self.pause = PAUSE_FIRST;
        self.has_doubled = false;
    }

    /// What is to be asked now. It is under way, as far as this is concerned.
    pub fn next(&mut self, now: Instant) -> Option<Asked> {
        if !self.looking && self.look_at.is_some_and(|at| at <= now) {
            self.looking = true;
            self.look_at = None;
            self.has_doubled = false;
            return Some(Asked::Find { after: String::new() });
        }
        if self.under_way >= AT_ONCE || self.due.first().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, interaction) = self.due.pop_first()?;
        let entry = self.entries.get_mut(&interaction)?;
        entry.state = State::UnderWay;
        self.under_way += 1;
        Some(if entry.pulled { Asked::Stop { interaction } } else { Asked::Pull { interaction } })
    }

    /// When [`next`](Self::next) has something though nothing comes in.
    pub fn wake_at(&self) -> Option<Instant> {
        let look = self.look_at.filter(|_| !self.looking);
        let due = self.due.first().map(|(at, _)| *at).filter(|_| self.under_way < AT_ONCE);
        [look, due].into_iter().flatten().min()
    }

    // ---- what is heard ----

    /// It is in the queue, with this user data. `take_over`: how long other nodes' are left alone.
    pub fn seen(&mut self, now: Instant, interaction: &str, data: &KeyValueList, take_over: Duration) {
        let Some(whose) = self.whose(data) else { return };
        if self.entries.contains_key(interaction) {
            return;
        }
        if self.entries.len() >= KNOWN {
            if whose == Whose::Ours {
                self.look_soon(now);
            }
            return;
        }
        let at = match whose {
            Whose::Ours => now,
            Whose::Another => now.checked_add(take_over).unwrap_or(now),
        };
        self.entries.insert(interaction.to_owned(), Entry { whose, pulled: false, state: State::Due(at) });
        self.due.insert((at, interaction.to_owned()));
    }

    /// Somebody has taken it. Where we have asked for it ourselves, the answer says who.
    pub fn taken(&mut self, interaction: &str) {
        if let Some(Entry { pulled: false, state: State::Due(at), .. }) = self.entries.get(interaction) {
            self.due.remove(&(*at, interaction.to_owned()));
            self.entries.remove(interaction);
        }
    }

    /// Something is in the queue that nobody tells the user data of.
    pub fn look_soon(&mut self, now: Instant) {
        self.look_within(now, self.pause);
    }

    // ---- answers ----

    /// A page of what is in the queue. Returns the id after which the next one begins, where there is one.
    pub fn found(&mut self, now: Instant, page: &[Interaction], more: bool, take_over: Duration) -> Option<String> {
        for interaction in page.iter().filter(|interaction| interaction.queue == ORCHESTRATION_SYSTEM) {
            let data = interaction.user_data.as_ref();
            if let Some(data) = data {
                self.seen(now, &interaction.interaction_id, data, take_over);
            }
        }
        if let Some(last) = page.last().filter(|_| more) {
            return Some(last.interaction_id.clone());
        }
        self.looked(now, take_over);
        None
    }

    /// The queue could not be looked into.
    pub fn not_found(&mut self, now: Instant) {
        let pause = self.pause_and_double();
        self.looked(now, pause);
    }

    /// The look is over; the next one is after this time, unless something asks for one before.
    fn looked(&mut self, now: Instant, next: Duration) {
        self.looking = false;
        self.look_within(now, next.max(PAUSE_FIRST));
    }

    fn look_within(&mut self, now: Instant, pause: Duration) {
        if self.is_up {
            let at = now.checked_add(pause).unwrap_or(now);
            self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
        }
    }

    /// A pull was answered; `is_ours`: with the interaction.
    pub fn pulled(&mut self, now: Instant, interaction: &str, is_ours: bool) {
        let Some(entry) = self.entries.get_mut(interaction).filter(|entry| !entry.pulled) else { return };
        self.under_way = self.under_way.saturating_sub(1);
        if is_ours {
            entry.pulled = true;
            entry.state = State::Due(now);
            self.due.insert((now, interaction.to_owned()));
        } else {
            // Somebody was faster, or the server gives it to nobody at this moment.
            self.entries.remove(interaction);
            self.pause_and_look(now);
        }
    }

    /// A stop was answered. Returns whose it was, when it is gone by our doing.
    pub fn stopped(&mut self, now: Instant, interaction: &str, stopped: Stopped) -> Option<Whose> {
        let entry = self.entries.get_mut(interaction).filter(|entry| entry.pulled)?;
        self.under_way = self.under_way.saturating_sub(1);
        if stopped == Stopped::Later {
            let at = now.checked_add(PAUSE_FIRST).unwrap_or(now);
            entry.state = State::Due(at);
            self.due.insert((at, interaction.to_owned()));
            return None;
        }
        let whose = entry.whose;
        self.entries.remove(interaction);
        if stopped == Stopped::NotOurs {
            self.pause_and_look(now);
            return None;
        }
        self.pause = PAUSE_FIRST;
        Some(whose)
    }

    fn pause_and_look(&mut self, now: Instant) {
        self.look_soon(now);
        if !std::mem::replace(&mut self.has_doubled, true) {
            self.pause_and_double();
        }
    }

    fn pause_and_double(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (2 * pause).min(PAUSE_MOST);
        pause
    }

    /// By the owner keys of this cluster; none: it is none of this cluster's.
    fn whose(&self, data: &KeyValueList) -> Option<Whose> {
        let owners = data.pairs.iter().filter_map(|pair| {
            let of_cluster = pair.key.strip_prefix(OWNER_KEY_PREFIX)?.strip_prefix(self.cluster.as_str())?;
            match &pair.value {
                Some(Value::List(owner)) if of_cluster.starts_with(':') => owner.text("Node"),
                _ => None,
            }
        });
        let mut whose = None;
        for node in owners {
            if node == self.node {
                return Some(Whose::Ours);
            }
            whose = Some(Whose::Another);
        }
        whose
    }
}
