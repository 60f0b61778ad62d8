//! Which of those that fit: the order of the targets, thresholds, statistics, weights.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::time::Instant;

use jackfield_routing::{
    Activity, AgentState, Assigned, Choice, Directory, LinkId, Order, Output, Placed, RouteId, Selection, Submit,
    Target, TargetKind, Threshold, Verdict, WrittenTarget,
};
use proptest::prelude::*;

use self::support::{LINK, SECOND, assigned, directory, media, outputs, profile, state, submit, target};

fn written(text: &str) -> Vec<Target> {
    let targets = WrittenTarget::parse_list(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    targets.into_iter().map(Target::from).collect()
}

fn choice(order: Order, statistic: &str) -> Choice {
    Choice::new(order, Some(statistic)).expect("a statistic")
}

/// Whom it would be, and for which target; `None`: it waits.
fn ask(selection: &mut Selection, now: Instant, route: u64, choice: Choice, targets: &str) -> Option<(String, String)> {
    let submit = Submit { choice, deliver: false, ..submit(route, 0, 0, &written(targets)) };
    selection.submit(now, submit).expect("a submit");
    match &outputs(selection)[..] {
        [Output::Found(Assigned { agent, target, .. })] => Some((agent.clone(), target.name.clone())),
        [Output::Place(Placed { target, .. })] => Some((String::new(), target.name.clone())),
        [] => {
            selection.cancel(RouteId(route)).expect("it waits");
            None
        }
        others => panic!("{others:?}"),
    }
}

fn found(agent: &str, target: &str) -> Option<(String, String)> {
    Some((agent.to_owned(), target.to_owned()))
}

#[test]
fn the_target_that_stands_first_is_served_first_and_a_queue_is_one_of_them() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let any = Choice::default();
    selection.agents(now, LINK, &[state("anna", true, 4, 3, 0), state("carol", true, 4, 0, 0)]);
    let first = ask(&mut selection, now, 1, any, "anna@.A, night@.GA");
    assert_eq!(first, found("anna", "anna"), "whoever is less loaded");
    assert_eq!(ask(&mut selection, now, 2, any, "boris@.A, overflow@.Q, anna@.A"), found("", "overflow"));
    assert_eq!(ask(&mut selection, now, 3, any, "boris@.A, anna@.A, overflow@.Q"), found("anna", "anna"));
    let least = choice(Order::Min, "StatAgentLoading");
    assert_eq!(ask(&mut selection, now, 4, least, "overflow@.Q, anna@.A, night@.GA"), found("carol", "night"));
    assert_eq!(ask(&mut selection, now, 5, least, "overflow@.Q, boris@.A"), found("", "overflow"), "nobody else");
    let workbin = Target { workbin: Some("drafts".into()), ..target(TargetKind::Agent, "boris") };
    selection.submit(now, submit(6, 0, 0, std::slice::from_ref(&workbin))).expect("a submit");
    assert!(matches!(&outputs(&mut selection)[..], [Output::Place(placed)] if placed.target == workbin));
}

#[test]
fn place_groups_mean_whoever_sits_there() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let any = Choice::default();
    selection.agents(now, LINK, &[state("anna", true, 1, 0, 0), state("carol", true, 1, 0, 0)]);
    assert_eq!(ask(&mut selection, now, 1, any, "Second Floor@.GP"), found("carol", "Second Floor"));
    assert_eq!(ask(&mut selection, now, 2, any, "Window@.GP"), None);
    selection.submit(now, submit(3, 0, 0, &written("Window@.GP"))).expect("a submit");
    // She changes her place while it waits.
    selection.agent(now, LINK, &AgentState { place: "place-boris".into(), ..state("carol", true, 1, 0, 0) });
    assert_eq!(assigned(&mut selection), [(3, "carol".to_owned())]);
    assert_eq!(ask(&mut selection, now, 4, any, "Second Floor@.GP"), None);
}

