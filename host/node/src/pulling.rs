//! The pull scheduler: which strategy may be pulled from which Interaction Server, how much, and when.
//!
//! Pure logic over injected time; who asks it is `pulls`. For each (link, strategy) at most one pull
//! is held open. A pull reserves room for what it asks, so that the node never gets more than it can
//! take:
//!
//! * sessions + what held pulls ask for ≤ the node's sessions, and the same for each strategy, and for all
//!   strategies together that run one plugin;
//! * strategies whose sessions misbehave again and again have half of the node's room between them, so
//!   that sessions that never end do not fill the node: the others always have the other half;
//! * where room is scarce it is shared out evenly, who has waited longest comes first, and pulls are
//!   held only for a moment, so that an idle strategy does not keep room from a busy one;
//! * after error 42, 83, 107, 108 or 109 that (link, strategy) alone rests for
//!   `mcr-pull-after-error-timeout` (guide, *Interaction Server Error Messages*); after another error
//!   for a pause that doubles, with jitter.

use std::time::{Duration, Instant};

/// Longest a pull is held while room is scarce.
const SCARCE_DELAY: Duration = Duration::from_secs(1);
/// An empty answer sooner than this was not held; asking again at once would be a busy loop.
const NOT_HELD: Duration = Duration::from_millis(20);
/// The pause after an empty answer that was not held.
const NOT_HELD_PAUSE: Duration = Duration::from_millis(200);

/// Strategies that misbehave share one in so many of the node's sessions.
const MISBEHAVING_SHARE: usize = 2;

/// The options the scheduler works by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PullOptions {
    /// Sessions at once on the node.
    pub max_sessions: usize,
    /// Interactions one pull may ask for.
    pub pull_count: usize,
    /// Longest a pull is held.
    pub max_delay: Duration,
    /// Rest after one of the guide's five errors.
    pub error_rest: Duration,
    /// First pause after another error.
    pub pause_first: Duration,
    /// Longest pause after another error.
    pub pause_max: Duration,
}

/// Names one pull of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PullId {
    entry: usize,
    generation: u64,
}

/// A pull to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub id: PullId,
    /// Index of the link.
    pub link: usize,
    /// Index of the strategy.
    pub strategy: usize,
    /// Interactions to ask for, at least 1.
    pub count: usize,
    /// How long it may be held.
    pub delay: Duration,
}

/// What an entry is doing; for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    LinkDown,
    NoPlugin,
    Disabled,
    /// Nothing is recorded.
    Held,
    Asked(usize),
    Full,
    Resting(Duration),
}

#[derive(Debug)]
enum State {
    Idle,
    Asked { count: usize, at: Instant },
    Resting { until: Instant },
}

#[derive(Debug)]
struct Entry {
    link: usize,
    strategy: usize,
    up: bool,
    /// Changes with each connection and each pull: what belongs to an older one is not counted.
    generation: u64,
    state: State,
    /// When it last became ready to be pulled; less is served first.
    since: u64,
    failures: u32,
    problem: String,
    /// When it began to rest after one of the guide's five errors; none: it does not, or for another reason.
    rests_since: Option<Instant>,
}

#[derive(Debug)]
struct Room {
    max: usize,
    sessions: usize,
    asked: usize,
    plugin: bool,
    enabled: bool,
    misbehaves: bool,
    /// Strategies of one number run the same plugin.
    plugin_number: usize,
    /// The most sessions of that plugin.
    plugin_max: usize,
}

impl Room {
    fn left(&self) -> usize {
        self.max.saturating_sub(self.sessions + self.asked)
    }
}

/// All pulls of a node.
#[derive(Debug)]
pub(crate) struct PullScheduler {
    options: PullOptions,
    entries: Vec<Entry>,
    strategies: Vec<Room>,
    node: Room,
    stopped: bool,
    /// What is pulled could not be recorded.
    held: bool,
    sequence: u64,
}

