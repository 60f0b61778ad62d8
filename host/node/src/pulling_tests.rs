//! What the pull scheduler promises, with no time passing.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn options(max_sessions: usize, pull_count: usize) -> PullOptions {
    PullOptions {
        max_sessions,
        pull_count,
        max_delay: 10 * SECOND,
        error_rest: 120 * SECOND,
        pause_first: SECOND,
        pause_max: 10 * SECOND,
    }
}

fn all(scheduler: &mut PullScheduler, now: Instant) -> Vec<Pull> {
    std::iter::from_fn(|| scheduler.next(now)).collect()
}

#[test]
fn each_strategy_of_a_link_that_is_up_has_one_pull() {
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0, 0], &[(0, 0), (0, 1), (1, 0)]);
    let now = Instant::now();
    assert_eq!(all(&mut scheduler, now), []);
    scheduler.link_up(0);
    let pulls = all(&mut scheduler, now);
    assert_eq!(
        pulls.iter().map(|pull| (pull.link, pull.strategy, pull.count, pull.delay)).collect::<Vec<_>>(),
        [(0, 0, 100, 10 * SECOND), (0, 1, 100, 10 * SECOND)]
    );
    assert!(scheduler.answered(pulls[0].id, now + SECOND, 0));
    assert_eq!(all(&mut scheduler, now + SECOND).len(), 1, "an empty answer is asked again at once");
}

#[test]
fn the_five_errors_rest_that_strategy_on_that_link_alone() {
    let mut scheduler = PullScheduler::new(options(5_000, 100), &[0, 0], &[(0, 0), (0, 1), (1, 0)]);
    let now = Instant::now();
    scheduler.link_up(0);
    scheduler.link_up(1);
    let pulls = all(&mut scheduler, now);
    scheduler.failed(pulls[0].id, now, "strategy does not exist", true, 0.0);
    scheduler.failed(pulls[1].id, now, "store unavailable", false, 0.0);
    assert_eq!(all(&mut scheduler, now), []);
    assert_eq!(scheduler.wake_at(), Some(now + SECOND / 2), "jitter takes up to half of a pause");
    let again = all(&mut scheduler, now + SECOND);
    assert_eq!(again.iter().map(|pull| (pull.link, pull.strategy)).collect::<Vec<_>>(), [(0, 1)]);
    // A new connection does not cut a rest short.
    scheduler.link_down(0);
    scheduler.link_up(0);
    assert_eq!(all(&mut scheduler, now + 119 * SECOND).iter().filter(|pull| pull.strategy == 0).count(), 0);
    assert_eq!(all(&mut scheduler, now + 120 * SECOND).len(), 1);
}

#[test]
fn a_missing_plugin_is_not_pulled() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], &[(0, 0)]);
    let now = Instant::now();
    scheduler.link_up(0);
    scheduler.set_plugin(0, false);
    assert_eq!(all(&mut scheduler, now), []);
    assert_eq!(scheduler.status(now)[0].2, Doing::NoPlugin);
    scheduler.set_plugin(0, true);
    assert_eq!(all(&mut scheduler, now).len(), 1);
}

#[test]
fn a_rest_that_is_under_way_ends_by_the_changed_timeout_and_other_pauses_do_not() {
    let mut scheduler = PullScheduler::new(options(100, 10), &[0, 0], &[(0, 0), (0, 1)]);
    let now = Instant::now();
    scheduler.link_up(0);
    let pulls = all(&mut scheduler, now);
    scheduler.failed(pulls[0].id, now, "strategy does not exist", true, 0.0);
    scheduler.failed(pulls[1].id, now, "store unavailable", false, 1.0);
    scheduler.set_options(PullOptions { error_rest: 60 * SECOND, ..options(100, 10) }, &[0, 0]);
    assert_eq!(scheduler.wake_at(), Some(now + SECOND));
    assert_eq!(all(&mut scheduler, now + SECOND).len(), 1);
    assert_eq!(all(&mut scheduler, now + 59 * SECOND).len(), 0);
    // Longer again; and one whose new end has passed already is over.
    scheduler.set_options(PullOptions { error_rest: 600 * SECOND, ..options(100, 10) }, &[0, 0]);
    assert_eq!(all(&mut scheduler, now + 599 * SECOND).len(), 0);
    scheduler.set_options(PullOptions { error_rest: 60 * SECOND, ..options(100, 10) }, &[0, 0]);
    assert_eq!(all(&mut scheduler, now + 599 * SECOND).len(), 1);
}

