//! What the pull scheduler promises, with no time passing.

use super::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn options(max_sessions: usize, pull_count: usize) -> PullOptions {
    PullOptions {
        max_sessions,
        pull_count,
        max_delay: 10 * SECOND,
        interval: SECOND,
        error_rest: 120 * SECOND,
        pause_first: SECOND,
        pause_max: 10 * SECOND,
    }
}

pub(super) fn all(scheduler: &mut PullScheduler, now: Instant) -> Vec<Pull> {
    std::iter::from_fn(|| scheduler.next(now)).collect()
}

/// Strategies that are pulled: link and strategy of each.
fn strategies<const N: usize>(pulls: [(usize, usize); N]) -> [Source; N] {
    pulls.map(|(link, strategy)| Source { link, strategy, view: None })
}

/// So many views of one link that are pulled for strategy 0.
fn views(count: usize) -> impl Iterator<Item = Source> {
    (0..count).map(|view| Source { link: 0, strategy: 0, view: Some(view) })
}

#[test]
fn each_strategy_of_each_link_that_is_up_has_one_pull() {
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0, 0], strategies([(0, 0), (0, 1), (1, 0)]));
    let now = Instant::now();
    assert_eq!(all(&mut scheduler, now), []);
    scheduler.link_up(0);
    let pulls = all(&mut scheduler, now);
    assert_eq!(
        pulls.iter().map(|pull| (pull.source.link, pull.source.strategy, pull.count, pull.delay)).collect::<Vec<_>>(),
        [(0, 0, 100, 10 * SECOND), (0, 1, 100, 10 * SECOND)]
    );
    assert!(scheduler.answered(pulls[0].id, now + SECOND, 0).is_some());
    assert_eq!(all(&mut scheduler, now + SECOND).len(), 1, "an empty answer is asked again at once");
}

#[test]
fn after_one_of_the_five_errors_that_strategy_at_that_server_rests_and_everything_else_goes_on() {
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0, 0], strategies([(0, 0), (0, 1), (1, 0)]));
    let now = Instant::now();
    scheduler.link_up(0);
    scheduler.link_up(1);
    let pulls = all(&mut scheduler, now);
    scheduler.failed(pulls[0].id, now, "strategy does not exist", true, 0.0);
    scheduler.failed(pulls[1].id, now, "store unavailable", false, 0.0);
    assert_eq!(all(&mut scheduler, now), []);
    assert_eq!(scheduler.wake_at(now), Some(now + SECOND / 2), "jitter takes up to half of a pause");
    let again = all(&mut scheduler, now + SECOND);
    assert_eq!(again.iter().map(|pull| (pull.source.link, pull.source.strategy)).collect::<Vec<_>>(), [(0, 1)]);
    // A new connection does not cut a rest short.
    scheduler.link_down(0);
    scheduler.link_up(0);
    assert_eq!(all(&mut scheduler, now + 119 * SECOND).iter().filter(|pull| pull.source.strategy == 0).count(), 0);
    assert_eq!(all(&mut scheduler, now + 120 * SECOND).len(), 1);
}

#[test]
fn a_missing_plugin_is_not_pulled() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], strategies([(0, 0)]));
    let now = Instant::now();
    scheduler.link_up(0);
    scheduler.set_plugin(0, false);
    assert_eq!(all(&mut scheduler, now), []);
    assert_eq!(scheduler.status(now)[0].1, Doing::NoPlugin);
    scheduler.set_plugin(0, true);
    assert_eq!(all(&mut scheduler, now).len(), 1);
}

#[test]
fn nothing_is_pulled_while_nothing_is_recorded() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], strategies([(0, 0)]));
    let now = Instant::now();
    scheduler.link_up(0);
    scheduler.hold(true);
    assert_eq!(all(&mut scheduler, now), []);
    assert_eq!(scheduler.status(now)[0].1, Doing::Held);
    scheduler.hold(false);
    assert_eq!(all(&mut scheduler, now).len(), 1);
}

