//! A day of a contact centre on a virtual clock: who waits for how long, with these agents, shifts and targets.
//!
//! The decisions are those of [`Selection`] itself; only what happens around it is made up: arrivals, handling times,
//! and customers who give up, each drawn from the chance that is passed in. Nothing waits for a real clock. A day ends
//! when its hours are over and everybody who still waits has been counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use crate::choice::{Aging, Choice, Step};
use crate::directory::{AgentProfile, Directory};
use crate::selection::{AgentState, Assigned, LinkId, MediaState, Output, RouteId, Selection, Submit, SubmitError};
use crate::target::Target;

/// Hours of a day.
pub const HOURS: usize = 24;
/// Interactions one day may have, so that a slip of the pen does not fill the memory.
pub const ARRIVALS_MOST: usize = 2_000_000;

/// A day to be simulated.
#[derive(Clone, Debug, Default)]
pub struct Day {
    /// What comes in.
    pub kinds: Vec<Kind>,
    /// Who is there.
    pub workers: Vec<Worker>,
    /// Places, and the place groups each is in.
    pub places: Vec<(String, Vec<String>)>,
}

/// Interactions of one kind: usually one virtual queue.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name in the report.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Larger is served first.
    pub priority: i32,
    /// How many arrive in each hour of the day, on average.
    pub arrivals: [f64; HOURS],
    /// How long an agent is busy with one.
    pub handling: Spread,
    /// How long a customer waits before giving up; none: for ever.
    pub patience: Option<Spread>,
    /// Targets from the beginning on, and wider ones later: how long after the arrival, and what then.
    pub targets: Vec<(Duration, Vec<Target>)>,
    /// Which of those that fit.
    pub choice: Choice,
    /// Priority that grows with the wait.
    pub aging: Option<Aging>,
    /// Answered within this time counts towards the service level.
    pub within: Duration,
}

/// A time that differs from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Always the same.
    Constant(Duration),
    /// Exponential, with this mean.
    Exponential(Duration),
}

/// An agent and the agent's day.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Employee id.
    pub id: String,
    /// Skills and groups.
    pub profile: AgentProfile,
    /// Where the agent sits; may be empty.
    pub place: String,
    /// Media types, and interactions of each at once.
    pub capacity: Vec<(String, u32)>,
    /// From when to when, as times of the day. What is begun before the end is finished.
    pub shifts: Vec<(Duration, Duration)>,
}

/// What came of a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayReport {
    /// Of each kind, in the order of the day.
    pub kinds: Vec<KindReport>,
    /// Of each agent, by employee id.
    pub workers: BTreeMap<String, WorkerReport>,
}

/// What came of one kind of interactions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KindReport {
    /// Its name.
    pub name: String,
    /// Those that came.
    pub entered: usize,
    /// Those an agent took, with their waits in seconds, in the order of their answers.
    pub waits: Vec<f64>,
    /// Those whose customers gave up.
    pub abandoned: usize,
    /// Those that went into a queue or a workbin, because that was their target.
    pub moved: usize,
    /// Those that still waited at the end.
    pub left: usize,
    /// Those that were answered within the time of the service level.
    pub within: usize,
    /// By hour of the arrival: entered, answered, and the sum of the waits of those in seconds.
    pub hours: [(usize, usize, f64); HOURS],
}

/// What one agent did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerReport {
    /// Interactions.
    pub handled: usize,
    /// Seconds in which there was at least one at hand.
    pub busy: f64,
    /// Seconds of all shifts.
    pub there: f64,
}

impl KindReport {
    /// The wait that so many of a hundred of those who were answered did not exceed, in seconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort_unstable_by(f64::total_cmp);
        let index = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(index).copied().unwrap_or(0.0)
    }

    /// The mean wait of those who were answered, in seconds.
    pub fn mean_wait(&self) -> f64 {
        self.waits.iter().sum::<f64>() / self.waits.len().max(1) as f64
    }

    /// Of those that came, the part that was answered in time; 1 where none came.
    pub fn service_level(&self) -> f64 {
        if self.entered == 0 { 1.0 } else { self.within as f64 / self.entered as f64 }
    }
}