impl PullScheduler {
    /// `strategies`: the most sessions of each, 0 for no bound of its own. `pulls`: the pairs of link
    /// and strategy, by index. Every link is down, and every strategy has a plugin of its own.
    pub fn new(options: PullOptions, strategies: &[usize], pulls: &[(usize, usize)]) -> PullScheduler {
        let room = |plugin_number, max| Room {
            max,
            sessions: 0,
            asked: 0,
            plugin: true,
            enabled: true,
            misbehaves: false,
            plugin_number,
            plugin_max: usize::MAX,
        };
        PullScheduler {
            options,
            entries: pulls
                .iter()
                .map(|&(link, strategy)| Entry {
                    link,
                    strategy,
                    up: false,
                    generation: 0,
                    state: State::Idle,
                    since: 0,
                    failures: 0,
                    problem: String::new(),
                    rests_since: None,
                })
                .collect(),
            strategies: strategies
                .iter()
                .enumerate()
                .map(|(index, &max)| room(index, if max == 0 { options.max_sessions } else { max }))
                .collect(),
            node: room(0, options.max_sessions),
            stopped: false,
            held: false,
            sequence: 0,
        }
    }

    /// Other options, and other bounds of the strategies. What is asked already stays asked; a rest after one of
    /// the guide's five errors ends as if it had begun with them.
    pub fn set_options(&mut self, options: PullOptions, strategies: &[usize]) {
        self.options = options;
        self.node.max = options.max_sessions;
        for (room, &max) in self.strategies.iter_mut().zip(strategies) {
            room.max = if max == 0 { options.max_sessions } else { max };
        }
        for entry in &mut self.entries {
            if let (State::Resting { until }, Some(since)) = (&mut entry.state, entry.rests_since) {
                *until = since + options.error_rest;
            }
        }
    }

    /// Whether the strategy is switched on. One that is switched on again is tried at once.
    pub fn set_enabled(&mut self, strategy: usize, enabled: bool) {
        let Some(room) = self.strategies.get_mut(strategy) else { return };
        let was_enabled = std::mem::replace(&mut room.enabled, enabled);
        if enabled && !was_enabled {
            for entry in self.entries.iter_mut().filter(|entry| entry.strategy == strategy) {
                if let State::Resting { .. } = entry.state {
                    entry.state = State::Idle;
                }
            }
        }
    }