#[test]
fn sessions_from_the_journal_take_up_room_even_where_there_is_none() {
    let mut scheduler = PullScheduler::new(options(2, 10), &[0], strategies([(0, 0)]));
    let now = Instant::now();
    for _ in 0..3 {
        scheduler.resumed(0);
    }
    scheduler.link_up(0);
    assert_eq!(all(&mut scheduler, now), []);
    scheduler.session_ended(0);
    assert_eq!(all(&mut scheduler, now), []);
    scheduler.session_ended(0);
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.count).collect::<Vec<_>>(), [1]);
}

#[test]
fn scarce_room_is_shared_and_pulls_are_short() {
    let mut scheduler = PullScheduler::new(options(10, 100), &[0, 3], strategies([(0, 0), (0, 1), (1, 0), (1, 1)]));
    scheduler.link_up(0);
    scheduler.link_up(1);
    let now = Instant::now();
    let pulls = all(&mut scheduler, now);
    assert_eq!(pulls.len(), 4);
    assert!(pulls.iter().all(|pull| pull.delay == SECOND && (1..=3).contains(&pull.count)), "{pulls:?}");
    assert!(pulls.iter().filter(|pull| pull.source.strategy == 1).map(|pull| pull.count).sum::<usize>() <= 3);
}

#[test]
fn strategies_that_misbehave_leave_half_of_the_node_to_the_others() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0, 0, 0], strategies([(0, 0), (0, 1), (0, 2)]));
    scheduler.set_misbehaves(0, true);
    scheduler.set_misbehaves(1, true);
    scheduler.link_up(0);
    let now = Instant::now();
    // Sessions that never end, of everybody.
    for _ in 0..20 {
        for pull in all(&mut scheduler, now) {
            assert!(scheduler.answered(pull.id, now, pull.count).is_some());
        }
    }
    let of = |scheduler: &PullScheduler, strategy: usize| scheduler.rooms.sessions(strategy);
    assert_eq!((of(&scheduler, 0) + of(&scheduler, 1), of(&scheduler, 2)), (5, 5));
    // Of whom nothing is said may have everything.
    scheduler.set_misbehaves(0, false);
    scheduler.set_misbehaves(1, false);
    (0..5).for_each(|_| scheduler.session_ended(2));
    let asked: usize = all(&mut scheduler, now).iter().map(|pull| pull.count).sum();
    assert_eq!(asked, 5);
}

#[test]
fn strategies_of_one_plugin_have_its_room_together() {
    let mut scheduler = PullScheduler::new(options(100, 10), &[0, 0, 0], strategies([(0, 0), (0, 1), (0, 2), (1, 0)]));
    scheduler.set_plugins([0, 0, 1]);
    for strategy in 0..2 {
        scheduler.set_plugin_max(strategy, Some(7));
    }
    scheduler.resumed(1);
    scheduler.link_up(0);
    scheduler.link_up(1);
    let now = Instant::now();
    let pulls = all(&mut scheduler, now);
    let asked = pulls.iter().map(|pull| (pull.source.link, pull.source.strategy, pull.count)).collect::<Vec<_>>();
    // One of the seven goes on from the journal; three pulls share the other six. The third strategy has its own.
    assert_eq!(asked, [(0, 0, 2), (0, 1, 2), (0, 2, 10), (1, 0, 2)]);
    for pull in &pulls {
        assert!(scheduler.answered(pull.id, now, pull.count).is_some());
    }
    assert!(all(&mut scheduler, now).iter().all(|pull| pull.source.strategy == 2));
    assert!(scheduler.status(now).iter().all(|(source, doing, _)| source.strategy == 2 || *doing == Doing::Full));
    // Whichever of its sessions ends makes room for any of them.
    scheduler.session_ended(1);
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.count).sum::<usize>(), 1);
    // A bound that is lower than what there is ends nobody.
    scheduler.set_plugin_max(0, Some(1));
    scheduler.set_plugin_max(1, Some(1));
    scheduler.link_down(0);
    scheduler.link_up(0);
    assert!(all(&mut scheduler, now).iter().all(|pull| pull.source.strategy == 2));
}

