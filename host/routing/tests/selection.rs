//! What target selection promises, with no time passing and nobody there.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use jackfield_routing::{
    AgentProfile, Aging, CancelError, Choice, Directory, LinkId, Order, Output, RouteId, Selection, Step, Submit,
    SubmitError, Target, TargetError, TargetKind, Threshold,
};
use proptest::prelude::*;

use self::support::{LINK, SECOND, assigned, directory, outputs, state, submit, target, timed_out};

#[test]
fn the_target_that_fits_is_named_and_nobody_else_is_chosen() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(now, LINK, &[state("anna", true, 1, 0, 0), state("boris", true, 1, 0, 1)]);
    selection.agents(now, LinkId(1), &[state("carol", true, 1, 0, 0)]);
    let targets = [target(TargetKind::AgentGroup, "night"), target(TargetKind::Skill, "Billing < 5 & Orders > 0")];
    selection.submit(now, submit(1, 0, 0, &targets)).expect("a submit");
    let Some(Output::Assign(found)) = selection.poll() else { panic!("nobody") };
    assert_eq!((found.agent.as_str(), found.place.as_str()), ("boris", "place-boris"));
    assert_eq!(found.target, targets[1], "carol, of the group, is on another link");
    selection.submit(now, submit(2, 0, 0, &[target(TargetKind::Place, "place-anna")])).expect("a submit");
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())]);
}

#[test]
fn what_waits_is_looked_at_again_when_the_skills_of_agents_change() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(now, LINK, &[state("anna", true, 2, 0, 0), state("boris", true, 1, 0, 1)]);
    selection.submit(now, submit(1, 0, 0, &[target(TargetKind::Skill, "Billing >= 8")])).expect("a submit");
    selection.submit(now, submit(2, 0, 0, &[target(TargetKind::Skill, "Billing >= 5")])).expect("a submit");
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())]);
    let profile = |level| AgentProfile { skills: [("Billing".to_owned(), level)].into(), ..AgentProfile::default() };
    let changed: Directory = [("anna".to_owned(), profile(1)), ("boris".to_owned(), profile(9))].into_iter().collect();
    selection.set_directory(now, changed);
    assert_eq!(assigned(&mut selection), [(1, "boris".to_owned())]);
    // What is on its way stays so; what comes next goes by the new skills.
    selection.submit(now, submit(3, 0, 0, &[target(TargetKind::Skill, "Billing >= 5")])).expect("a submit");
    assert_eq!(assigned(&mut selection), []);
    let gone = selection.submit(now, submit(4, 0, 0, &[target(TargetKind::AgentGroup, "night")]));
    assert!(gone.is_err(), "nobody is in that group any more");
}

#[test]
fn what_cannot_be_a_target_is_refused() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let refused = |selection: &mut Selection, targets: &[Target]| {
        selection.submit(now, submit(1, 0, 0, targets)).expect_err("refused").to_string()
    };
    assert_eq!(refused(&mut selection, &[]), "there is no target; name at least one");
    assert_eq!(refused(&mut selection, &[target(TargetKind::Agent, "dora")]), "agent `dora` is not configured");
    assert!(refused(&mut selection, &[target(TargetKind::AgentGroup, "day")]).contains("`day`"));
    let skill = refused(&mut selection, &[target(TargetKind::Skill, "Billing >")]);
    assert_eq!(skill, "skill expression `Billing >`: expected an integer, found the end (at byte 9)");
    let place = refused(&mut selection, &[target(TargetKind::Place, "place-dora")]);
    assert_eq!(place, "place `place-dora` is not configured");
    let floor = refused(&mut selection, &[target(TargetKind::PlaceGroup, "Third Floor")]);
    assert_eq!(floor, "place group `Third Floor` has no configured place in it");
    let workbin = Target { workbin: Some("drafts".into()), ..target(TargetKind::Skill, "Billing > 1") };
    assert!(refused(&mut selection, &[workbin]).contains("owns no workbin"));
    let by_nothing = Threshold::parse("StatMood<10").expect("a threshold");
    let by_nothing = Target { threshold: Some(by_nothing), ..target(TargetKind::AgentGroup, "all") };
    assert!(refused(&mut selection, &[by_nothing]).starts_with("there is no statistic `StatMood`; there are"));
    let many = vec![target(TargetKind::Agent, "anna"); 65];
    assert_eq!(selection.submit(now, submit(1, 0, 0, &many)), Err(SubmitError::Target(TargetError::TooMany(65))));
    // Nothing of it waits; an unconfigured agent who is logged in can be named.
    selection.agent(now, LINK, &state("dora", true, 1, 0, 0));
    selection.submit(now, submit(1, 0, 0, &[target(TargetKind::Agent, "dora")])).expect("dora is there");
    assert_eq!(assigned(&mut selection), [(1, "dora".to_owned())]);
}