    /// The link has a connection: its strategies may be pulled. A rest that is not over goes on.
    pub fn link_up(&mut self, link: usize) {
        for index in 0..self.entries.len() {
            if self.entries.get(index).is_some_and(|entry| entry.link == link) {
                self.release(index);
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.up = true;
                }
            }
        }
    }

    /// The link lost its connection: nothing that was asked there will be answered.
    pub fn link_down(&mut self, link: usize) {
        for index in 0..self.entries.len() {
            if self.entries.get(index).is_some_and(|entry| entry.link == link) {
                self.release(index);
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.up = false;
                }
            }
        }
    }

    /// Which plugin each strategy runs: the same number for the same one.
    pub fn set_plugins(&mut self, numbers: impl IntoIterator<Item = usize>) {
        for (room, number) in self.strategies.iter_mut().zip(numbers) {
            room.plugin_number = number;
        }
    }

    /// The most sessions of the strategy's plugin, in all strategies that run it; none: no bound of its own.
    pub fn set_plugin_max(&mut self, strategy: usize, max: Option<usize>) {
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.plugin_max = max.unwrap_or(usize::MAX);
        }
    }

    /// Whether the strategy's plugin is there.
    pub fn set_plugin(&mut self, strategy: usize, present: bool) {
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.plugin = present;
        }
    }

    /// Whether the strategy's sessions misbehave.
    pub fn set_misbehaves(&mut self, strategy: usize, misbehaves: bool) {
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.misbehaves = misbehaves;
        }
    }

    /// No more pulls.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// No more pulls for now, or pulls again.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// The next pull that may be made now. It is made, as far as the scheduler is concerned.
    pub fn next(&mut self, now: Instant) -> Option<Pull> {
        if self.stopped || self.held {
            return None;
        }
        let ready: Vec<usize> = (0..self.entries.len()).filter(|&index| self.is_ready(index, now)).collect();
        let index = *ready.iter().min_by_key(|&&index| self.entries.get(index).map(|entry| entry.since))?;
        let entry = self.entries.get(index)?;
        let share = |left: usize, among: usize| (left / among.max(1)).max(1).min(left);
        let rivals = |is_one: &dyn Fn(usize) -> bool| {
            ready.iter().filter(|&&other| self.entries.get(other).is_some_and(|other| is_one(other.strategy))).count()
        };
        let of_strategy = rivals(&|other| other == entry.strategy);
        let of_plugin = rivals(&|other| self.run_the_same(other, entry.strategy));
        let fair = share(self.node.left(), ready.len())
            .min(share(self.left(entry.strategy), of_strategy))
            .min(share(self.left_of_plugin(entry.strategy), of_plugin));
        let count = fair.min(self.options.pull_count);
        if count == 0 {
            return None;
        }
        let scarce = fair < self.options.pull_count;
        let delay = if scarce { self.options.max_delay.min(SCARCE_DELAY) } else { self.options.max_delay };

        let strategy = entry.strategy;
        let entry = self.entries.get_mut(index)?;
        entry.generation += 1;
        entry.state = State::Asked { count, at: now };
        let pull = Pull {
            id: PullId { entry: index, generation: entry.generation },
            link: entry.link,
            strategy,
            count,
            delay,
        };
        self.node.asked += count;
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.asked += count;
        }
        Some(pull)
    }

    /// The pull was answered with `taken` interactions, for each of which a session starts. False: it
    /// is not one that counts (any more), and nothing may start.
    pub fn answered(&mut self, id: PullId, now: Instant, taken: usize) -> bool {
        let Some(Entry { state: State::Asked { at, .. }, strategy, .. }) = self.current(id) else { return false };
        let (at, strategy) = (*at, *strategy);
        self.release(id.entry);
        self.node.sessions += taken;
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.sessions += taken;
        }
        if let Some(entry) = self.entries.get_mut(id.entry) {
            entry.failures = 0;
            entry.problem.clear();
            entry.rests_since = None;
            if taken == 0 && now.saturating_duration_since(at) < NOT_HELD {
                entry.state = State::Resting { until: now + NOT_HELD_PAUSE };
            }
        }
        true
    }

    /// The pull failed. `rests`: with one of the guide's five errors. `chance`: 0 to 1, for jitter.
    pub fn failed(&mut self, id: PullId, now: Instant, problem: &str, rests: bool, chance: f64) {
        if self.current(id).is_none() {
            return;
        }
        self.release(id.entry);
        let options = self.options;
        if let Some(entry) = self.entries.get_mut(id.entry) {
            entry.failures = entry.failures.saturating_add(1);
            problem.clone_into(&mut entry.problem);
            entry.rests_since = rests.then_some(now);
            let pause = if rests {
                options.error_rest
            } else {
                let doubled = options.pause_first.saturating_mul(1 << entry.failures.saturating_sub(1).min(20));
                doubled.min(options.pause_max).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
            };
            entry.state = State::Resting { until: now + pause };
        }
    }

    /// A session from the journal goes on, whether or not there is room.
    pub fn resumed(&mut self, strategy: usize) {
        self.node.sessions += 1;
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.sessions += 1;
        }
    }

    /// A session that was counted by [`resumed`](Self::resumed) or [`answered`](Self::answered) has ended.
    pub fn session_ended(&mut self, strategy: usize) {
        self.node.sessions = self.node.sessions.saturating_sub(1);
        if let Some(room) = self.strategies.get_mut(strategy) {
            room.sessions = room.sessions.saturating_sub(1);
        }
    }

    /// When a rest ends, so that [`next`](Self::next) may have something.
    pub fn wake_at(&self) -> Option<Instant> {
        self.entries
            .iter()
            .filter(|entry| entry.up && !self.stopped && !self.held)
            .filter_map(|entry| match entry.state {
                State::Resting { until } => Some(until),
                _ => None,
            })
            .min()
    }

    /// Each (link, strategy), what it does, and the last problem, for people.
    pub fn status(&self, now: Instant) -> Vec<(usize, usize, Doing, String)> {
        self.entries
            .iter()
            .map(|entry| {
                let room = self.strategies.get(entry.strategy);
                let plugin = room.is_some_and(|room| room.plugin);
                let doing = match entry.state {
                    _ if !entry.up => Doing::LinkDown,
                    _ if room.is_some_and(|room| !room.enabled) => Doing::Disabled,
                    _ if !plugin => Doing::NoPlugin,
                    State::Asked { count, .. } => Doing::Asked(count),
                    _ if self.held => Doing::Held,
                    State::Resting { until } => Doing::Resting(until.saturating_duration_since(now)),
                    State::Idle => Doing::Full,
                };
                (entry.link, entry.strategy, doing, entry.problem.clone())
            })
            .collect()
    }

    fn is_ready(&self, index: usize, now: Instant) -> bool {
        self.entries.get(index).is_some_and(|entry| {
            entry.up
                && match entry.state {
                    State::Idle => true,
                    State::Resting { until } => until <= now,
                    State::Asked { .. } => false,
                }
                && self.strategies.get(entry.strategy).is_some_and(|room| room.plugin && room.enabled)
                && self.left(entry.strategy) > 0
                && self.left_of_plugin(entry.strategy) > 0
        })
    }

    fn run_the_same(&self, strategy: usize, other: usize) -> bool {
        let number = |strategy: usize| self.strategies.get(strategy).map(|room| room.plugin_number);
        strategy == other || number(strategy) == number(other)
    }

    /// Sessions that may be added to the strategy's, as far as its plugin's bound goes.
    fn left_of_plugin(&self, strategy: usize) -> usize {
        let Some(room) = self.strategies.get(strategy) else { return 0 };
        if room.plugin_max == usize::MAX {
            return usize::MAX;
        }
        let siblings = self.strategies.iter().filter(|other| other.plugin_number == room.plugin_number);
        room.plugin_max.saturating_sub(siblings.map(|other| other.sessions + other.asked).sum())
    }

    /// Sessions that may be added to the strategy's, as far as its own bounds go.
    fn left(&self, strategy: usize) -> usize {
        let Some(room) = self.strategies.get(strategy) else { return 0 };
        if !room.misbehaves {
            return room.left();
        }
        let theirs: usize =
            self.strategies.iter().filter(|room| room.misbehaves).map(|room| room.sessions + room.asked).sum();
        room.left().min((self.node.max / MISBEHAVING_SHARE).max(1).saturating_sub(theirs))
    }

    fn current(&self, id: PullId) -> Option<&Entry> {
        self.entries
            .get(id.entry)
            .filter(|entry| entry.generation == id.generation && matches!(entry.state, State::Asked { .. }))
    }

    /// Gives up the room a pull reserved, where there is one; it goes to the end of the line.
    fn release(&mut self, index: usize) {
        self.sequence += 1;
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.since = self.sequence;
        if let State::Asked { count, .. } = entry.state {
            entry.state = State::Idle;
            self.node.asked = self.node.asked.saturating_sub(count);
            if let Some(room) = self.strategies.get_mut(entry.strategy) {
                room.asked = room.asked.saturating_sub(count);
            }
        }
    }
}

#[cfg(test)]
#[path = "pulling_tests.rs"]
mod tests;
