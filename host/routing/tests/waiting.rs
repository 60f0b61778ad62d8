//! What time does to what waits: priorities that grow, wider targets, targets that stay, and where one stands.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use jackfield_routing::{
    Activity, AgentState, Aging, CancelError, Output, RouteId, Selection, Step, Submit, SubmitError, TargetKind,
    Verdict, find_statistic,
};

use self::support::{LINK, SECOND, assigned, directory, outputs, state, submit, target, timed_out};

fn all() -> Vec<jackfield_routing::Target> {
    vec![target(TargetKind::AgentGroup, "all")]
}

/// Lets time pass, stopping wherever there is something to do.
fn pass(selection: &mut Selection, from: Instant, time: Duration) -> Instant {
    let end = from + time;
    while let Some(at) = selection.next_deadline().filter(|at| *at <= end) {
        selection.tick(at);
    }
    end
}

#[test]
fn what_waits_for_longer_overtakes_what_began_with_more() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let aging = Aging { every: 10 * SECOND, by: 2, at_most: 5 };
    selection.submit(now, submit(1, 4, 0, &all())).expect("a submit");
    selection.submit(now, Submit { aging: Some(aging), ..submit(2, 1, 0, &all()) }).expect("a submit");
    // The same, asked 25 s ago over a connection that was lost.
    let old = Submit { aging: Some(aging), waited: 25 * SECOND, ..submit(3, 0, 0, &all()) };
    selection.submit(now, old).expect("a submit");
    let priority =
        |selection: &Selection, now, route| selection.standing(now, RouteId(route)).expect("it waits").priority;
    assert_eq!([1, 2, 3].map(|route| priority(&selection, now, route)), [4, 1, 4]);
    let now = pass(&mut selection, now, 5 * SECOND);
    assert_eq!([1, 2, 3].map(|route| priority(&selection, now, route)), [4, 1, 5], "its 30 s are over");
    let now = pass(&mut selection, now, 15 * SECOND);
    assert_eq!([1, 2, 3].map(|route| priority(&selection, now, route)), [4, 5, 5], "no more than that");
    assert_eq!(selection.next_deadline(), None, "nothing grows any more");
    let position = |route| selection.standing(now, RouteId(route)).expect("it waits").position;
    assert_eq!([1, 2, 3].map(position), [3, 1, 2], "of equals the one that was submitted first");
    selection.agent(now, LINK, &state("anna", true, 3, 0, 0));
    assert_eq!(assigned(&mut selection).into_iter().map(|(route, _)| route).collect::<Vec<_>>(), [2, 3, 1]);
}

#[test]
fn a_priority_grows_while_an_agent_is_asked() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    let aging = Aging { every: SECOND, by: 1, at_most: 100 };
    selection.submit(now, Submit { aging: Some(aging), ..submit(1, 0, 0, &all()) }).expect("a submit");
    assert_eq!(assigned(&mut selection).len(), 1);
    selection.submit(now, submit(2, 5, 0, &all())).expect("a submit");
    let now = pass(&mut selection, now, 10 * SECOND);
    selection.put_back(now, RouteId(1), None);
    assert_eq!(assigned(&mut selection), [(1, "anna".to_owned())], "it comes before the other now");
}