#[test]
fn bounds_that_are_lowered_hold_for_the_next_pull_and_raised_ones_at_once() {
    let mut scheduler = PullScheduler::new(options(10, 4), &[0, 3], &[(0, 0), (0, 1)]);
    let now = Instant::now();
    scheduler.link_up(0);
    let pulls = all(&mut scheduler, now);
    assert_eq!(pulls.iter().map(|pull| pull.count).collect::<Vec<_>>(), [4, 3]);
    assert!(scheduler.answered(pulls[0].id, now, 4) && scheduler.answered(pulls[1].id, now, 3));
    scheduler.set_options(options(5, 2), &[0, 1]);
    assert_eq!(all(&mut scheduler, now), [], "there are more sessions than there may be");
    (0..3).for_each(|_| scheduler.session_ended(0));
    (0..3).for_each(|_| scheduler.session_ended(1));
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.count).sum::<usize>(), 3);
    scheduler.set_options(options(100, 50), &[0, 0]);
    assert_eq!(scheduler.status(now).len(), 2);
}

#[test]
fn a_strategy_that_is_switched_off_is_not_pulled_and_is_tried_at_once_when_it_is_on_again() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], &[(0, 0)]);
    let now = Instant::now();
    scheduler.link_up(0);
    let pulls = all(&mut scheduler, now);
    scheduler.set_enabled(0, false);
    scheduler.failed(pulls[0].id, now, "strategy is disabled", true, 0.0);
    assert_eq!(scheduler.status(now)[0].2, Doing::Disabled);
    assert_eq!(all(&mut scheduler, now + 500 * SECOND), []);
    scheduler.set_enabled(0, true);
    assert_eq!(all(&mut scheduler, now + SECOND).len(), 1);
}

#[test]
fn nothing_is_pulled_while_nothing_is_recorded() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], &[(0, 0)]);
    let now = Instant::now();
    scheduler.link_up(0);
    scheduler.hold(true);
    assert_eq!(all(&mut scheduler, now), []);
    assert_eq!(scheduler.status(now)[0].2, Doing::Held);
    scheduler.hold(false);
    assert_eq!(all(&mut scheduler, now).len(), 1);
}

#[test]
fn sessions_from_the_journal_take_up_room_even_where_there_is_none() {
    let mut scheduler = PullScheduler::new(options(2, 10), &[0], &[(0, 0)]);
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
    let mut scheduler = PullScheduler::new(options(10, 100), &[0, 3], &[(0, 0), (0, 1), (1, 0), (1, 1)]);
    scheduler.link_up(0);
    scheduler.link_up(1);
    let now = Instant::now();
    let pulls = all(&mut scheduler, now);
    assert_eq!(pulls.len(), 4);
    assert!(pulls.iter().all(|pull| pull.delay == SECOND && (1..=3).contains(&pull.count)), "{pulls:?}");
    assert!(pulls.iter().filter(|pull| pull.strategy == 1).map(|pull| pull.count).sum::<usize>() <= 3);
}

