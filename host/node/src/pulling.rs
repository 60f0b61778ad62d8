//! The pull scheduler: what may be pulled from which Interaction Server, how much, and when.
//!
//! Pure logic over injected time; who asks it is `pulls`. What is pulled is a [`Source`], in one of two ways:
//!
//! * *enhanced*: a strategy. The server holds the pull until a view that a submitter joins to the strategy has work,
//!   so nobody polls;
//! * *legacy*: a view of a queue. The server answers at once, and each view is asked again in its turn after
//!   `mcr-pull-interval`; one that gave all it was asked for may have more, and is asked again as soon as it is its turn.
//!
//! Everything else is the same for both. Each source has at most one pull. A pull reserves room for what it asks, so
//! that the node never gets more than it can take:
//!
//! * sessions + what open pulls ask for ≤ the node's sessions, and the same for each strategy, and for all
//!   strategies together that run one plugin;
//! * strategies whose sessions misbehave again and again have half of the node's room between them, so
//!   that sessions that never end do not fill the node: the others always have the other half;
//! * where room is scarce it is shared out evenly, whose last pull is the oldest comes first, and pulls are
//!   held only for a moment, so that an idle strategy does not keep room from a busy one;
//! * after error 42, 83, 107, 108 or 109 that source alone rests for `mcr-pull-after-error-timeout` (guide,
//!   *Interaction Server Error Messages*), which counts as it is now, not as it was when the error came; after another
//!   error for a pause that doubles, with jitter.
//!
//! Of what goes wrong operators are told once for each change ([`PullScheduler::failed`], [`Counted`]), not for each pull.

mod room;

use std::time::{Duration, Instant};

use self::room::Rooms;

/// Longest a pull is held while room is scarce.
const SCARCE_DELAY: Duration = Duration::from_secs(1);
/// An empty answer sooner than this was not held; asking again at once would be a busy loop.
const NOT_HELD: Duration = Duration::from_millis(20);
/// The pause after an empty answer that was not held.
const NOT_HELD_PAUSE: Duration = Duration::from_millis(200);

/// The options the scheduler works by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PullOptions {
    /// Sessions at once on the node.
    pub max_sessions: usize,
    /// Interactions one pull may ask for.
    pub pull_count: usize,
    /// Longest a pull is held.
    pub max_delay: Duration,
    /// Pause of a view that had no more than it gave.
    pub interval: Duration,
    /// Rest after one of the guide's five errors.
    pub error_rest: Duration,
    /// First pause after another error.
    pub pause_first: Duration,
    /// Longest pause after another error.
    pub pause_max: Duration,
}

/// What is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// Index of the link.
    pub link: usize,
    /// Index of the strategy whose sessions start.
    pub strategy: usize,
    /// Legacy: index of the view, among those of the link. None, enhanced: what the server joins to the strategy.
    pub view: Option<usize>,
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
    pub source: Source,
    /// Interactions to ask for, at least 1.
    pub count: usize,
    /// How long it may be held; 0 for a view, which is answered at once.
    pub delay: Duration,
}

/// The answer to a pull counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The pull before had failed: the source is pulled again.
    pub again: bool,
}

/// What an entry is doing; for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    LinkDown,
    Disabled,
    NoPlugin,
    /// Nothing is recorded.
    Held,
    Asked(usize),
    Full,
    /// After an error.
    Resting(Duration),
    /// Until it is asked again: there is nothing wrong.
    Paused(Duration),
}

#[derive(Debug)]
enum State {
    Idle,
    Asked {
        count: usize,
        at: Instant,
    },
    /// With one of the guide's five errors.
    Refused {
        at: Instant,
    },
    Resting {
        until: Instant,
    },
}

#[derive(Debug)]
struct Entry {
    source: Source,
    up: bool,
    /// Changes with each connection and each pull: what belongs to an older one is not counted.
    generation: u64,
    state: State,
    /// When it was last pulled, as a number; less is served first.
    last_pull: u64,
    failures: u32,
    problem: String,
}

impl Entry {
    fn rests_until(&self, options: &PullOptions) -> Option<Instant> {
        match self.state {
            State::Idle | State::Asked { .. } => None,
            State::Refused { at } => Some(at + options.error_rest),
            State::Resting { until } => Some(until),
        }
    }
}

/// All pulls of a node.
#[derive(Debug)]
pub(crate) struct PullScheduler {
    options: PullOptions,
    entries: Vec<Entry>,
    rooms: Rooms,
    stopped: bool,
    /// What is pulled could not be recorded.
    held: bool,
    /// Pulls so far.
    sequence: u64,
}