#[test]
fn priority_comes_first_then_age() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let all = [target(TargetKind::AgentGroup, "all")];
    for (route, priority, since) in [(1, 0, 50), (2, 0, 10), (3, 5, 90), (4, 0, 20)] {
        selection.submit(now, submit(route, priority, since, &all)).expect("a submit");
    }
    selection.agent(now, LINK, &state("anna", true, 4, 0, 0));
    let order: Vec<u64> = assigned(&mut selection).into_iter().map(|(route, _)| route).collect();
    assert_eq!(order, [3, 2, 4, 1]);
}

#[test]
fn the_least_loaded_agent_is_chosen_then_the_longest_ready() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(
        now,
        LINK,
        &[state("anna", true, 4, 2, 0), state("boris", true, 2, 0, 9), state("carol", true, 1, 0, 5)],
    );
    let all = [target(TargetKind::AgentGroup, "all")];
    for route in 1..=4 {
        selection.submit(now, submit(route, 0, 0, &all)).expect("a submit");
    }
    let agents: Vec<String> = assigned(&mut selection).into_iter().map(|(_, agent)| agent).collect();
    // carol (0/1, ready longer than boris), boris (0/2), anna (2/4, ready longer than boris at 1/2), boris.
    assert_eq!(agents, ["carol", "boris", "anna", "boris"]);
}

#[test]
fn who_rejected_is_left_out_for_a_while_and_the_age_is_kept() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let all = [target(TargetKind::AgentGroup, "all")];
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    selection.submit(now, submit(1, 0, 10, &all)).expect("a submit");
    assert_eq!(assigned(&mut selection), [(1, "anna".to_owned())]);
    selection.submit(now, submit(2, 0, 20, &all)).expect("a submit");
    selection.put_back(now, RouteId(1), Some(now + 60 * SECOND));
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())], "the next in line gets the agent");
    selection.agent(now, LINK, &state("boris", true, 1, 0, 0));
    assert_eq!(assigned(&mut selection), [(1, "boris".to_owned())], "the other agent gets it");
    selection.put_back(now, RouteId(1), Some(now + 60 * SECOND));
    selection.delivered(now, RouteId(2));
    assert_eq!(outputs(&mut selection), [], "both are left out");
    // Cancelled and submitted again, as a strategy does that relaxes its targets.
    selection.cancel(RouteId(1)).expect("it waits");
    selection.submit(now, Submit { interaction: "interaction-1".into(), ..submit(3, 0, 10, &all) }).expect("a submit");
    assert_eq!(outputs(&mut selection), [], "they still are");
    assert_eq!(selection.next_deadline(), Some(now + 60 * SECOND));
    selection.tick(now + 60 * SECOND);
    assert_eq!(assigned(&mut selection).len(), 1);
}

#[test]
fn time_ends_a_wait_but_no_delivery() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let all = [target(TargetKind::AgentGroup, "all")];
    selection.submit(now, Submit { deadline: Some(now + SECOND), ..submit(1, 0, 0, &all) }).expect("a submit");
    selection.tick(now + SECOND / 2);
    assert_eq!(outputs(&mut selection), []);
    selection.tick(now + SECOND);
    assert_eq!(outputs(&mut selection), [Output::TimedOut { route: RouteId(1), nobody_logged_in: true }]);
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    selection.submit(now, Submit { deadline: Some(now), ..submit(2, 0, 0, &all) }).expect("a submit");
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())], "no time to wait, and no need to");
    selection.tick(now + SECOND);
    assert_eq!(outputs(&mut selection), []);
    assert_eq!(selection.cancel(RouteId(2)), Err(CancelError::OnItsWay));
    selection.put_back(now + SECOND, RouteId(2), Some(now + 60 * SECOND));
    assert_eq!(outputs(&mut selection), [timed_out(2)]);
    assert_eq!(selection.cancel(RouteId(2)), Err(CancelError::Unknown));
}