#[test]
fn targets_widen_step_by_step() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(now, LINK, &[state("boris", true, 1, 0, 0), state("carol", true, 1, 0, 0)]);
    let step = |after: u64, kind, name| Step { after: Duration::from_secs(after), targets: vec![target(kind, name)] };
    let relaxation = vec![step(10, TargetKind::Skill, "Billing >= 5"), step(30, TargetKind::Skill, "Billing >= 3")];
    let first = [target(TargetKind::Agent, "anna")];
    let bill = Submit { relaxation: relaxation.clone(), ..submit(1, 0, 0, &first) };
    selection.submit(now, bill.clone()).expect("a submit");
    let later = pass(&mut selection, now, 29 * SECOND);
    assert_eq!(outputs(&mut selection), []);
    pass(&mut selection, later, SECOND);
    assert_eq!(assigned(&mut selection), [(1, "boris".to_owned())]);
    // Submitted again after its connection came back, it goes on from where it was.
    let again = Submit { route: RouteId(2), interaction: "again".into(), waited: 45 * SECOND, ..bill.clone() };
    selection.submit(now, again).expect("a submit");
    selection.delivered(now, RouteId(1));
    assert_eq!(assigned(&mut selection), [(2, "boris".to_owned())]);
    let wrong = Submit { relaxation: relaxation.iter().rev().cloned().collect(), ..submit(3, 0, 0, &first) };
    assert_eq!(selection.submit(now, wrong), Err(SubmitError::Steps));
    let nowhere = Submit { relaxation: vec![step(10, TargetKind::AgentGroup, "nobody")], ..submit(3, 0, 0, &first) };
    assert!(selection.submit(now, nowhere).is_err(), "told at once, not when it is their turn");
    assert!(!selection.contains(RouteId(3)));
}

#[test]
fn of_those_that_widen_at_the_same_moment_the_first_in_line_is_served_first() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agent(now, LINK, &state("boris", true, 1, 0, 0));
    let step = Step { after: 10 * SECOND, targets: all() };
    for (route, priority) in [(1, 0), (2, 5), (3, 1)] {
        let night = [target(TargetKind::AgentGroup, "night")];
        let submit = Submit { relaxation: vec![step.clone()], ..submit(route, priority, 0, &night) };
        selection.submit(now, submit).expect("a submit");
    }
    selection.tick(now + 10 * SECOND);
    assert_eq!(assigned(&mut selection), [(2, "boris".to_owned())]);
}

#[test]
fn a_queue_of_a_later_step_takes_what_nobody_took() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let overflow = Step { after: 60 * SECOND, targets: vec![target(TargetKind::Queue, "overflow")] };
    selection.submit(now, Submit { relaxation: vec![overflow], ..submit(1, 0, 0, &all()) }).expect("a submit");
    pass(&mut selection, now, 60 * SECOND);
    assert!(matches!(&outputs(&mut selection)[..], [Output::Place(placed)] if placed.target.name == "overflow"));
    assert!(!selection.contains(RouteId(1)));
}

#[test]
fn targets_stay_after_a_timeout_until_a_submit_is_cancelled() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(now, LINK, &[state("anna", false, 1, 0, 0), state("boris", false, 1, 0, 0)]);
    let of = |route, agent: &str| Submit {
        interaction: "it".into(),
        deadline: Some(now + SECOND),
        clear_on_timeout: false,
        ..submit(route, 0, 0, &[target(TargetKind::Agent, agent)])
    };
    selection.submit(now, of(1, "anna")).expect("a submit");
    selection.tick(now + SECOND);
    assert_eq!(outputs(&mut selection), [timed_out(1)]);
    selection.submit(now, of(2, "boris")).expect("a submit");
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    assert_eq!(assigned(&mut selection), [(2, "anna".to_owned())], "the one of before counts too");
    // Rejected, and cancelled: nothing stays any more.
    selection.put_back(now, RouteId(2), Some(now + 5 * SECOND));
    selection.cancel(RouteId(2)).expect("it waits");
    selection.submit(now + 5 * SECOND, of(3, "boris")).expect("a submit");
    assert_eq!(outputs(&mut selection), [timed_out(3)]);
    selection.forget_interaction(LINK, "it");
    selection.submit(now, Submit { deadline: None, ..of(4, "boris") }).expect("a submit");
    selection.tick(now + 10 * SECOND);
    assert_eq!(outputs(&mut selection), [], "anna is not asked, who is free");
    assert_eq!(selection.cancel(RouteId(3)), Err(CancelError::Unknown));
}