#[test]
fn strategies_that_misbehave_leave_half_of_the_node_to_the_others() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0, 0, 0], &[(0, 0), (0, 1), (0, 2)]);
    scheduler.set_misbehaves(0, true);
    scheduler.set_misbehaves(1, true);
    scheduler.link_up(0);
    let now = Instant::now();
    // Sessions that never end, of everybody.
    for _ in 0..20 {
        for pull in all(&mut scheduler, now) {
            assert!(scheduler.answered(pull.id, now, pull.count));
        }
    }
    let of = |scheduler: &PullScheduler, strategy: usize| scheduler.strategies[strategy].sessions;
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
    let mut scheduler = PullScheduler::new(options(100, 10), &[0, 0, 0], &[(0, 0), (0, 1), (0, 2), (1, 0)]);
    scheduler.set_plugins([0, 0, 1]);
    for strategy in 0..2 {
        scheduler.set_plugin_max(strategy, Some(7));
    }
    scheduler.resumed(1);
    scheduler.link_up(0);
    scheduler.link_up(1);
    let now = Instant::now();
    let pulls = all(&mut scheduler, now);
    let asked = pulls.iter().map(|pull| (pull.link, pull.strategy, pull.count)).collect::<Vec<_>>();
    // One of the seven goes on from the journal; three pulls share the other six. The third strategy has its own.
    assert_eq!(asked, [(0, 0, 2), (0, 1, 2), (0, 2, 10), (1, 0, 2)]);
    for pull in &pulls {
        assert!(scheduler.answered(pull.id, now, pull.count));
    }
    assert!(all(&mut scheduler, now).iter().all(|pull| pull.strategy == 2));
    assert!(scheduler.status(now).iter().all(|(_, strategy, doing, _)| *strategy == 2 || *doing == Doing::Full));
    // Whichever of its sessions ends makes room for any of them.
    scheduler.session_ended(1);
    assert_eq!(all(&mut scheduler, now).iter().map(|pull| pull.count).sum::<usize>(), 1);
    // A bound that is lower than what there is ends nobody.
    scheduler.set_plugin_max(0, Some(1));
    scheduler.set_plugin_max(1, Some(1));
    scheduler.link_down(0);
    scheduler.link_up(0);
    assert!(all(&mut scheduler, now).iter().all(|pull| pull.strategy == 2));
}

#[test]
fn an_empty_answer_that_was_not_held_is_no_busy_loop() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], &[(0, 0)]);
    scheduler.link_up(0);
    let now = Instant::now();
    let pull = scheduler.next(now).expect("a pull");
    assert!(scheduler.answered(pull.id, now, 0));
    assert_eq!(scheduler.next(now), None);
    assert!(scheduler.next(now + NOT_HELD_PAUSE).is_some());
}

#[test]
fn an_answer_of_a_connection_that_is_gone_does_not_count() {
    let mut scheduler = PullScheduler::new(options(10, 10), &[0], &[(0, 0)]);
    scheduler.link_up(0);
    let now = Instant::now();
    let old = scheduler.next(now).expect("a pull");
    scheduler.link_down(0);
    scheduler.link_up(0);
    let new = scheduler.next(now).expect("a pull of the new connection");
    assert_eq!(new.count, 10, "the old one's room is free again");
    assert!(!scheduler.answered(old.id, now, 10));
    assert!(scheduler.answered(new.id, now, 10));
}