#[test]
fn asking_who_it_would_be_reserves_nobody() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    let all = [target(TargetKind::AgentGroup, "all")];
    for route in 1..=2 {
        selection.submit(now, Submit { deliver: false, ..submit(route, 0, 0, &all) }).expect("a submit");
        assert!(matches!(&outputs(&mut selection)[..], [Output::Found(found)] if found.agent == "anna"));
    }
}

#[test]
fn a_link_that_goes_down_ends_what_waited_there_alone() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let all = [target(TargetKind::AgentGroup, "all")];
    selection.submit(now, submit(1, 0, 0, &all)).expect("a submit");
    selection.submit(now, Submit { link: LinkId(1), ..submit(2, 0, 0, &all) }).expect("a submit");
    selection.link_down(LINK);
    assert_eq!(outputs(&mut selection), [Output::LinkDown(RouteId(1))]);
    assert!(selection.is_waiting(RouteId(2)));
}

#[derive(Clone, Debug)]
struct Asked {
    link: usize,
    priority: i32,
    since: i64,
    targets: usize,
    /// Seconds after which it may go to others.
    wider: Option<(u64, usize)>,
    /// Seconds, by how much, at most.
    aging: Option<(u64, u32, i32)>,
    wait: Option<u64>,
    clear: bool,
    deliver: bool,
    order: Order,
    statistic: &'static str,
}

#[derive(Clone, Debug)]
enum Happens {
    Agent { agent: usize, link: usize, ready: bool, capacity: u32, others: u32 },
    Snapshot { link: usize, agents: [bool; 3] },
    Submit(Asked),
    Cancel(usize),
    Remove(usize),
    Delivered(usize),
    PutBack(usize, Option<u64>),
    LinkDown(usize),
    Pass(u64),
}

fn asked() -> impl Strategy<Value = Asked> {
    let order = prop::sample::select(vec![Order::Any, Order::Min, Order::Max, Order::Percentage]);
    let statistics = vec!["StatAgentLoading", "StatTimeInReadyState", "StatAgentOccupancy", "StatCallsInQueue"];
    let waits = (prop::option::of(0..90u64), any::<bool>(), prop::bool::weighted(0.9));
    let grows = prop::option::of((1..20u64, 0..3u32, 0..5i32));
    let first = (0..2usize, 0..3i32, 0..9i64, 0..LISTS, prop::option::of((1..60u64, 0..LISTS)));
    (first, grows, waits, order, prop::sample::select(statistics)).prop_map(
        |((link, priority, since, targets, wider), aging, (wait, clear, deliver), order, statistic)| Asked {
            link,
            priority,
            since,
            targets,
            wider,
            aging,
            wait,
            clear,
            deliver,
            order,
            statistic,
        },
    )
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..3usize, 0..2usize, any::<bool>(), 0..4u32, 0..3u32)
            .prop_map(|(agent, link, ready, capacity, others)| Happens::Agent { agent, link, ready, capacity, others }),
        1 => (0..2usize, any::<[bool; 3]>()).prop_map(|(link, agents)| Happens::Snapshot { link, agents }),
        6 => asked().prop_map(Happens::Submit),
        1 => (0..20usize).prop_map(Happens::Cancel),
        1 => (0..20usize).prop_map(Happens::Remove),
        3 => (0..20usize).prop_map(Happens::Delivered),
        3 => (0..20usize, prop::option::of(0..90u64)).prop_map(|(route, rest)| Happens::PutBack(route, rest)),
        1 => (0..2usize).prop_map(Happens::LinkDown),
        3 => (0..60u64).prop_map(Happens::Pass),
    ]
}

const AGENTS: [&str; 3] = ["anna", "boris", "carol"];
/// Lists of targets there are.
const LISTS: usize = 6;