#[test]
fn a_timeout_says_whether_anybody_was_logged_in() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agent(now, LINK, &state("anna", false, 1, 0, 0));
    for (route, agent) in [(1, "anna"), (2, "boris")] {
        let to = [target(TargetKind::Agent, agent)];
        selection.submit(now, Submit { deadline: Some(now), ..submit(route, 0, 0, &to) }).expect("a submit");
    }
    let nobody = Output::TimedOut { route: RouteId(2), nobody_logged_in: true };
    assert_eq!(outputs(&mut selection), [timed_out(1), nobody]);
}

#[test]
fn statistics_are_those_of_the_agents_and_of_what_waits() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    let value = |selection: &mut Selection, now, object: &str, name: &str| selection.statistic(now, LINK, object, name);
    assert_eq!(value(&mut selection, now, "all@.GA", "StatAgentsLoggedIn"), Some(0));
    assert_eq!(value(&mut selection, now, "all@.GA", "StatAgentLoading"), None, "there is nobody to tell it from");
    let activity = Activity { at: 100_000, logged_in_at: 0, busy: 25_000, answered: 5, completed: 4, handling: 40_000 };
    let anna = AgentState { activity, ..state("anna", true, 2, 1, 90_000) };
    selection.agents(now, LINK, &[anna, state("boris", false, 1, 0, 0)]);
    let numbers = [
        ("StatAgentLoading", 33),
        ("StatTimeInReadyState", 10),
        ("StatAgentsTotal", 2),
        ("StatAgentsLoggedIn", 2),
        ("StatAgentsReady", 1),
        ("StatAgentsAvailable", 1),
        ("StatAgentsBusy", 1),
        ("StatCallsAnswered", 5),
        ("StatCallsCompleted", 4),
        ("StatCallsInQueue", 0),
        ("StatExpectedWaitingTime", 0),
        ("StatLoadBalance", 33),
    ];
    for (name, expected) in numbers {
        assert_eq!(value(&mut selection, now, "all@.GA", name), Some(expected), "{name}");
        assert!(find_statistic(name).is_some_and(|statistic| !statistic.text.is_empty()));
    }
    assert_eq!(value(&mut selection, now, "anna@.A", "StatAgentOccupancy"), Some(25));
    let later = now + 100 * SECOND;
    assert_eq!(value(&mut selection, later, "anna@.A", "StatAgentOccupancy"), Some(62), "125 s of 200");
    assert_eq!(value(&mut selection, later, "First Floor@.GP", "StatTimeInReadyState"), Some(110));
    for (object, name) in [("all@.GA", "StatMood"), ("nobody@.GA", "StatAgentsTotal"), ("all@", "StatAgentsTotal")] {
        assert_eq!(value(&mut selection, now, object, name), None, "{object} {name}");
    }
    // Two take the room there is, and three wait.
    let fill = Submit { virtual_queue: Some("bills".into()), ..submit(0, 0, 0, &all()) };
    for route in 1..=4 {
        let submit = Submit { route: RouteId(route), interaction: route.to_string(), ..fill.clone() };
        selection.submit(now, submit).expect("a submit");
    }
    assert_eq!(assigned(&mut selection).len(), 1);
    for object in ["all@.GA", "bills"] {
        assert_eq!(value(&mut selection, now, object, "StatCallsInQueue"), Some(3), "{object}");
        // 10 s each, by three at a time, and three before it.
        assert_eq!(value(&mut selection, now, object, "StatExpectedWaitingTime"), Some(13), "{object}");
    }
    selection.delivered(now, RouteId(1));
    assert_eq!(value(&mut selection, now, "bills", "StatCallsAnswered"), Some(1));
    let standing = selection.standing(now, RouteId(4)).expect("it waits");
    assert_eq!((standing.position, standing.expected), (2, Some(Duration::from_millis(6_666))));
    assert_eq!(value(&mut selection, now, "overflow@.Q", "StatCallsInQueue"), None, "nobody has told");
    selection.queue_length(LINK, "overflow", 7);
    assert_eq!(value(&mut selection, now, "overflow@.Q", "StatCallsInQueue"), Some(7));
}