/// What may happen between two looks at the scheduler.
#[derive(Clone, Debug)]
enum Step {
    Up(usize),
    Down(usize),
    Answer(usize, usize),
    Fail(usize, bool),
    End(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..2usize).prop_map(Step::Up),
        1 => (0..2usize).prop_map(Step::Down),
        6 => (0..6usize, 0..8usize).prop_map(|(pull, taken)| Step::Answer(pull, taken)),
        2 => (0..6usize, any::<bool>()).prop_map(|(pull, rests)| Step::Fail(pull, rests)),
        6 => (0..3usize).prop_map(Step::End),
        3 => (0..40_000u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn never_too_much_never_in_a_rest_and_nobody_is_forgotten(
        max in 1..12usize, pull_count in 1..6usize, limits in prop::array::uniform3(0..5usize),
        // Of the plugin that the first two strategies run.
        plugin_max in prop::option::of(1..6usize), steps in steps()
    ) {
        let entries: Vec<(usize, usize)> = (0..2).flat_map(|link| (0..3).map(move |strategy| (link, strategy))).collect();
        let mut scheduler = PullScheduler::new(options(max, pull_count), &limits, &entries);
        scheduler.set_plugins([0, 0, 2]);
        scheduler.set_plugin_max(0, plugin_max);
        scheduler.set_plugin_max(1, plugin_max);
        let mut now = Instant::now();
        let mut up = [false; 2];
        let mut open: Vec<Pull> = Vec::new();
        let mut sessions = [0usize; 3];
        let mut rests: std::collections::HashMap<(usize, usize), Instant> = Default::default();
        let limit = |strategy: usize| if limits[strategy] == 0 { max } else { limits[strategy].min(max) };
        for step in steps {
            match step {
                Step::Up(link) if !up[link] => { up[link] = true; scheduler.link_up(link); }
                Step::Down(link) => {
                    up[link] = false;
                    scheduler.link_down(link);
                    open.retain(|pull| pull.link != link);
                }
                Step::Answer(pull, taken) if pull < open.len() => {
                    let pull = open.remove(pull);
                    let taken = taken.min(pull.count);
                    prop_assert!(scheduler.answered(pull.id, now, taken));
                    prop_assert!(!scheduler.answered(pull.id, now, taken), "a pull is answered once");
                    sessions[pull.strategy] += taken;
                }
                Step::Fail(pull, rest) if pull < open.len() => {
                    let pull = open.remove(pull);
                    scheduler.failed(pull.id, now, "no", rest, 0.5);
                    if rest { rests.insert((pull.link, pull.strategy), now + 120 * SECOND); }
                }
                Step::End(strategy) if sessions[strategy] > 0 => {
                    sessions[strategy] -= 1;
                    scheduler.session_ended(strategy);
                }
                Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
                _ => {}
            }
            for pull in all(&mut scheduler, now) {
                prop_assert!(up[pull.link], "the link is down");
                prop_assert!(!open.iter().any(|p| (p.link, p.strategy) == (pull.link, pull.strategy)), "two pulls");
                prop_assert!(rests.get(&(pull.link, pull.strategy)).is_none_or(|until| *until <= now), "in a rest");
                prop_assert!(pull.count >= 1 && pull.count <= pull_count);
                open.push(pull);
            }
            let asked: usize = open.iter().map(|pull| pull.count).sum();
            prop_assert!(asked + sessions.iter().sum::<usize>() <= max);
            for (strategy, sessions) in sessions.iter().enumerate() {
                let asked: usize = open.iter().filter(|p| p.strategy == strategy).map(|p| p.count).sum();
                prop_assert!(asked + sessions <= limit(strategy));
            }
            let asked: usize = open.iter().filter(|pull| pull.strategy < 2).map(|pull| pull.count).sum();
            prop_assert!(asked + sessions[0] + sessions[1] <= plugin_max.unwrap_or(usize::MAX));
        }
        // When the faults stop, everybody is pulled: all sessions end, each pull takes one and its session ends.
        for (link, up) in up.iter().enumerate() { if !up { scheduler.link_up(link); } }
        for (strategy, count) in sessions.iter().enumerate() {
            for _ in 0..*count { scheduler.session_ended(strategy); }
        }
        let mut pulled: std::collections::HashSet<(usize, usize)> = Default::default();
        for _ in 0..entries.len() * 2 {
            now += 121 * SECOND;
            open.extend(all(&mut scheduler, now));
            prop_assert!(!open.is_empty(), "there is room and nobody is pulled");
            for pull in open.drain(..) {
                pulled.insert((pull.link, pull.strategy));
                scheduler.answered(pull.id, now, 1);
                scheduler.session_ended(pull.strategy);
            }
        }
        prop_assert_eq!(pulled.len(), entries.len(), "somebody was never pulled");
    }
}