fn target_list(index: usize) -> Vec<Target> {
    match index {
        0 => vec![target(TargetKind::AgentGroup, "all")],
        1 => vec![target(TargetKind::Skill, "Billing >= 5")],
        2 => vec![target(TargetKind::Agent, "carol"), target(TargetKind::Skill, "Orders = 5")],
        3 => vec![target(TargetKind::Place, "place-anna")],
        4 => vec![target(TargetKind::PlaceGroup, "First Floor")],
        _ => vec![target(TargetKind::AgentGroup, "night"), target(TargetKind::Queue, "overflow")],
    }
}

/// Whom a list means, wherever they are; they never leave their places.
fn meant(index: usize) -> &'static [&'static str] {
    match index {
        0 => &["anna", "boris", "carol"],
        1 | 3 => &["anna"],
        2 => &["boris", "carol"],
        4 => &["anna", "boris"],
        _ => &["carol"],
    }
}

/// What a submit is, to the model.
struct Known {
    asked: Asked,
    number: u64,
    at: Instant,
    interaction: String,
    /// Lists that stayed with its interaction.
    carried: Vec<usize>,
    /// The agent it is assigned to.
    agent: Option<String>,
}

impl Known {
    fn age(&self, now: Instant) -> u64 {
        now.duration_since(self.at).as_secs()
    }

    fn lists(&self, now: Instant) -> Vec<usize> {
        let own = match self.asked.wider {
            Some((after, wider)) if self.age(now) >= after => wider,
            _ => self.asked.targets,
        };
        [own].into_iter().chain(self.carried.iter().copied()).collect()
    }

    fn means(&self, agent: &str, now: Instant) -> bool {
        self.lists(now).into_iter().any(|list| meant(list).contains(&agent))
    }

    fn has_queue(&self, now: Instant) -> bool {
        self.lists(now).contains(&(LISTS - 1))
    }

    /// Less is served first.
    fn line(&self, now: Instant) -> (i32, i64, u64) {
        let first = self.asked.priority;
        let priority = self.asked.aging.map_or(first, |(every, by, at_most)| {
            let grown = first + i32::try_from(self.age(now) / every).expect("few") * i32::try_from(by).expect("few");
            grown.min(at_most.max(first))
        });
        (-priority, self.asked.since, self.number)
    }
}

/// The straightforward way: every rule is asked of everybody.
struct Model {
    now: Instant,
    /// Of each link: ready, capacity, busy.
    agents: [BTreeMap<&'static str, (bool, u32, u32)>; 2],
    open: BTreeMap<u64, Known>,
    excluded: HashMap<(usize, String, String), Instant>,
    carried: HashMap<(usize, String), Vec<usize>>,
    ended: HashSet<u64>,
}

impl Model {
    fn ours(&self, link: usize, agent: &str) -> usize {
        self.open.values().filter(|known| known.asked.link == link && known.agent.as_deref() == Some(agent)).count()
    }

    fn is_excluded(&self, known: &Known, agent: &str) -> bool {
        let key = (known.asked.link, known.interaction.clone(), agent.to_owned());
        self.excluded.get(&key).is_some_and(|until| *until > self.now)
    }

    fn is_free(&self, link: usize, agent: &str) -> bool {
        let state = self.agents[link].get(agent).copied();
        state.is_some_and(|(ready, capacity, busy)| ready && busy as usize + self.ours(link, agent) < capacity as usize)
    }

    fn end(&mut self, id: u64) -> Result<Known, TestCaseError> {
        prop_assert!(self.ended.insert(id), "{} ended twice", id);
        self.open.remove(&id).ok_or_else(|| TestCaseError::fail(format!("{id} is not open")))
    }