#[test]
fn a_decision_is_explained_as_it_was_made_and_a_wait_as_it_is() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agents(
        now,
        LINK,
        &[state("anna", true, 2, 1, 0), state("boris", true, 1, 0, 0), state("carol", true, 1, 1, 0)],
    );
    let verdicts = |selection: &Selection, interaction: &str| {
        let why = selection.why(now, LINK, interaction).expect("it is remembered");
        let told: Vec<_> = why.candidates.iter().map(|one| (one.agent.clone(), one.verdict)).collect();
        (why.because, told)
    };
    selection.submit(now, submit(1, 0, 0, &all())).expect("a submit");
    // All of it changes afterwards.
    selection.agents(now, LINK, &[state("carol", false, 1, 0, 0)]);
    let (because, told) = verdicts(&selection, "interaction-1");
    let name = |agent: &str, verdict| (agent.to_owned(), verdict);
    let expected = [name("boris", Verdict::Chosen), name("anna", Verdict::Fits), name("carol", Verdict::NoCapacity)];
    assert_eq!(told, expected);
    assert_eq!(
        because,
        "of 2 who were free and fitted, `boris` was the least loaded, and of equals ready for the longest"
    );
    outputs(&mut selection);
    let billing = [target(TargetKind::Skill, "Billing >= 5 & Orders > 0"), target(TargetKind::Agent, "carol")];
    selection.submit(now, submit(2, 0, 0, &billing)).expect("a submit");
    let (because, told) = verdicts(&selection, "interaction-2");
    let expected =
        [name("carol", Verdict::NotReady), name("anna", Verdict::NotMeant), name("boris", Verdict::NotMeant)];
    assert_eq!(told, expected);
    assert_eq!(because, "it waits: of 1 whom its targets mean, 1 not ready");
    let why = selection.why(now, LINK, "interaction-2").expect("it waits");
    assert_eq!(why.candidates[1].detail, "has Billing 7, Orders 0");
    // It is taken by whoever becomes free, given back, and waits for somebody else.
    selection.agent(now, LINK, &state("carol", true, 1, 0, 0));
    let (because, told) = verdicts(&selection, "interaction-2");
    assert_eq!(told[0], name("carol", Verdict::Chosen));
    assert_eq!(because, "`carol` became free, and of all that waits and fits there, this was first in line");
    selection.put_back(now, RouteId(2), Some(now + SECOND));
    assert_eq!(verdicts(&selection, "interaction-2").1[0], name("carol", Verdict::LeftOut));
    assert_eq!(selection.why(now, LINK, "interaction-9"), None);
}

#[test]
fn whom_the_server_refuses_is_offered_nothing_until_the_next_report() {
    let now = Instant::now();
    let mut selection = Selection::new(directory());
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    for route in 1..=2 {
        selection.submit(now, submit(route, 0, 0, &all())).expect("a submit");
    }
    assert_eq!(assigned(&mut selection), [(1, "anna".to_owned())]);
    selection.refused(now, RouteId(1));
    assert_eq!(outputs(&mut selection), [], "neither it nor the next");
    let why = selection.why(now, LINK, "interaction-1").expect("it waits");
    assert_eq!(why.candidates[0].verdict, Verdict::NoCapacity);
    // The other router's interaction is reported, and then its end.
    selection.agent(now, LINK, &state("anna", true, 1, 1, 0));
    assert_eq!(outputs(&mut selection), []);
    selection.agent(now, LINK, &state("anna", true, 1, 0, 0));
    assert_eq!(assigned(&mut selection), [(1, "anna".to_owned())], "in its old place");
    assert_eq!(selection.next_deadline(), None, "nothing waits for a clock");
}