#[test]
fn a_target_counts_only_while_its_threshold_holds() {
    let mut now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(now, LINK, &[state("anna", true, 3, 0, 0), state("carol", false, 1, 0, 0)]);
    let any = Choice::default();
    assert_eq!(ask(&mut selection, now, 1, any, "{StatAgentsReady>1}all@.GA, overflow@.Q"), found("", "overflow"));
    // It waits, and is taken within a second after the statistic has changed, though nobody became free.
    selection.submit(now, submit(2, 0, 0, &written("{StatCallsInQueue<2}all@.GA"))).expect("a submit");
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())]);
    for route in 3..=4 {
        let night = submit(route, 0, 0, &written("{StatAgentsReady>0}night@.GA, {StatCallsInQueue<2}all@.GA"));
        selection.submit(now, night).expect("a submit");
    }
    assert_eq!(assigned(&mut selection), [(3, "anna".to_owned()), (4, "anna".to_owned())]);
    selection.delivered(now, RouteId(3));
    selection
        .submit(now, submit(5, 0, 0, &written("{StatAgentsReady>1}anna@.A, {StatAgentsReady>1}all@.GA")))
        .expect("a submit");
    assert_eq!(outputs(&mut selection), []);
    let why = selection.why(now, LINK, "interaction-5").expect("it waits");
    assert_eq!((why.candidates[0].agent.as_str(), why.candidates[0].verdict), ("anna", Verdict::Threshold));
    assert_eq!(why.candidates[0].detail, "StatAgentsReady is 1, not StatAgentsReady>1");
    selection.agent(now, LINK, &state("boris", true, 0, 0, 0));
    assert_eq!(outputs(&mut selection), [], "boris has no room");
    now += SECOND;
    assert!(selection.next_deadline().is_some_and(|at| at <= now));
    selection.tick(now);
    assert_eq!(assigned(&mut selection), [(5, "anna".to_owned())]);
    assert!(Threshold::parse("StatCallsInQueue").is_err());
}

#[test]
fn a_statistic_of_agents_chooses_the_agent_and_any_other_the_target() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let at = |agent: &str, busy, ready_since, work| {
        let activity = Activity { at: 1_000_000, busy: work, ..Activity::default() };
        AgentState { activity, ..state(agent, true, 10, busy, ready_since) }
    };
    let agents = [at("anna", 1, 300, 900_000), at("boris", 2, 100, 500_000), at("carol", 3, 200, 100_000)];
    selection.agents(now, LINK, &agents);
    let mut route = 0;
    let mut by = |selection: &mut Selection, order, statistic: &str, targets: &str| {
        route += 1;
        ask(selection, now, route, choice(order, statistic), targets).expect("somebody").0
    };
    assert_eq!(by(&mut selection, Order::Min, "StatAgentLoading", "night@.GA, all@.GA"), "anna");
    assert_eq!(by(&mut selection, Order::Max, "StatAgentLoading", "all@.GA"), "carol");
    assert_eq!(by(&mut selection, Order::Max, "StatTimeInReadyState", "night@.GA, all@.GA"), "boris");
    assert_eq!(by(&mut selection, Order::Min, "StatTimeInReadyState", "all@.GA"), "anna");
    assert_eq!(by(&mut selection, Order::Min, "StatAgentOccupancy", "anna@.A, all@.GA"), "carol");
    assert_eq!(by(&mut selection, Order::Max, "StatAgentOccupancy", "all@.GA"), "anna");
    // Of groups: the one with the fewest busy agents, and in it the least loaded.
    assert_eq!(by(&mut selection, Order::Min, "StatAgentsBusy", "?:Billing > 0@.GA, night@.GA"), "carol");
    assert_eq!(by(&mut selection, Order::Max, "StatAgentsBusy", "night@.GA, ?:Billing > 0@.GA"), "anna");
    // One of which nothing is known comes last.
    assert_eq!(by(&mut selection, Order::Min, "StatAgentsBusy", "overflow@.Q, all@.GA"), "anna");
    selection.queue_length(LINK, "overflow", 3);
    selection.queue_length(LINK, "spare", 2);
    let shortest = choice(Order::Min, "StatCallsInQueue");
    assert_eq!(ask(&mut selection, now, 99, shortest, "overflow@.Q, spare@.Q"), found("", "spare"));
}

