//! A simulated day beside what queueing theory says of it.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use jackfield_routing::{
    AgentProfile, Aging, Choice, Day, DayError, DayReport, HOURS, Kind, Spread, Target, TargetKind, Worker,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn kind(name: &str, an_hour: f64, handling: f64) -> Kind {
    let everybody = Target::new(TargetKind::Skill, "Any >= 0");
    Kind {
        name: name.to_owned(),
        media_type: "voice".to_owned(),
        priority: 0,
        arrivals: [an_hour; HOURS],
        handling: Spread::Exponential(seconds(handling)),
        patience: None,
        targets: vec![(Duration::ZERO, vec![everybody])],
        choice: Choice::default(),
        aging: None,
        within: seconds(20.0),
    }
}

fn worker(number: usize) -> Worker {
    Worker {
        id: format!("agent-{number:03}"),
        profile: AgentProfile::default(),
        place: String::new(),
        capacity: vec![("voice".to_owned(), 1)],
        shifts: vec![(Duration::ZERO, DAY)],
    }
}

fn pass(day: &Day, seed: u64) -> DayReport {
    let mut chance = StdRng::seed_from_u64(seed);
    day.pass(&mut || chance.random::<f64>()).expect("a day")
}

/// The probability that somebody has to wait, with so many agents and so much offered traffic (in erlangs).
fn erlang_c(agents: u32, traffic: f64) -> f64 {
    let blocked = (1..=agents).fold(1.0, |blocked, agent| traffic * blocked / (f64::from(agent) + traffic * blocked));
    let occupancy = traffic / f64::from(agents);
    blocked / (1.0 - occupancy + occupancy * blocked)
}

#[test]
fn waits_are_those_of_erlang_c() {
    const AN_HOUR: f64 = 4_000.0;
    const DAYS: u64 = 5;
    for (agents, occupancy) in [(5_u32, 0.7), (10, 0.8), (30, 0.8)] {
        let traffic = f64::from(agents) * occupancy;
        let handling = traffic * 3_600.0 / AN_HOUR;
        let workers = (0..agents as usize).map(worker).collect();
        let day = Day { kinds: vec![kind("calls", AN_HOUR, handling)], workers, ..Day::default() };
        let (mut answered, mut waited, mut waits, mut busy) = (0.0, 0.0, 0.0, 0.0);
        for number in 0..DAYS {
            let report = pass(&day, number);
            let calls = &report.kinds[0];
            answered += calls.waits.len() as f64;
            waited += calls.waits.iter().filter(|wait| **wait > 0.0).count() as f64;
            waits += calls.waits.iter().sum::<f64>();
            busy += report.workers.values().map(|worker| worker.occupancy()).sum::<f64>();
        }
        let (probability, wait, busy) = (waited / answered, waits / answered, busy / f64::from(agents) / DAYS as f64);
        let expected = erlang_c(agents, traffic);
        let expected_wait = expected * handling / (f64::from(agents) - traffic);
        println!(
            "{agents} agents, {occupancy} busy: {busy:.3}; {probability:.4} wait, by Erlang C {expected:.4}; \
             {wait:.3} s on average, by Erlang C {expected_wait:.3}"
        );
        for (found, expected) in [(probability, expected), (wait, expected_wait), (busy, occupancy)] {
            assert!((found / expected - 1.0).abs() < 0.05, "{agents} agents: {found}, by Erlang C {expected}");
        }
    }
}

#[test]
fn nobody_is_counted_twice_or_not_at_all() {
    let mut impatient = kind("impatient", 60.0, 240.0);
    impatient.patience = Some(Spread::Exponential(seconds(60.0)));
    let mut patient = kind("patient", 30.0, 300.0);
    patient.priority = 1;
    let day = Day { kinds: vec![impatient, patient], workers: (0..5).map(worker).collect(), ..Day::default() };
    let report = pass(&day, 1);
    assert_eq!(report, pass(&day, 1), "the same numbers make the same day");
    for kind in &report.kinds {
        assert_eq!(kind.entered, kind.waits.len() + kind.abandoned + kind.left, "{}", kind.name);
        assert_eq!(kind.entered, kind.hours.iter().map(|(entered, _, _)| entered).sum::<usize>());
    }
    assert!(report.kinds[0].abandoned > 0 && report.kinds[1].abandoned == 0);
    let answered: usize = report.kinds.iter().map(|kind| kind.waits.len()).sum();
    assert_eq!(report.workers.values().map(|worker| worker.handled).sum::<usize>(), answered);
}