    /// An agent is named: does it fit, and is nobody overtaken?
    fn chosen(&self, id: u64, link: LinkId, agent: &str) -> Result<(), TestCaseError> {
        let known = self.open.get(&id).ok_or_else(|| TestCaseError::fail(format!("{id} is not open")))?;
        prop_assert!(known.agent.is_none(), "assigned twice");
        prop_assert_eq!(link, LinkId(known.asked.link));
        prop_assert!(known.means(agent, self.now), "{} does not fit {:?}", agent, known.asked);
        prop_assert!(!self.is_excluded(known, agent), "left out, and chosen");
        prop_assert!(self.is_free(known.asked.link, agent), "{} past capacity", agent);
        for other in self.open.values() {
            let competes = other.asked.link == known.asked.link && other.agent.is_none() && other.number != id;
            if competes && other.means(agent, self.now) && !self.is_excluded(other, agent) {
                prop_assert!(other.line(self.now) > known.line(self.now), "{} overtakes {}", id, other.number);
            }
        }
        Ok(())
    }

    fn heard(&mut self, output: Output) -> Result<(), TestCaseError> {
        match output {
            Output::Assign(found) => {
                self.chosen(found.route.0, found.link, &found.agent)?;
                self.open.get_mut(&found.route.0).expect("checked").agent = Some(found.agent);
            }
            Output::Found(found) => {
                self.chosen(found.route.0, found.link, &found.agent)?;
                self.end(found.route.0)?;
            }
            Output::Place(placed) => {
                let known = self.end(placed.route.0)?;
                prop_assert_eq!(placed.target.name.as_str(), "overflow");
                prop_assert!(known.has_queue(self.now));
                // Where targets are compared, or share, the queue may be the one; else somebody would come before it.
                let first = meant(*known.lists(self.now).first().expect("a list"));
                if known.asked.order == Order::Any && known.lists(self.now)[0] == LISTS - 1 {
                    let free =
                        |agent: &&&str| self.is_free(known.asked.link, agent) && !self.is_excluded(&known, agent);
                    prop_assert!(first.iter().find(free).is_none(), "somebody before the queue was free");
                }
            }
            Output::TimedOut { route, .. } => {
                let known = self.end(route.0)?;
                prop_assert!(known.asked.wait.is_some_and(|wait| known.age(self.now) >= wait), "too early");
                let key = (known.asked.link, known.interaction.clone());
                if known.asked.clear {
                    self.carried.remove(&key);
                } else {
                    self.carried.insert(key, known.lists(self.now));
                }
            }
            Output::LinkDown(route) => {
                self.end(route.0)?;
            }
        }
        Ok(())
    }