#[test]
fn shares_come_to_their_weights() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let agents = [state("anna", true, 1, 0, 0), state("boris", true, 1, 0, 0), state("carol", true, 1, 0, 0)];
    selection.agents(now, LINK, &agents);
    let weights = choice(Order::Percentage, "StatAgentLoading");
    let mut shares = [0.0; 3];
    const ASKED: u64 = 20_000;
    for route in 0..ASKED {
        let (agent, _) =
            ask(&mut selection, now, route, weights, "[50]anna@.A, [30]boris@.A, [20]night@.GA").expect("one");
        shares[["anna", "boris", "carol"].iter().position(|name| *name == agent).expect("known")] += 1.0;
    }
    for (share, weight) in shares.into_iter().zip([0.5, 0.3, 0.2]) {
        let share = share / ASKED as f64;
        assert!((share - weight).abs() < 0.01, "{share} instead of {weight}");
    }
    // Whoever has no room leaves the rest to the others.
    selection.agent(now, LINK, &state("anna", false, 1, 0, 0));
    let mut nights = 0.0;
    for route in ASKED..2 * ASKED {
        let (agent, _) =
            ask(&mut selection, now, route, weights, "[50]anna@.A, [30]boris@.A, [20]night@.GA").expect("one");
        nights += f64::from(u8::from(agent == "carol"));
    }
    assert!((nights / ASKED as f64 - 0.4).abs() < 0.015, "{nights}");
}

/// Level, capacity, busy, ready, ready since, time at work.
type Agent = (i32, u32, u32, bool, i64, i64);

fn agents() -> impl Strategy<Value = Vec<Agent>> {
    let agent = (0..8i32, 1..4u32, 0..4u32, prop::bool::weighted(0.7), 0..20i64, 0..9i64);
    prop::collection::vec(agent, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_choice_is_the_one_a_scan_makes(
        agents in agents(),
        levels in prop::collection::vec(0..9i32, 1..5),
        order in prop::sample::select(vec![Order::Any, Order::Min, Order::Max]),
        statistic in prop::sample::select(vec!["StatAgentLoading", "StatTimeInReadyState", "StatAgentOccupancy", "StatAgentsReady"]),
    ) {
        let now = Instant::now();
        let name = |index: usize| format!("agent-{index:02}");
        let directory: Directory = agents.iter().enumerate().map(|(index, agent)| (name(index), profile(&[("a", agent.0)], &[]))).collect();
        let mut selection = Selection::new(directory);
        let states: Vec<AgentState> = agents.iter().enumerate().map(|(index, agent)| AgentState {
            activity: Activity { at: 1_000, busy: agent.5 * 100, ..Activity::default() },
            media: vec![media(agent.3, agent.1, agent.2, agent.4)],
            ..state(&name(index), true, 1, 0, 0)
        }).collect();
        selection.agents(now, LINK, &states);
        let text = levels.iter().map(|level| format!("?:a >= {level}@.GA")).collect::<Vec<_>>().join(",");
        let chosen = ask(&mut selection, now, 1, choice(order, statistic), &text);

        let agents = &agents;
        let free = |index: &usize| agents[*index].3 && agents[*index].2 < agents[*index].1;
        let meant = |index: usize| levels.iter().position(|level| agents[index].0 >= *level);
        // Exact, to be compared: part of the capacity in use (capacities divide 12), since when, who.
        let rank = |index: usize| (agents[index].2 * 12 / agents[index].1, agents[index].4, index);
        let of_level = |level: i32| (0..agents.len()).filter(&free).filter(move |index| agents[*index].0 >= level);
        let value = |index: usize| match statistic {
            "StatAgentLoading" => i64::from(agents[index].2 * 12 / agents[index].1),
            "StatTimeInReadyState" => -agents[index].4,
            _ => agents[index].5,
        };
        let sign = if order == Order::Max { -1 } else { 1 };
        let expected = match order {
            Order::Any => levels.iter().find_map(|level| of_level(*level).min_by_key(|index| rank(*index))),
            _ if statistic == "StatAgentsReady" => {
                let ready = |level: i32| agents.iter().filter(|agent| agent.0 >= level && agent.3).count() as i64;
                let able = levels.iter().enumerate().filter(|(_, level)| of_level(**level).next().is_some());
                let target = able.min_by_key(|(place, level)| (sign * ready(**level), *place));
                target.and_then(|(_, level)| of_level(*level).min_by_key(|index| rank(*index)))
            }
            _ => (0..agents.len()).filter(&free).filter(|index| meant(*index).is_some())
                .min_by_key(|index| (sign * value(*index), rank(*index))),
        };
        prop_assert_eq!(chosen.map(|(agent, _)| agent), expected.map(name), "{}", text);
        prop_assert_eq!(selection.waiting(LinkId(0)), 0);
    }
}
