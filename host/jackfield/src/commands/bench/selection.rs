//! How long target selection takes to decide, at the size of a very large site, beside the straightforward way: asking
//! every agent, and everything that waits, each time.
//!
//! Both are given the same events and have to decide the same. One event is an agent who becomes ready, and takes what
//! comes first; the interaction's place in line is taken by a new one; and the agent is busy again.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use jackfield_routing::{
    AgentProfile, AgentState, Aging, Choice, Directory, LinkId, MediaState, Order, Output, RouteId, Selection,
    SkillExpression, Submit, Target, TargetKind,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::measure::{percentile, resident_kib};
use super::{Aim, Figure};

const AGENTS: usize = 10_000;
const SKILLS: usize = 200;
/// Interactions that wait, all the time.
const WAITING: u64 = 1_000;
/// Skill expressions in use.
const EXPRESSIONS: usize = 300;
/// Events that both decide.
const BOTH: usize = 500;
/// Events that selection alone decides after that.
const EVENTS: usize = 50_000;
const MEDIA: &str = "email";
/// Longer than it runs, so that the scan need not know.
const GROWS_EVERY: Duration = Duration::from_secs(3_600);

/// Microseconds of one decision, in both ways.
pub fn selection() -> anyhow::Result<Vec<Figure>> {
    let mut chance = StdRng::seed_from_u64(6);
    let profiles: BTreeMap<String, AgentProfile> = (0..AGENTS).map(|index| agent(index, &mut chance)).collect();
    let expressions: Vec<String> = (0..EXPRESSIONS).map(|_| expression(&mut chance)).collect();

    let mut scan = Scan { agents: profiles.clone(), waiting: Vec::new() };
    let before = resident_kib();
    let mut selection = Selection::new(profiles.clone().into_iter().collect::<Directory>());
    let now = Instant::now();
    let absent: Vec<AgentState> = profiles.keys().map(|id| state(id, false, 0)).collect();
    selection.agents(now, LinkId(0), &absent);
    let mut arrivals = Arrivals { expressions, chance: StdRng::seed_from_u64(7), last: 0 };
    for _ in 0..WAITING {
        let (submit, waiting) = arrivals.next();
        selection.submit(now, submit)?;
        scan.waiting.push(waiting);
    }
    let memory = (resident_kib() - before) / 1_024.0;

    let (mut times, mut scanned, mut arrives) = (Vec::with_capacity(EVENTS), Vec::with_capacity(BOTH), Vec::new());
    let ids: Vec<&String> = profiles.keys().collect();
    let mut taken = 0_usize;
    let began = Instant::now();
    let mut aside = Duration::ZERO;
    for event in 0..BOTH + EVENTS {
        let Some(id) = ids.get(chance.random_range(0..AGENTS)) else { continue };
        let ready = state(id, true, i64::try_from(event).unwrap_or(0));
        let asked = Instant::now();
        selection.agent(now, LinkId(0), &ready);
        let decided = selection.poll();
        times.push(asked.elapsed().as_secs_f64() * 1e6);
        let route = match decided {
            Some(Output::Assign(assigned)) => Some(assigned.route),
            _ => None,
        };
        if event < BOTH {
            let asked = Instant::now();
            let found = scan.first_for(id);
            scanned.push(asked.elapsed().as_secs_f64() * 1e6);
            ensure!(found == route, "the scan decides {found:?} for {id}, the selection {route:?}");
        }
        let asked = Instant::now();
        selection.agent(now, LinkId(0), &state(id, false, 0));
        if let Some(route) = route {
            selection.delivered(now, route);
            taken += 1;
            let (submit, waiting) = arrivals.next();
            if event < BOTH {
                scan.waiting.retain(|other| other.route != route);
                scan.waiting.push(waiting);
            }
            let submitted = Instant::now();
            aside += submitted - asked;
            selection.submit(now, submit)?;
            arrives.push(submitted.elapsed().as_secs_f64() * 1e6);
        } else {
            aside += asked.elapsed();
        }
    }
    let seconds = (began.elapsed() - aside).as_secs_f64().max(f64::EPSILON);
    ensure!(taken > EVENTS / 10, "only {taken} of the agents found anything");

    // All at once, which is once an hour; they go on waiting.
    let asked = Instant::now();
    selection.tick(now + GROWS_EVERY);
    let grown = asked.elapsed().as_secs_f64() * 1e6 / WAITING as f64;

    let loading = Choice::default();
    let (mut found, mut looked) = free_agents(&mut selection, &scan, &profiles, &mut arrivals, loading)?;
    let ready = Choice::new(Order::Max, Some("StatTimeInReadyState"))?;
    let (mut longest, _) = free_agents(&mut selection, &scan, &profiles, &mut arrivals, ready)?;
    let (median, scan_median) = (percentile(&mut times, 50), percentile(&mut scanned, 50));
    let (found_median, looked_median) = (percentile(&mut found, 50), percentile(&mut looked, 50));
    let figure = |name, value, unit, aim| Figure { name, value, unit, aim };
    Ok(vec![
        figure("selection, an agent becomes ready: median", median, "µs", Some(Aim::Under(50.0))),
        figure("selection, an agent becomes ready: p99", percentile(&mut times, 99), "µs", None),
        figure("the same by a scan: median", scan_median, "µs", None),
        figure("selection, times as fast as the scan", scan_median / median, "x", Some(Aim::Over(20.0))),
        figure("selection, an interaction arrives, nobody is free: median", percentile(&mut arrives, 50), "µs", None),
        figure("selection, it arrives, 5,000 are free: median", found_median, "µs", Some(Aim::Under(50.0))),
        figure("the same: p99", percentile(&mut found, 99), "µs", None),
        figure("the same by a scan: median", looked_median, "µs", None),
        figure("selection, times as fast as the scan", looked_median / found_median, "x", Some(Aim::Over(20.0))),
        figure(
            "selection, it arrives, who is ready for the longest: median",
            percentile(&mut longest, 50),
            "µs",
            Some(Aim::Under(50.0)),
        ),
        figure("selection, priorities of 1,000 grow: each", grown, "µs", None),
        figure("selection, decisions a second", times.len() as f64 / seconds, "", Some(Aim::Over(1_000.0))),
        figure("selection, memory of 10,000 agents and 1,000 waiting", memory, "MiB", None),
    ])
}