#[test]
fn an_empty_answer_that_was_not_held_is_no_busy_loop() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], strategies([(0, 0)]));
    scheduler.link_up(0);
    let now = Instant::now();
    let pull = scheduler.next(now).expect("a pull");
    assert!(scheduler.answered(pull.id, now, 0).is_some());
    assert_eq!(scheduler.next(now), None);
    assert!(scheduler.next(now + NOT_HELD_PAUSE).is_some());
}

#[test]
fn an_answer_of_a_connection_that_is_gone_does_not_count() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], strategies([(0, 0)]));
    scheduler.link_up(0);
    let now = Instant::now();
    let old = scheduler.next(now).expect("a pull");
    scheduler.link_down(0);
    scheduler.link_up(0);
    let new = scheduler.next(now).expect("a pull of the new connection");
    assert_eq!(new.count, 10, "the old one's room is free again");
    assert!(scheduler.answered(old.id, now, 10).is_none());
    assert!(scheduler.answered(new.id, now, 10).is_some());
}

#[test]
fn while_a_strategy_is_held_by_the_server_nobody_polls() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], strategies([(0, 0)]));
    scheduler.link_up(0);
    let now = Instant::now();
    let pull = scheduler.next(now).expect("a pull");
    for minute in 1..60 {
        assert_eq!(all(&mut scheduler, now + minute * 60 * SECOND), []);
    }
    assert_eq!((scheduler.wake_at(now), scheduler.status(now)[0].1), (None, Doing::Asked(10)));
    assert!(scheduler.answered(pull.id, now + 3_600 * SECOND, 1).is_some());
    assert_eq!(all(&mut scheduler, now + 3_600 * SECOND).len(), 1);
}

#[test]
fn each_view_is_asked_in_its_turn_again_after_the_interval() {
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0], views(3));
    scheduler.link_up(0);
    let now = Instant::now();
    let pulls = all(&mut scheduler, now);
    let asked = pulls.iter().map(|pull| (pull.source.view, pull.count, pull.delay)).collect::<Vec<_>>();
    assert_eq!(asked, [0, 1, 2].map(|view| (Some(view), 100, Duration::ZERO)), "they are not held");
    for (index, taken) in [(2, 0), (0, 99), (1, 100)] {
        assert!(scheduler.answered(pulls[index].id, now, taken).is_some());
    }
    // The one that gave all it was asked for may have more.
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.source.view).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!((scheduler.wake_at(now), scheduler.status(now)[0].1), (Some(now + SECOND), Doing::Paused(SECOND)));
    let now = now + SECOND;
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.source.view).collect::<Vec<_>>(), [Some(0), Some(2)]);
}

#[test]
fn after_one_of_the_five_errors_that_view_rests_and_everything_else_goes_on() {
    let sources = views(2).chain(strategies([(0, 0)]));
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0], sources);
    scheduler.link_up(0);
    let now = Instant::now();
    let pulls = all(&mut scheduler, now);
    assert_eq!(scheduler.failed(pulls[0].id, now, "unknown view", true, 0.0), Some(120 * SECOND));
    assert!(scheduler.answered(pulls[1].id, now, 0).is_some());
    assert!(scheduler.answered(pulls[2].id, now + SECOND, 0).is_some());
    let again = all(&mut scheduler, now + 119 * SECOND);
    assert_eq!(again.iter().map(|pull| pull.source.view).collect::<Vec<_>>(), [Some(1), None]);
    assert_eq!(scheduler.status(now)[0].1, Doing::Resting(120 * SECOND));
    assert_eq!(all(&mut scheduler, now + 120 * SECOND)[0].source.view, Some(0));
}