impl PullScheduler {
    /// `strategies`: the most sessions of each, 0 for no bound of its own. Every link is down, and every strategy
    /// has a plugin of its own.
    pub fn new(options: PullOptions, strategies: &[usize], sources: impl IntoIterator<Item = Source>) -> PullScheduler {
        let entry = |source| Entry {
            source,
            up: false,
            generation: 0,
            state: State::Idle,
            last_pull: 0,
            failures: 0,
            problem: String::new(),
        };
        PullScheduler {
            options,
            entries: sources.into_iter().map(entry).collect(),
            rooms: Rooms::new(options.max_sessions, strategies),
            stopped: false,
            held: false,
            sequence: 0,
        }
    }

    /// From now on these count, and for each strategy the most sessions, as in [`new`](Self::new); for the rests after
    /// the guide's five errors that are not over, too. Pulls that are open stay as they are.
    pub fn set_options(&mut self, options: PullOptions, strategies: &[usize]) {
        self.rooms.set_max(options.max_sessions, strategies);
        self.options = options;
    }

    /// Whether the strategy is switched on. One that is switched on again is tried at once.
    pub fn set_enabled(&mut self, strategy: usize, enabled: bool) {
        let Some(room) = self.rooms.strategy_mut(strategy) else { return };
        let was_enabled = std::mem::replace(&mut room.enabled, enabled);
        if enabled && !was_enabled {
            for entry in self.entries.iter_mut().filter(|entry| entry.source.strategy == strategy) {
                if !matches!(entry.state, State::Asked { .. }) {
                    entry.state = State::Idle;
                }
            }
        }
    }

    /// The link has a connection: what is pulled over it may be. A rest that is not over goes on.
    pub fn link_up(&mut self, link: usize) {
        self.set_up(link, true);
    }

    /// The link lost its connection: nothing that was asked there will be answered.
    pub fn link_down(&mut self, link: usize) {
        self.set_up(link, false);
    }