/// Half of the agents are free, and interactions come one by one. Who it would be is only asked, so that they stay free.
fn free_agents(
    selection: &mut Selection,
    scan: &Scan,
    profiles: &BTreeMap<String, AgentProfile>,
    arrivals: &mut Arrivals,
    choice: Choice,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let now = Instant::now();
    // Nobody waits any more, so that those who are ready stay free.
    selection.link_down(LinkId(0));
    while selection.poll().is_some() {}
    let states: Vec<AgentState> = profiles
        .keys()
        .enumerate()
        .map(|(index, id)| state(id, index % 2 == 0, i64::try_from(index * 7_919 % AGENTS).unwrap_or(0)))
        .collect();
    selection.agents(now, LinkId(0), &states);
    let (mut found, mut looked) = (Vec::with_capacity(EVENTS), Vec::with_capacity(BOTH));
    for event in 0..BOTH + EVENTS / 10 {
        let (submit, waiting) = arrivals.next();
        let submit = Submit { deliver: false, choice, ..submit };
        let asked = Instant::now();
        selection.submit(now, submit)?;
        let decided = selection.poll();
        found.push(asked.elapsed().as_secs_f64() * 1e6);
        let agent = match decided {
            Some(Output::Found(assigned)) => Some(assigned.agent),
            _ => {
                selection.cancel(waiting.route)?;
                None
            }
        };
        if event < BOTH {
            let asked = Instant::now();
            let best = scan.best_for(&waiting, &states);
            looked.push(asked.elapsed().as_secs_f64() * 1e6);
            ensure!(best == agent.as_deref(), "the scan decides {best:?}, the selection {agent:?}");
        }
    }
    Ok((found, looked))
}

/// The straightforward way.
struct Scan {
    agents: BTreeMap<String, AgentProfile>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    route: RouteId,
    order: (Reverse<i32>, i64),
    expression: SkillExpression,
}

impl Scan {
    fn first_for(&self, agent: &str) -> Option<RouteId> {
        let profile = self.agents.get(agent)?;
        let fitting = self.waiting.iter().filter(|waiting| waiting.expression.matches(|skill| profile.level(skill)));
        fitting.min_by_key(|waiting| (waiting.order, waiting.route)).map(|waiting| waiting.route)
    }

    fn best_for<'a>(&self, waiting: &Waiting, states: &'a [AgentState]) -> Option<&'a str> {
        let fits = |state: &&AgentState| {
            let ready = state.media.first().is_some_and(|media| media.ready && media.busy < media.capacity);
            let profile = self.agents.get(&state.agent);
            ready && profile.is_some_and(|profile| waiting.expression.matches(|skill| profile.level(skill)))
        };
        let since = |state: &&AgentState| state.media.first().map(|media| media.ready_since);
        states.iter().filter(fits).min_by_key(since).map(|state| state.agent.as_str())
    }
}

/// What comes in.
struct Arrivals {
    expressions: Vec<String>,
    chance: StdRng,
    last: u64,
}

impl Arrivals {
    fn next(&mut self) -> (Submit, Waiting) {
        self.last += 1;
        let text = self.expressions.get(self.chance.random_range(0..EXPRESSIONS)).cloned().unwrap_or_default();
        let (route, priority) = (RouteId(self.last), self.chance.random_range(0..5));
        let since = i64::try_from(self.last).unwrap_or(0);
        #[allow(clippy::expect_used, reason = "it is one of ours")]
        let expression = SkillExpression::parse(&text).expect("an expression");
        let targets = vec![Target::new(TargetKind::Skill, text)];
        let interaction = format!("{:016}", self.last);
        let aging = Some(Aging { every: GROWS_EVERY, by: 1, at_most: i32::MAX });
        let submit =
            Submit { priority, since, aging, ..Submit::new(route, LinkId(0), interaction, MEDIA.to_owned(), targets) };
        (submit, Waiting { route, order: (Reverse(priority), since), expression })
    }
}

/// One with five to ten of the skills.
fn agent(index: usize, chance: &mut StdRng) -> (String, AgentProfile) {
    let count = chance.random_range(5..=10);
    let skills = (0..count).map(|_| (skill(chance), chance.random_range(1..=10))).collect();
    (format!("agent-{index:05}"), AgentProfile { skills, ..AgentProfile::default() })
}

/// One to three comparisons, such as strategies make.
fn expression(chance: &mut StdRng) -> String {
    let comparison = |chance: &mut StdRng| format!("{} >= {}", skill(chance), chance.random_range(1..=8));
    let (first, second, third) = (comparison(chance), comparison(chance), comparison(chance));
    match chance.random_range(0..4) {
        0 => first,
        1 => format!("{first} | {second}"),
        2 => format!("({first} | {second}) & {third}"),
        _ => format!("{first} & {second}"),
    }
}

fn skill(chance: &mut StdRng) -> String {
    format!("skill-{}", chance.random_range(0..SKILLS))
}

fn state(id: &str, ready: bool, ready_since: i64) -> AgentState {
    let media = MediaState { media_type: MEDIA.to_owned(), ready, capacity: 1, busy: 0, ready_since };
    AgentState { agent: id.to_owned(), media: vec![media], ..AgentState::default() }
}
