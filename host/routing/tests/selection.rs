//! What target selection promises, with no time passing and nobody there.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use jackfield_routing::{
    AgentProfile, AgentState, Assigned, CancelError, Directory, LinkId, MediaState, Output, RouteId, Selection, Submit,
    SubmitError, Target, TargetError, TargetKind,
};
use proptest::prelude::*;

const LINK: LinkId = LinkId(0);
const SECOND: Duration = Duration::from_secs(1);

fn directory() -> Directory {
    let agent = |skills: &[(&str, i32)], groups: &[&str]| AgentProfile {
        skills: skills.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    };
    [
        ("anna".to_owned(), agent(&[("Billing", 7)], &["all"])),
        ("boris".to_owned(), agent(&[("Billing", 3), ("Orders", 5)], &["all"])),
        ("carol".to_owned(), agent(&[("Orders", 9)], &["all", "night"])),
    ]
    .into_iter()
    .collect()
}

fn state(agent: &str, ready: bool, capacity: u32, busy: u32, ready_since: i64) -> AgentState {
    let media = MediaState { media_type: "email".into(), ready, capacity, busy, ready_since };
    AgentState { agent: agent.into(), place: format!("place-{agent}"), media: vec![media] }
}

fn target(kind: TargetKind, name: &str) -> Target {
    Target { kind, name: name.into() }
}

fn submit(route: u64, priority: i32, since: i64, targets: &[Target]) -> Submit {
    Submit {
        route: RouteId(route),
        link: LINK,
        interaction: format!("interaction-{route}"),
        media_type: "email".into(),
        priority,
        since,
        targets: targets.to_vec(),
        deadline: None,
        deliver: true,
    }
}

fn outputs(selection: &mut Selection) -> Vec<Output> {
    std::iter::from_fn(|| selection.poll()).collect()
}

fn assigned(selection: &mut Selection) -> Vec<(u64, String)> {
    outputs(selection)
        .into_iter()
        .map(|output| match output {
            Output::Assign(Assigned { route, agent, .. }) => (route.0, agent),
            other => panic!("{other:?}"),
        })
        .collect()
}

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
    assert_eq!(outputs(&mut selection), [Output::TimedOut(RouteId(1))]);
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    selection.submit(now, Submit { deadline: Some(now), ..submit(2, 0, 0, &all) }).expect("a submit");
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())], "no time to wait, and no need to");
    selection.tick(now + SECOND);
    assert_eq!(outputs(&mut selection), []);
    assert_eq!(selection.cancel(RouteId(2)), Err(CancelError::OnItsWay));
    selection.put_back(now + SECOND, RouteId(2), Some(now + 60 * SECOND));
    assert_eq!(outputs(&mut selection), [Output::TimedOut(RouteId(2))]);
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
enum Step {
    Agent { agent: usize, link: usize, ready: bool, capacity: u32, others: u32 },
    Snapshot { link: usize, agents: [bool; 3] },
    Submit { link: usize, priority: i32, since: i64, targets: usize, wait: Option<u64>, deliver: bool },
    Cancel(usize),
    Remove(usize),
    Delivered(usize),
    PutBack(usize, Option<u64>),
    LinkDown(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 0..2usize, any::<bool>(), 0..4u32, 0..3u32)
            .prop_map(|(agent, link, ready, capacity, others)| Step::Agent { agent, link, ready, capacity, others }),
        1 => (0..2usize, any::<[bool; 3]>()).prop_map(|(link, agents)| Step::Snapshot { link, agents }),
        6 => (0..2usize, 0..3i32, 0..9i64, 0..4usize, prop::option::of(0..90u64), prop::bool::weighted(0.9)).prop_map(
            |(link, priority, since, targets, wait, deliver)| Step::Submit { link, priority, since, targets, wait, deliver }
        ),
        1 => (0..20usize).prop_map(Step::Cancel),
        1 => (0..20usize).prop_map(Step::Remove),
        3 => (0..20usize).prop_map(Step::Delivered),
        3 => (0..20usize, prop::option::of(0..90u64)).prop_map(|(route, rest)| Step::PutBack(route, rest)),
        1 => (0..2usize).prop_map(Step::LinkDown),
        2 => (0..60u64).prop_map(Step::Pass),
    ]
}