impl WorkerReport {
    /// The part of the shifts that was spent at work. It may pass 1 by what was finished afterwards.
    pub fn occupancy(&self) -> f64 {
        if self.there > 0.0 { self.busy / self.there } else { 0.0 }
    }
}

/// Why a day cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DayError {
    /// The targets of a kind make no sense.
    #[error("the targets of `{kind}`: {error}")]
    Targets {
        /// Which kind.
        kind: String,
        /// What is wrong with them.
        error: SubmitError,
    },
    /// A kind without targets from its beginning on.
    #[error("`{0}` has no targets from its arrival on")]
    NoTargets(String),
    /// More than [`ARRIVALS_MOST`].
    #[error("the day has more than {ARRIVALS_MOST} arrivals")]
    TooMany,
}

impl Day {
    /// Lets the day pass. `chance` answers with numbers from 0 up to and without 1, all alike likely; the same numbers
    /// make the same day.
    ///
    /// # Errors
    /// Something of the day makes no sense.
    pub fn pass(&self, chance: &mut dyn FnMut() -> f64) -> Result<DayReport, DayError> {
        let mut passing = Passing::new(self, chance);
        passing.arrivals()?;
        passing.shifts();
        loop {
            let next = passing.events.peek().map(|Reverse((Moment(at), _, _))| *at);
            // When everybody has gone, what waits may still go into a queue.
            if passing.selects_by(next.unwrap_or(2.0 * HOURS as f64 * HOUR)) {
                continue;
            }
            let Some(Reverse((Moment(at), _, what))) = passing.events.pop() else { return Ok(passing.report) };
            passing.step(at, what)?;
        }
    }
}

impl Spread {
    fn draw(self, chance: &mut dyn FnMut() -> f64) -> f64 {
        match self {
            Spread::Constant(time) => time.as_secs_f64(),
            Spread::Exponential(mean) => -mean.as_secs_f64() * (1.0 - chance()).ln(),
        }
    }
}

/// Seconds of the day. No time is anything but a number.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl Ord for Moment {
    fn cmp(&self, other: &Moment) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Moment) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    ShiftBegins(usize),
    ShiftEnds(usize),
    Arrives(usize),
    GivesUp(usize),
    /// The agent is done with one of this media type.
    Done(usize, usize),
}

/// One that came and was not answered yet.
struct Waits {
    kind: usize,
    came: f64,
    route: RouteId,
}

#[derive(Default)]
struct AtWork {
    there: bool,
    /// Interactions at hand by the place of their media type in the capacity.
    busy: Vec<u32>,
    since: f64,
    ready_since: f64,
}

impl AtWork {
    fn at_hand(&self) -> u32 {
        self.busy.iter().sum()
    }
}

struct Passing<'a> {
    day: &'a Day,
    chance: &'a mut dyn FnMut() -> f64,
    selection: Selection,
    origin: Instant,
    events: BinaryHeap<Reverse<(Moment, u64, What)>>,
    sequence: u64,
    waiting: HashMap<usize, Waits>,
    /// Interaction of a route.
    routes: HashMap<RouteId, usize>,
    last_route: u64,
    came: usize,
    numbers: HashMap<String, usize>,
    work: Vec<AtWork>,
    report: DayReport,
}

const LINK: LinkId = LinkId(0);
const HOUR: f64 = 3_600.0;