#[test]
fn a_changed_rest_counts_for_what_rests_already() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], strategies([(0, 0)]));
    scheduler.link_up(0);
    let now = Instant::now();
    let pull = scheduler.next(now).expect("a pull");
    scheduler.failed(pull.id, now, "strategy is disabled", true, 0.0);
    scheduler.set_options(PullOptions { error_rest: 300 * SECOND, ..options(10, 10) }, &[0]);
    assert_eq!((scheduler.next(now + 299 * SECOND), scheduler.wake_at(now)), (None, Some(now + 300 * SECOND)));
    scheduler.set_options(PullOptions { error_rest: 60 * SECOND, ..options(10, 10) }, &[0]);
    assert_eq!((scheduler.next(now + 59 * SECOND), scheduler.wake_at(now)), (None, Some(now + 60 * SECOND)));
    assert!(scheduler.next(now + 60 * SECOND).is_some());
}

#[test]
fn a_disabled_strategy_is_not_pulled_in_either_form_and_one_that_is_enabled_again_is_tried_at_once() {
    let sources = views(1).chain(strategies([(0, 0), (0, 1)]));
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0, 0], sources);
    scheduler.link_up(0);
    scheduler.set_enabled(0, false);
    let now = Instant::now();
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.source.strategy).collect::<Vec<_>>(), [1]);
    assert_eq!((scheduler.status(now)[0].1, scheduler.status(now)[1].1), (Doing::Disabled, Doing::Disabled));
    scheduler.set_enabled(0, true);
    let pulls = all(&mut scheduler, now);
    assert_eq!(pulls.len(), 2);
    // A server that learns of it later refuses meanwhile.
    for pull in pulls {
        scheduler.failed(pull.id, now, "strategy is disabled", true, 0.0);
    }
    scheduler.set_enabled(0, false);
    scheduler.set_enabled(0, true);
    assert_eq!(all(&mut scheduler, now).len(), 2);
}

#[test]
fn operators_are_told_once_for_each_change_and_when_it_is_over() {
    for view in [None, Some(0)] {
        let source = Source { link: 0, strategy: 0, view };
        let mut scheduler = PullScheduler::new(options(10, 10), &[0], [source]);
        scheduler.link_up(0);
        let mut now = Instant::now();
        let mut fails = |problem, rests| {
            now += 200 * SECOND;
            let pull = scheduler.next(now).expect("a pull");
            scheduler.failed(pull.id, now, problem, rests, 1.0)
        };
        assert_eq!(fails("42", true), Some(120 * SECOND));
        assert_eq!((fails("42", true), fails("42", true)), (None, None), "they know");
        assert_eq!(fails("1020", false), Some(8 * SECOND), "another problem; the pause has doubled meanwhile");
        assert_eq!(fails("1020", false), None);
        assert_eq!(fails("42", true), Some(120 * SECOND));
        now += 200 * SECOND;
        for again in [true, false] {
            now += SECOND;
            let pull = scheduler.next(now).expect("a pull");
            assert_eq!(scheduler.answered(pull.id, now, 10), Some(Counted { again }));
            (0..10).for_each(|_| scheduler.session_ended(0));
        }
    }
}

#[test]
fn what_could_be_pulled_but_for_room_wakes_nobody() {
    let mut scheduler = PullScheduler::new(options(1, 1), &[0], views(2));
    scheduler.link_up(0);
    let now = Instant::now();
    let pull = scheduler.next(now).expect("a pull");
    assert!(scheduler.answered(pull.id, now, 0).is_some());
    let pull = scheduler.next(now).expect("a pull of the other view");
    assert!(scheduler.answered(pull.id, now, 1).is_some());
    let later = now + 2 * SECOND;
    assert_eq!((scheduler.next(later), scheduler.wake_at(later)), (None, None));
    assert!(scheduler.status(later).iter().all(|(_, doing, _)| *doing == Doing::Full));
    scheduler.session_ended(0);
    assert_eq!(scheduler.next(later).map(|pull| pull.source.view), Some(Some(0)), "whose last pull is the oldest");
}