/// What a submit is, to the model.
struct Known {
    link: usize,
    order: (i32, i64, u64),
    targets: usize,
    interaction: String,
    /// The agent it is assigned to.
    agent: Option<String>,
}

const AGENTS: [&str; 3] = ["anna", "boris", "carol"];

fn target_list(index: usize) -> Vec<Target> {
    match index {
        0 => vec![target(TargetKind::AgentGroup, "all")],
        1 => vec![target(TargetKind::Skill, "Billing >= 5")],
        2 => vec![target(TargetKind::Agent, "carol"), target(TargetKind::Skill, "Orders = 5")],
        _ => vec![target(TargetKind::Place, "place-anna")],
    }
}

fn meant(index: usize) -> &'static [&'static str] {
    match index {
        0 => &["anna", "boris", "carol"],
        1 => &["anna"],
        2 => &["boris", "carol"],
        _ => &["anna"],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_rules_hold_after_every_step(steps in prop::collection::vec(step(), 1..70)) {
        let mut selection = Selection::new(directory());
        let mut now = Instant::now();
        // Of each link: ready, capacity, busy.
        let mut agents: [BTreeMap<&str, (bool, u32, u32)>; 2] = Default::default();
        let mut open: BTreeMap<u64, Known> = BTreeMap::new();
        let mut excluded: HashMap<(usize, String, String), Instant> = HashMap::new();
        let mut ended: HashSet<u64> = HashSet::new();
        let mut last = 0;
        for step in steps {
            let mut gone = Vec::new();
            match step {
                Step::Agent { agent, link, ready, capacity, others } => {
                    agents[link].insert(AGENTS[agent], (ready, capacity, others));
                    selection.agent(now, LinkId(link), &state(AGENTS[agent], ready, capacity, others, 0));
                }
                Step::Snapshot { link, agents: there } => {
                    agents[link].clear();
                    let mut states = Vec::new();
                    for (agent, _) in AGENTS.iter().zip(there).filter(|(_, there)| *there) {
                        agents[link].insert(agent, (true, 2, 0));
                        states.push(state(agent, true, 2, 0, 0));
                    }
                    selection.agents(now, LinkId(link), &states);
                }
                Step::Submit { link, priority, since, targets, wait, deliver } => {
                    last += 1;
                    let interaction = format!("interaction-{}", last % 7);
                    let busy = open.values().any(|known| known.link == link && known.interaction == interaction);
                    let result = selection.submit(now, Submit {
                        link: LinkId(link),
                        interaction: interaction.clone(),
                        deadline: wait.map(|wait| now + Duration::from_secs(wait)),
                        deliver,
                        ..submit(last, priority, since, &target_list(targets))
                    });
                    prop_assert_eq!(result.is_err(), busy, "{:?}", result);
                    if !busy {
                        let order = (-priority, since, last);
                        open.insert(last, Known { link, order, targets, interaction, agent: None });
                    }
                }
                Step::Cancel(index) => {
                    if let Some(id) = open.keys().nth(index).copied() {
                        let waits = open[&id].agent.is_none();
                        prop_assert_eq!(selection.cancel(RouteId(id)).is_ok(), waits);
                        if waits { gone.push(id); }
                    }
                }
                Step::Remove(index) => {
                    if let Some(id) = open.keys().nth(index).copied() {
                        selection.remove(now, RouteId(id));
                        gone.push(id);
                    }
                }
                Step::Delivered(index) => {
                    let id = open.iter().filter(|(_, known)| known.agent.is_some()).map(|(id, _)| *id).nth(index);
                    if let Some(id) = id {
                        selection.delivered(now, RouteId(id));
                        gone.push(id);
                    }
                }
                Step::PutBack(index, rest) => {
                    let id = open.iter().filter(|(_, known)| known.agent.is_some()).map(|(id, _)| *id).nth(index);
                    if let Some(id) = id {
                        let until = rest.map(|rest| now + Duration::from_secs(rest));
                        let known = open.get_mut(&id).expect("it is open");
                        let agent = known.agent.take().expect("it is assigned");
                        if let Some(until) = until {
                            let key = (known.link, known.interaction.clone(), agent);
                            let latest = excluded.get(&key).map_or(until, |before| until.max(*before));
                            excluded.insert(key, latest);
                        }
                        selection.put_back(now, RouteId(id), until);
                    }
                }
                Step::LinkDown(link) => {
                    agents[link].clear();
                    excluded.retain(|(of, _, _), _| *of != link);
                    selection.link_down(LinkId(link));
                }
                Step::Pass(seconds) => {
                    now += Duration::from_secs(seconds);
                    selection.tick(now);
                }
            }
            for id in gone {
                open.remove(&id);
                prop_assert!(ended.insert(id), "ended twice");
            }
            for output in outputs(&mut selection) {
                match output {
                    Output::Assign(found) | Output::Found(found) if !open.contains_key(&found.route.0) =>
                        prop_assert!(false, "{found:?} is not open"),
                    Output::Assign(found) => {
                        let known = open.get_mut(&found.route.0).expect("checked");
                        prop_assert!(known.agent.is_none(), "assigned twice");
                        prop_assert_eq!(found.link, LinkId(known.link));
                        prop_assert!(meant(known.targets).contains(&found.agent.as_str()), "{:?}", found);
                        let key = (known.link, known.interaction.clone(), found.agent.clone());
                        prop_assert!(excluded.get(&key).is_none_or(|until| *until <= now), "left out, and chosen");
                        known.agent = Some(found.agent.clone());
                        let (ready, capacity, busy) = agents[known.link].get(found.agent.as_str()).copied()
                            .expect("the agent is there");
                        let link = known.link;
                        let ours = open.values()
                            .filter(|other| other.link == link && other.agent.as_deref() == Some(&found.agent)).count();
                        prop_assert!(ready && busy as usize + ours <= capacity as usize, "past capacity");
                    }
                    Output::Found(found) => {
                        let known = open.remove(&found.route.0).expect("checked");
                        prop_assert!(meant(known.targets).contains(&found.agent.as_str()));
                        prop_assert!(ended.insert(found.route.0), "ended twice");
                    }
                    Output::TimedOut(route) | Output::LinkDown(route) => {
                        let known = open.remove(&route.0);
                        prop_assert!(known.is_some(), "not open");
                        prop_assert!(ended.insert(route.0), "ended twice");
                    }
                }
            }
            // Nobody waits while somebody who fits is free; so nobody was overtaken for that agent either.
            for (id, known) in open.iter().filter(|(_, known)| known.agent.is_none()) {
                for agent in meant(known.targets) {
                    let Some((ready, capacity, busy)) = agents[known.link].get(agent).copied() else { continue };
                    let ours = open.values()
                        .filter(|other| other.link == known.link && other.agent.as_deref() == Some(agent)).count();
                    let key = (known.link, known.interaction.clone(), (*agent).to_owned());
                    let left_out = excluded.get(&key).is_some_and(|until| *until > now);
                    prop_assert!(
                        left_out || !ready || busy as usize + ours >= capacity as usize,
                        "{} {:?} waits while {} is free", id, known.order, agent
                    );
                }
            }
        }
        prop_assert_eq!(ended.len() + open.len(), {
            let mut all = ended.clone();
            all.extend(open.keys());
            all.len()
        });
    }
}