#[test]
fn shifts_and_wider_targets_are_kept_to() {
    // One who knows it from nine to ten, and one who does not from eight to twelve.
    let mut expert = worker(1);
    expert.profile.skills.insert("Billing".to_owned(), 5);
    expert.shifts = vec![(seconds(9.0 * 3_600.0), seconds(10.0 * 3_600.0))];
    let mut other = worker(2);
    other.shifts = vec![(seconds(8.0 * 3_600.0), seconds(12.0 * 3_600.0))];
    let mut bills = kind("bills", 0.0, 1.0);
    bills.arrivals[8] = 40.0;
    bills.arrivals[9] = 40.0;
    bills.arrivals[12] = 40.0;
    let billing = Target::new(TargetKind::Skill, "Billing >= 3");
    let everybody = bills.targets.remove(0).1;
    bills.targets = vec![(Duration::ZERO, vec![billing]), (seconds(30.0), everybody)];
    bills.handling = Spread::Constant(seconds(1.0));
    let report = pass(&Day { kinds: vec![bills], workers: vec![expert, other], ..Day::default() }, 3);
    let bills = &report.kinds[0];
    let at_eight = bills.hours[8];
    assert_eq!(at_eight.0, at_eight.1);
    assert!(at_eight.2 / at_eight.1 as f64 >= 29.0, "they wait for the wider targets: {at_eight:?}");
    let at_nine = bills.hours[9];
    assert!(at_nine.2 / (at_nine.1 as f64) < 2.0, "the expert is there: {at_nine:?}");
    assert_eq!((bills.hours[12].1, bills.left), (0, bills.hours[12].0), "nobody is there after noon");
    assert!(report.workers["agent-001"].handled >= at_nine.1 - 1);
}

#[test]
fn what_grows_overtakes_and_what_nobody_takes_goes_into_a_queue() {
    // One agent for twice as much as one can do: without aging, what has the lesser priority is hardly ever answered.
    let day = |aging| {
        let mut important = kind("important", 30.0, 110.0);
        important.priority = 5;
        let mut other = kind("other", 30.0, 110.0);
        other.aging = aging;
        Day { kinds: vec![important, other], workers: vec![worker(1)], ..Day::default() }
    };
    let left = pass(&day(None), 4).kinds[1].left;
    let aging = Aging { every: seconds(60.0), by: 1, at_most: 100 };
    let report = pass(&day(Some(aging)), 4);
    assert!(left > 3 * report.kinds[1].left, "{left} were left without, {} with", report.kinds[1].left);

    let mut overflowing = kind("overflowing", 60.0, 120.0);
    let queue = Target::new(TargetKind::Queue, "overflow");
    overflowing.targets.push((seconds(300.0), vec![queue]));
    let report = pass(&Day { kinds: vec![overflowing], workers: vec![worker(1)], ..Day::default() }, 5);
    let kind = &report.kinds[0];
    assert!(kind.moved > 0 && kind.left == 0, "{} moved, {} left", kind.moved, kind.left);
    assert_eq!(kind.entered, kind.waits.len() + kind.moved);
    assert!(kind.waits.iter().all(|wait| *wait <= 300.0));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut empty = kind("empty", 1.0, 1.0);
    empty.targets.clear();
    let refused = |kind: Kind| {
        let day = Day { kinds: vec![kind], workers: vec![worker(1)], ..Day::default() };
        day.pass(&mut || 0.5).expect_err("refused")
    };
    assert_eq!(refused(empty), DayError::NoTargets("empty".to_owned()));
    let mut unknown = kind("unknown", 1.0, 1.0);
    unknown.targets[0].1 = vec![Target::new(TargetKind::AgentGroup, "Nobody")];
    assert_eq!(
        refused(unknown).to_string(),
        "the targets of `unknown`: agent group `Nobody` has no configured agent in it"
    );
    assert_eq!(refused(kind("flood", 1e9, 1.0)), DayError::TooMany);
}