    fn set_up(&mut self, link: usize, up: bool) {
        for index in 0..self.entries.len() {
            if self.entries.get(index).is_some_and(|entry| entry.source.link == link) {
                self.release(index);
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.up = up;
                }
            }
        }
    }

    /// Which plugin each strategy runs: the same number for the same one.
    pub fn set_plugins(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.rooms.set_plugins(numbers);
    }

    /// The most sessions of the strategy's plugin, in all strategies that run it; none: no bound of its own.
    pub fn set_plugin_max(&mut self, strategy: usize, max: Option<usize>) {
        if let Some(room) = self.rooms.strategy_mut(strategy) {
            room.plugin_max = max;
        }
    }

    /// Whether the strategy's plugin is there.
    pub fn set_plugin(&mut self, strategy: usize, present: bool) {
        if let Some(room) = self.rooms.strategy_mut(strategy) {
            room.plugin = present;
        }
    }

    /// Whether the strategy's sessions misbehave.
    pub fn set_misbehaves(&mut self, strategy: usize, misbehaves: bool) {
        if let Some(room) = self.rooms.strategy_mut(strategy) {
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
        let ready: Vec<(usize, &Entry)> =
            self.entries.iter().enumerate().filter(|(_, entry)| self.is_ready(entry, now)).collect();
        let &(index, entry) = ready.iter().min_by_key(|(_, entry)| entry.last_pull)?;
        let source = entry.source;
        let share = |left: usize, among: usize| (left / among.max(1)).max(1).min(left);
        let rivals =
            |is_one: &dyn Fn(usize) -> bool| ready.iter().filter(|(_, other)| is_one(other.source.strategy)).count();
        let of_strategy = rivals(&|other| other == source.strategy);
        let of_plugin = rivals(&|other| self.rooms.run_the_same(other, source.strategy));
        let fair = share(self.rooms.left_of_node(), ready.len())
            .min(share(self.rooms.left(source.strategy), of_strategy))
            .min(share(self.rooms.left_of_plugin(source.strategy), of_plugin));
        let count = fair.min(self.options.pull_count);
        if count == 0 {
            return None;
        }
        let delay = match source.view {
            Some(_) => Duration::ZERO,
            None if fair < self.options.pull_count => self.options.max_delay.min(SCARCE_DELAY),
            None => self.options.max_delay,
        };

        self.sequence += 1;
        let entry = self.entries.get_mut(index)?;
        entry.last_pull = self.sequence;
        entry.generation += 1;
        entry.state = State::Asked { count, at: now };
        let id = PullId { entry: index, generation: entry.generation };
        self.rooms.reserve(source.strategy, count);
        Some(Pull { id, source, count, delay })
    }

    /// The pull was answered with `taken` interactions, for each of which a session starts. None: it
    /// is not one that counts (any more), and nothing may start.
    pub fn answered(&mut self, id: PullId, now: Instant, taken: usize) -> Option<Counted> {
        let Entry { state: State::Asked { at, count }, source, .. } = self.current(id)? else { return None };
        let (at, count, source) = (*at, *count, *source);
        self.release(id.entry);
        self.rooms.begin(source.strategy, taken);
        let options = self.options;
        let entry = self.entries.get_mut(id.entry)?;
        let pause = match source.view {
            Some(_) => (taken < count).then_some(options.interval),
            None => (taken == 0 && now.saturating_duration_since(at) < NOT_HELD).then_some(NOT_HELD_PAUSE),
        };
        if let Some(pause) = pause {
            entry.state = State::Resting { until: now + pause };
        }
        let again = !entry.problem.is_empty();
        entry.failures = 0;
        entry.problem.clear();
        Some(Counted { again })
    }

    /// The pull failed. `rests`: with one of the guide's five errors. `chance`: 0 to 1, for jitter. The answer: how
    /// long it is not pulled, where operators have not heard of this problem yet.
    pub fn failed(&mut self, id: PullId, now: Instant, problem: &str, rests: bool, chance: f64) -> Option<Duration> {
        self.current(id)?;
        self.release(id.entry);
        let options = self.options;
        let entry = self.entries.get_mut(id.entry)?;
        entry.failures = entry.failures.saturating_add(1);
        let pause = if rests {
            entry.state = State::Refused { at: now };
            options.error_rest
        } else {
            let doubled = options.pause_first.saturating_mul(1 << entry.failures.saturating_sub(1).min(20));
            let pause = doubled.min(options.pause_max).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
            entry.state = State::Resting { until: now + pause };
            pause
        };
        let is_news = entry.problem != problem;
        problem.clone_into(&mut entry.problem);
        is_news.then_some(pause)
    }

    /// A session from the journal goes on, whether or not there is room.
    pub fn resumed(&mut self, strategy: usize) {
        self.rooms.begin(strategy, 1);
    }

    /// A session that was counted by [`resumed`](Self::resumed) or [`answered`](Self::answered) has ended.
    pub fn session_ended(&mut self, strategy: usize) {
        self.rooms.end(strategy);
    }

    /// When the next rest ends, so that [`next`](Self::next) may have something. What could be pulled but for room is
    /// not waited for: whoever makes room tells.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        self.entries
            .iter()
            .filter(|entry| entry.up && !self.stopped && !self.held)
            .filter_map(|entry| entry.rests_until(&self.options))
            .filter(|until| *until > now)
            .min()
    }

    /// Each source, what it does, and the last problem, for people.
    pub fn status(&self, now: Instant) -> Vec<(Source, Doing, String)> {
        self.entries
            .iter()
            .map(|entry| {
                let room = self.rooms.strategy(entry.source.strategy);
                let rest = entry.rests_until(&self.options).and_then(|until| until.checked_duration_since(now));
                let doing = match (&entry.state, rest) {
                    _ if !entry.up => Doing::LinkDown,
                    _ if room.is_some_and(|room| !room.enabled) => Doing::Disabled,
                    _ if room.is_none_or(|room| !room.plugin) => Doing::NoPlugin,
                    (State::Asked { count, .. }, _) => Doing::Asked(*count),
                    _ if self.held => Doing::Held,
                    (_, Some(Duration::ZERO) | None) => Doing::Full,
                    (_, Some(rest)) if entry.problem.is_empty() => Doing::Paused(rest),
                    (_, Some(rest)) => Doing::Resting(rest),
                };
                (entry.source, doing, entry.problem.clone())
            })
            .collect()
    }

    fn is_ready(&self, entry: &Entry, now: Instant) -> bool {
        entry.up
            && !matches!(entry.state, State::Asked { .. })
            && entry.rests_until(&self.options).is_none_or(|until| until <= now)
            && self.rooms.lets(entry.source.strategy)
    }

    fn current(&self, id: PullId) -> Option<&Entry> {
        self.entries
            .get(id.entry)
            .filter(|entry| entry.generation == id.generation && matches!(entry.state, State::Asked { .. }))
    }

    /// Gives up the room a pull reserved, where there is one.
    fn release(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        if let State::Asked { count, .. } = entry.state {
            entry.state = State::Idle;
            self.rooms.release(entry.source.strategy, count);
        }
    }
}

#[cfg(test)]
#[path = "pulling_rules.rs"]
mod rules;
#[cfg(test)]
#[path = "pulling_tests.rs"]
mod tests;