impl<'a> Passing<'a> {
    fn new(day: &'a Day, chance: &'a mut dyn FnMut() -> f64) -> Passing<'a> {
        let directory: Directory =
            day.workers.iter().map(|worker| (worker.id.clone(), worker.profile.clone())).collect();
        let places = day.places.iter();
        let places = places.map(|(place, groups)| (place.as_str(), groups.iter().map(String::as_str)));
        let directory = directory.with_places(places);
        let at_work = |worker: &Worker| AtWork { busy: vec![0; worker.capacity.len()], ..AtWork::default() };
        let there = |worker: &Worker| {
            let shifts = worker.shifts.iter().map(|(from, to)| to.saturating_sub(*from).as_secs_f64());
            // Not `sum`, whose nothing is a negative one.
            let there = shifts.fold(0.0, |all, shift| all + shift);
            (worker.id.clone(), WorkerReport { there, ..WorkerReport::default() })
        };
        Passing {
            day,
            chance,
            selection: Selection::new(directory),
            origin: Instant::now(),
            events: BinaryHeap::new(),
            sequence: 0,
            waiting: HashMap::new(),
            routes: HashMap::new(),
            last_route: 0,
            came: 0,
            numbers: day.workers.iter().enumerate().map(|(number, worker)| (worker.id.clone(), number)).collect(),
            work: day.workers.iter().map(at_work).collect(),
            report: DayReport {
                kinds: day
                    .kinds
                    .iter()
                    .map(|kind| KindReport { name: kind.name.clone(), ..KindReport::default() })
                    .collect(),
                workers: day.workers.iter().map(there).collect(),
            },
        }
    }

    fn at(&mut self, at: f64, what: What) {
        self.sequence += 1;
        self.events.push(Reverse((Moment(at), self.sequence, what)));
    }

    /// Each hour has as many as its rate brings, at any of its moments.
    fn arrivals(&mut self) -> Result<(), DayError> {
        for (number, kind) in self.day.kinds.iter().enumerate() {
            if kind.targets.first().is_none_or(|(after, _)| !after.is_zero()) {
                return Err(DayError::NoTargets(kind.name.clone()));
            }
            for (hour, rate) in kind.arrivals.iter().enumerate() {
                let (mut at, end) = (hour as f64 * HOUR, (hour + 1) as f64 * HOUR);
                if *rate <= 0.0 {
                    continue;
                }
                loop {
                    at -= HOUR / rate * (1.0 - (self.chance)()).ln();
                    if at >= end {
                        break;
                    }
                    if self.events.len() >= ARRIVALS_MOST {
                        return Err(DayError::TooMany);
                    }
                    self.at(at, What::Arrives(number));
                }
            }
        }
        Ok(())
    }

    fn shifts(&mut self) {
        for (number, worker) in self.day.workers.iter().enumerate() {
            for (from, to) in &worker.shifts {
                self.at(from.as_secs_f64(), What::ShiftBegins(number));
                self.at(to.as_secs_f64(), What::ShiftEnds(number));
            }
        }
    }

    fn now(&self, at: f64) -> Instant {
        self.origin + Duration::from_secs_f64(at.max(0.0))
    }

    fn step(&mut self, at: f64, what: What) -> Result<(), DayError> {
        match what {
            What::ShiftBegins(worker) => self.present(worker, at, true),
            What::ShiftEnds(worker) => self.present(worker, at, false),
            What::Arrives(kind) => self.arrives(kind, at)?,
            What::GivesUp(interaction) => {
                if let Some(waits) = self.waiting.remove(&interaction) {
                    self.routes.remove(&waits.route);
                    let _ = self.selection.cancel(waits.route);
                    if let Some(report) = self.report.kinds.get_mut(waits.kind) {
                        report.abandoned += 1;
                        report.left -= 1;
                    }
                }
            }
            What::Done(worker, media) => self.done(worker, media, at),
        }
        self.decided(at);
        Ok(())
    }

    /// Whether selection has something to do of itself by then; if so, that is done.
    fn selects_by(&mut self, time: f64) -> bool {
        let by = self.now(time);
        let Some(at) = self.selection.next_deadline().filter(|at| *at <= by) else { return false };
        self.selection.tick(at);
        self.decided(at.duration_since(self.origin).as_secs_f64());
        true
    }

    fn decided(&mut self, at: f64) {
        while let Some(output) = self.selection.poll() {
            match output {
                Output::Assign(assigned) => self.answered(assigned, at),
                Output::Place(placed) => {
                    let interaction = self.routes.remove(&placed.route);
                    let waits = interaction.and_then(|interaction| self.waiting.remove(&interaction));
                    if let Some(report) = waits.and_then(|waits| self.report.kinds.get_mut(waits.kind)) {
                        report.left -= 1;
                        report.moved += 1;
                    }
                }
                Output::Found(_) | Output::TimedOut { .. } | Output::LinkDown(_) => {}
            }
        }
    }

    fn arrives(&mut self, kind: usize, at: f64) -> Result<(), DayError> {
        let day = self.day;
        let Some(of) = day.kinds.get(kind) else { return Ok(()) };
        let interaction = self.came;
        self.came += 1;
        if let Some(report) = self.report.kinds.get_mut(kind) {
            report.entered += 1;
            report.left += 1;
            if let Some((entered, _, _)) = report.hours.get_mut(hour(at)) {
                *entered += 1;
            }
        }
        if let Some(patience) = of.patience {
            let patience = patience.draw(self.chance);
            self.at(at + patience, What::GivesUp(interaction));
        }
        self.last_route += 1;
        let route = RouteId(self.last_route);
        self.waiting.insert(interaction, Waits { kind, came: at, route });
        self.routes.insert(route, interaction);
        let mut targets = of.targets.iter();
        let first = targets.next().map(|(_, targets)| targets.clone()).unwrap_or_default();
        let submit = Submit {
            priority: of.priority,
            since: (at * 1_000.0) as i64,
            choice: of.choice,
            aging: of.aging,
            relaxation: targets.map(|(after, targets)| Step { after: *after, targets: targets.clone() }).collect(),
            ..Submit::new(route, LINK, interaction.to_string(), of.media_type.clone(), first)
        };
        let now = self.now(at);
        self.selection.submit(now, submit).map_err(|error| DayError::Targets { kind: of.name.clone(), error })
    }

    fn answered(&mut self, assigned: Assigned, at: f64) {
        let Some(interaction) = self.routes.remove(&assigned.route) else { return };
        let (Some(waits), Some(worker)) =
            (self.waiting.remove(&interaction), self.numbers.get(&assigned.agent).copied())
        else {
            return;
        };
        let (day, wait) = (self.day, at - waits.came);
        let Some(kind) = day.kinds.get(waits.kind) else { return };
        if let Some(report) = self.report.kinds.get_mut(waits.kind) {
            report.left -= 1;
            report.waits.push(wait);
            report.within += usize::from(wait <= kind.within.as_secs_f64());
            if let Some((_, answered, sum)) = report.hours.get_mut(hour(waits.came)) {
                *answered += 1;
                *sum += wait;
            }
        }
        let handling = kind.handling.draw(self.chance);
        let capacity = day.workers.get(worker).map(|worker| &worker.capacity);
        let media = capacity.and_then(|all| all.iter().position(|(media, _)| *media == kind.media_type));
        if let (Some(media), Some(work)) = (media, self.work.get_mut(worker)) {
            if work.at_hand() == 0 {
                work.since = at;
            }
            if let Some(busy) = work.busy.get_mut(media) {
                *busy += 1;
            }
            self.at(at + handling, What::Done(worker, media));
            self.tell(worker, at);
        }
        self.selection.delivered(self.now(at), assigned.route);
    }

    fn done(&mut self, worker: usize, media: usize, at: f64) {
        let Some(work) = self.work.get_mut(worker) else { return };
        if let Some(busy) = work.busy.get_mut(media) {
            *busy = busy.saturating_sub(1);
        }
        work.ready_since = at;
        let (idle, since) = (work.at_hand() == 0, work.since);
        if let Some(report) = self.day.workers.get(worker).and_then(|worker| self.report.workers.get_mut(&worker.id)) {
            report.handled += 1;
            if idle {
                report.busy += at - since;
            }
        }
        self.tell(worker, at);
    }

    fn present(&mut self, worker: usize, at: f64, there: bool) {
        let Some(work) = self.work.get_mut(worker) else { return };
        (work.there, work.ready_since) = (there, at);
        self.tell(worker, at);
    }

    /// What a server would report of the agent.
    fn tell(&mut self, worker: usize, at: f64) {
        let (Some(who), Some(work)) = (self.day.workers.get(worker), self.work.get(worker)) else { return };
        let media = who.capacity.iter().zip(&work.busy).map(|((media, capacity), busy)| MediaState {
            media_type: media.clone(),
            ready: work.there,
            capacity: *capacity,
            busy: *busy,
            ready_since: (work.ready_since * 1_000.0) as i64,
        });
        let state = AgentState {
            agent: who.id.clone(),
            place: who.place.clone(),
            media: media.collect(),
            ..AgentState::default()
        };
        self.selection.agent(self.now(at), LINK, &state);
    }
}

fn hour(at: f64) -> usize {
    (at / HOUR) as usize
}