    /// Nobody waits while somebody who fits is free, or a queue would take it.
    fn nobody_waits_for_nothing(&self) -> Result<(), TestCaseError> {
        for known in self.open.values().filter(|known| known.agent.is_none()) {
            prop_assert!(!known.has_queue(self.now), "{:?} waits beside a queue", known.asked);
            let (age, wait) = (self.now.duration_since(known.at), known.asked.wait.map(Duration::from_secs));
            prop_assert!(wait.is_none_or(|wait| age < wait), "{:?} waits for too long", known.asked);
            for agent in AGENTS.into_iter().filter(|agent| known.means(agent, self.now)) {
                prop_assert!(
                    self.is_excluded(known, agent) || !self.is_free(known.asked.link, agent),
                    "{:?} waits while {} is free",
                    known.asked,
                    agent
                );
            }
        }
        Ok(())
    }
}

fn submit_of(id: u64, interaction: &str, now: Instant, asked: &Asked) -> Submit {
    let seconds = Duration::from_secs;
    Submit {
        link: LinkId(asked.link),
        interaction: interaction.to_owned(),
        deadline: asked.wait.map(|wait| now + seconds(wait)),
        deliver: asked.deliver,
        clear_on_timeout: asked.clear,
        choice: Choice::new(asked.order, Some(asked.statistic)).expect("a statistic"),
        aging: asked.aging.map(|(every, by, at_most)| Aging { every: seconds(every), by, at_most }),
        relaxation: asked
            .wider
            .map(|(after, list)| Step { after: seconds(after), targets: target_list(list) })
            .into_iter()
            .collect(),
        ..submit(id, asked.priority, asked.since, &target_list(asked.targets))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_rules_hold_after_every_step(steps in prop::collection::vec(happens(), 1..70)) {
        let mut selection = Selection::new(directory());
        let mut model = Model {
            now: Instant::now(),
            agents: Default::default(),
            open: BTreeMap::new(),
            excluded: HashMap::new(),
            carried: HashMap::new(),
            ended: HashSet::new(),
        };
        let mut last = 0;
        for step in steps {
            let now = model.now;
            match step {
                Happens::Agent { agent, link, ready, capacity, others } => {
                    model.agents[link].insert(AGENTS[agent], (ready, capacity, others));
                    selection.agent(now, LinkId(link), &state(AGENTS[agent], ready, capacity, others, 0));
                }
                Happens::Snapshot { link, agents: there } => {
                    model.agents[link].clear();
                    let mut states = Vec::new();
                    for (agent, _) in AGENTS.iter().zip(there).filter(|(_, there)| *there) {
                        model.agents[link].insert(agent, (true, 2, 0));
                        states.push(state(agent, true, 2, 0, 0));
                    }
                    selection.agents(now, LinkId(link), &states);
                }
                Happens::Submit(asked) => {
                    last += 1;
                    let interaction = format!("interaction-{}", last % 7);
                    let is_it = |known: &&Known| known.asked.link == asked.link && known.interaction == interaction;
                    let busy = model.open.values().any(|known| is_it(&known));
                    let result = selection.submit(now, submit_of(last, &interaction, now, &asked));
                    prop_assert_eq!(result.is_err(), busy, "{:?}", result);
                    if !busy {
                        let carried = model.carried.get(&(asked.link, interaction.clone())).cloned();
                        let carried = carried.unwrap_or_default();
                        let known = Known { asked, number: last, at: now, interaction, carried, agent: None };
                        model.open.insert(last, known);
                    }
                }
                Happens::Cancel(index) => {
                    if let Some(id) = model.open.keys().nth(index).copied() {
                        let waits = model.open[&id].agent.is_none();
                        prop_assert_eq!(selection.cancel(RouteId(id)).is_ok(), waits);
                        if waits {
                            let known = model.end(id)?;
                            model.carried.remove(&(known.asked.link, known.interaction));
                        }
                    }
                }
                Happens::Remove(index) => {
                    if let Some(id) = model.open.keys().nth(index).copied() {
                        model.end(id)?;
                        selection.remove(now, RouteId(id));
                    }
                }
                Happens::Delivered(index) => {
                    let assigned = model.open.iter().filter(|(_, known)| known.agent.is_some());
                    if let Some(id) = assigned.map(|(id, _)| *id).nth(index) {
                        model.end(id)?;
                        selection.delivered(now, RouteId(id));
                    }
                }
                Happens::PutBack(index, rest) => {
                    let assigned = model.open.iter().filter(|(_, known)| known.agent.is_some());
                    if let Some(id) = assigned.map(|(id, _)| *id).nth(index) {
                        let until = rest.map(|rest| now + Duration::from_secs(rest));
                        let known = model.open.get_mut(&id).expect("it is open");
                        let agent = known.agent.take().expect("it is assigned");
                        if let Some(until) = until {
                            let key = (known.asked.link, known.interaction.clone(), agent);
                            let latest = model.excluded.get(&key).map_or(until, |before| until.max(*before));
                            model.excluded.insert(key, latest);
                        }
                        selection.put_back(now, RouteId(id), until);
                    }
                }
                Happens::LinkDown(link) => {
                    model.agents[link].clear();
                    model.excluded.retain(|(of, _, _), _| *of != link);
                    selection.link_down(LinkId(link));
                }
                Happens::Pass(seconds) => {
                    let end = now + Duration::from_secs(seconds);
                    while let Some(at) = selection.next_deadline().filter(|at| *at <= end) {
                        model.now = at;
                        selection.tick(at);
                        for output in outputs(&mut selection) {
                            model.heard(output)?;
                        }
                        model.nobody_waits_for_nothing()?;
                    }
                    model.now = end;
                }
            }
            for output in outputs(&mut selection) {
                model.heard(output)?;
            }
            model.nobody_waits_for_nothing()?;
        }
        // Each has ended once, or goes on.
        for id in 1..=last {
            let goes_on = model.open.contains_key(&id);
            prop_assert_eq!(selection.contains(RouteId(id)), goes_on);
        }
    }
}
