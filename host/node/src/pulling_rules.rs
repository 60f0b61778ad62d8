//! What holds of the pull scheduler whatever happens: random servers, strategies and views, answers and errors,
//! options that change, and a clock that goes on, or jumps. A model beside it says what may be pulled.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::tests::{SECOND, all, options};
use super::*;

/// A strategy: its own bound, the plugin it runs, and that plugin's bound.
#[derive(Clone, Copy, Debug)]
struct Of {
    max: usize,
    plugin_max: Option<usize>,
}

/// What may happen between two looks at the scheduler.
#[derive(Clone, Debug)]
enum Step {
    Up(Index),
    Down(Index),
    /// With so many, at the most what was asked for.
    Answer(Index, usize),
    Refuse(Index),
    /// With another error than the guide's five.
    Fail(Index),
    End(Index),
    Pass(Duration),
    /// With the most sessions of each strategy.
    Options(PullOptions, [usize; 3]),
    Enabled(Index, bool),
    Plugin(Index, bool),
    Misbehaves(Index, bool),
    Hold(bool),
}

fn any_options() -> impl Strategy<Value = PullOptions> {
    (1..12usize, 1..6usize, 60..400u32, 1..30u32).prop_map(|(max_sessions, pull_count, rest, interval)| PullOptions {
        error_rest: rest * SECOND,
        interval: interval * SECOND / 10,
        ..options(max_sessions, pull_count)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let step = prop_oneof![
        3 => index().prop_map(Step::Up),
        1 => index().prop_map(Step::Down),
        9 => (index(), 0..6usize).prop_map(|(pull, taken)| Step::Answer(pull, taken)),
        2 => index().prop_map(Step::Refuse),
        2 => index().prop_map(Step::Fail),
        9 => index().prop_map(Step::End),
        6 => (0..2_000u64).prop_map(|milliseconds| Step::Pass(Duration::from_millis(milliseconds))),
        // As after a suspended machine, or a long rest.
        2 => (0..4_000u64).prop_map(|seconds| Step::Pass(Duration::from_secs(seconds))),
        1 => (any_options(), prop::array::uniform3(0..5usize)).prop_map(|(options, most)| Step::Options(options, most)),
        1 => (index(), any::<bool>()).prop_map(|(strategy, enabled)| Step::Enabled(strategy, enabled)),
        1 => (index(), any::<bool>()).prop_map(|(strategy, present)| Step::Plugin(strategy, present)),
        1 => (index(), any::<bool>()).prop_map(|(strategy, misbehaves)| Step::Misbehaves(strategy, misbehaves)),
        1 => any::<bool>().prop_map(Step::Hold),
    ];
    prop::collection::vec(step, 1..120)
}

/// A strategy runs plugin 0 or one of its own.
fn strategies() -> impl Strategy<Value = (Vec<usize>, Vec<Of>)> {
    let plugin_max = prop::option::of(1..6usize);
    let strategy = (0..5usize, any::<bool>());
    (plugin_max, prop::collection::vec(strategy, 1..4)).prop_map(|(plugin_max, strategies)| {
        let numbers = strategies.iter().enumerate().map(|(own, (_, shares))| if *shares { 0 } else { own + 1 });
        let of = |&(max, shares): &(usize, bool)| Of { max, plugin_max: plugin_max.filter(|_| shares) };
        (numbers.collect(), strategies.iter().map(of).collect())
    })
}

/// For each link the strategies that are pulled, and the strategies of the views that are: any of `count`.
fn sources(count: usize) -> impl Strategy<Value = Vec<Source>> {
    let link = (prop::collection::btree_set(0..count, 0..=count), prop::collection::vec(0..count, 0..4));
    prop::collection::vec(link, 1..4).prop_map(|links| {
        let of = |(link, (strategies, views)): (usize, (std::collections::BTreeSet<usize>, Vec<usize>))| {
            let enhanced = strategies.into_iter().map(move |strategy| Source { link, strategy, view: None });
            let views = views.into_iter().enumerate();
            let legacy = views.map(move |(view, strategy)| Source { link, strategy, view: Some(view) });
            enhanced.chain(legacy).collect::<Vec<_>>()
        };
        links.into_iter().enumerate().flat_map(of).collect()
    })
}

fn worlds() -> impl Strategy<Value = (Vec<usize>, Vec<Of>, Vec<Source>)> {
    strategies().prop_flat_map(|(numbers, of)| {
        let count = of.len();
        (Just(numbers), Just(of), sources(count))
    })
}

/// Why a source is not pulled, apart from its link, its plugin and room.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Refused(Instant),
    Until(Instant),
}

/// What the model knows of a source.
#[derive(Clone, Debug, Default)]
struct Known {
    rest: Option<Rest>,
    failures: u32,
    problem: Option<&'static str>,
    /// How often each other source was pulled while this one could have been, but for the node's room.
    overtaken: HashMap<Source, u32>,
}

struct Model {
    options: PullOptions,
    numbers: Vec<usize>,
    of: Vec<Of>,
    up: Vec<bool>,
    enabled: Vec<bool>,
    plugin: Vec<bool>,
    misbehaves: Vec<bool>,
    held: bool,
    now: Instant,
    open: Vec<(Pull, Instant)>,
    sessions: Vec<usize>,
    known: HashMap<Source, Known>,
}

impl Model {
    fn rests_until(&self, source: Source) -> Option<Instant> {
        match self.known[&source].rest? {
            Rest::Refused(at) => Some(at + self.options.error_rest),
            Rest::Until(until) => Some(until),
        }
    }

    /// Sessions and what is asked for, of the strategies that `which` is true for.
    fn taken(&self, which: impl Fn(usize) -> bool) -> usize {
        let sessions = self.sessions.iter().enumerate().filter(|(of, _)| which(*of)).map(|(_, count)| count);
        let open = self.open.iter().filter(|(pull, _)| which(pull.source.strategy)).map(|(pull, _)| pull.count);
        sessions.sum::<usize>() + open.sum::<usize>()
    }

    /// Every bound that `strategy` has to keep, and what of it is taken.
    fn bounds(&self, strategy: usize) -> Vec<(usize, usize)> {
        let Of { max, plugin_max } = self.of[strategy];
        let same = |other: usize| self.numbers[other] == self.numbers[strategy];
        let half = (self.options.max_sessions / 2).max(1);
        [
            (max > 0).then(|| (max, self.taken(|other| other == strategy))),
            plugin_max.map(|max| (max, self.taken(same))),
            self.misbehaves[strategy].then(|| (half, self.taken(|other| self.misbehaves[other]))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// It may be pulled, as far as room on the node goes.
    fn is_permitted(&self, source: Source) -> bool {
        !self.held
            && self.up[source.link]
            && self.enabled[source.strategy]
            && self.plugin[source.strategy]
            && self.open.iter().all(|(pull, _)| pull.source != source)
            && self.rests_until(source).is_none_or(|until| until <= self.now)
            && self.bounds(source.strategy).iter().all(|(max, taken)| taken < max)
    }

    fn permitted(&self) -> Vec<Source> {
        self.known.keys().copied().filter(|source| self.is_permitted(*source)).collect()
    }

    /// Takes everything the scheduler wants pulled now, and says what is wrong with it.
    fn drain(&mut self, scheduler: &mut PullScheduler) -> Result<(), TestCaseError> {
        while let Some(pull) = scheduler.next(self.now) {
            let source = pull.source;
            let waiting = self.permitted();
            prop_assert!(waiting.contains(&source), "{source:?} may not be pulled");
            prop_assert!(pull.count >= 1 && pull.count <= self.options.pull_count, "{pull:?}");
            prop_assert_eq!(pull.delay == Duration::ZERO, source.view.is_some(), "only strategies are held");
            self.open.push((pull, self.now));
            prop_assert!(self.taken(|_| true) <= self.options.max_sessions, "more than the node takes: {pull:?}");
            for (max, taken) in self.bounds(source.strategy) {
                prop_assert!(taken <= max, "more than the strategy may have: {pull:?}");
            }
            for other in waiting.iter().filter(|other| **other != source) {
                let overtaken = self.known.get_mut(other).expect("known").overtaken.entry(source).or_default();
                *overtaken += 1;
                prop_assert!(*overtaken <= 1, "{other:?} starves: {source:?} is pulled again before it");
            }
            let known = self.known.get_mut(&source).expect("known");
            known.overtaken.clear();
            known.rest = None;
        }
        let waiting = self.permitted();
        prop_assert!(
            waiting.is_empty() || self.taken(|_| true) >= self.options.max_sessions,
            "there is room, and nobody pulls {waiting:?}"
        );
        // Whoever may not be pulled at this moment does not wait.
        for (source, known) in &mut self.known {
            if !waiting.contains(source) {
                known.overtaken.clear();
            }
        }
        let rests = self.known.keys().filter(|source| self.up[source.link] && !self.held);
        let next = rests.filter_map(|source| self.rests_until(*source)).filter(|until| *until > self.now).min();
        prop_assert_eq!(scheduler.wake_at(self.now), next, "the next rest that ends");
        Ok(())
    }

    fn answer(&mut self, scheduler: &mut PullScheduler, index: usize, taken: usize) -> Result<(), TestCaseError> {
        let (pull, at) = self.open.remove(index);
        let taken = taken.min(pull.count);
        let known = self.known.get_mut(&pull.source).expect("known");
        let again = known.problem.take().is_some();
        prop_assert_eq!(scheduler.answered(pull.id, self.now, taken), Some(Counted { again }));
        prop_assert_eq!(scheduler.answered(pull.id, self.now, taken), None, "a pull is answered once");
        known.failures = 0;
        known.rest = match pull.source.view {
            Some(_) if taken < pull.count => Some(Rest::Until(self.now + self.options.interval)),
            None if taken == 0 && self.now < at + NOT_HELD => Some(Rest::Until(self.now + NOT_HELD_PAUSE)),
            _ => None,
        };
        self.sessions[pull.source.strategy] += taken;
        Ok(())
    }

    fn fail(&mut self, scheduler: &mut PullScheduler, index: usize, rests: bool) -> Result<(), TestCaseError> {
        let (pull, _) = self.open.remove(index);
        let problem = if rests { "42" } else { "1020" };
        let known = self.known.get_mut(&pull.source).expect("known");
        known.failures += 1;
        let doubled = self.options.pause_first * 2_u32.pow((known.failures - 1).min(10));
        let pause = if rests { self.options.error_rest } else { doubled.min(self.options.pause_max).mul_f64(0.75) };
        let is_news = known.problem.replace(problem) != Some(problem);
        let told = scheduler.failed(pull.id, self.now, problem, rests, 0.5);
        prop_assert_eq!(told, is_news.then_some(pause), "told once for each change");
        prop_assert_eq!(scheduler.failed(pull.id, self.now, problem, rests, 0.5), None, "a pull fails once");
        known.rest = Some(if rests { Rest::Refused(self.now) } else { Rest::Until(self.now + pause) });
        Ok(())
    }

    fn take(&mut self, scheduler: &mut PullScheduler, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Up(link) | Step::Down(link) => {
                let link = link.index(self.up.len());
                let up = matches!(step, Step::Up(_));
                self.up[link] = up;
                if up {
                    scheduler.link_up(link)
                } else {
                    scheduler.link_down(link)
                }
                // Either way nothing that was asked over it is answered any more.
                let lost: Vec<Pull> = self.open.iter().map(|(pull, _)| *pull).collect();
                self.open.retain(|(pull, _)| pull.source.link != link);
                for pull in lost.into_iter().filter(|pull| pull.source.link == link) {
                    prop_assert_eq!(scheduler.answered(pull.id, self.now, 1), None, "of a connection that is gone");
                }
                // It does not wait without a connection.
                for (_, known) in self.known.iter_mut().filter(|(source, _)| source.link == link) {
                    known.overtaken.clear();
                }
            }
            Step::Answer(..) | Step::Refuse(_) | Step::Fail(_) if self.open.is_empty() => {}
            Step::Answer(pull, taken) => self.answer(scheduler, pull.index(self.open.len()), taken)?,
            Step::Refuse(pull) => self.fail(scheduler, pull.index(self.open.len()), true)?,
            Step::Fail(pull) => self.fail(scheduler, pull.index(self.open.len()), false)?,
            Step::End(strategy) => {
                let strategy = strategy.index(self.of.len());
                if self.sessions[strategy] > 0 {
                    self.sessions[strategy] -= 1;
                    scheduler.session_ended(strategy);
                }
            }
            Step::Pass(time) => self.now += time,
            Step::Options(options, most) => {
                self.options = options;
                for (of, max) in self.of.iter_mut().zip(most) {
                    of.max = max;
                }
                scheduler.set_options(options, &most);
            }
            Step::Enabled(strategy, enabled) => {
                let strategy = strategy.index(self.of.len());
                if enabled && !self.enabled[strategy] {
                    let own = self.known.iter_mut().filter(|(source, _)| source.strategy == strategy);
                    own.for_each(|(_, known)| known.rest = None);
                }
                self.enabled[strategy] = enabled;
                scheduler.set_enabled(strategy, enabled);
            }
            Step::Plugin(strategy, present) => {
                let strategy = strategy.index(self.of.len());
                self.plugin[strategy] = present;
                scheduler.set_plugin(strategy, present);
            }
            Step::Misbehaves(strategy, misbehaves) => {
                let strategy = strategy.index(self.of.len());
                self.misbehaves[strategy] = misbehaves;
                scheduler.set_misbehaves(strategy, misbehaves);
            }
            Step::Hold(held) => {
                self.held = held;
                scheduler.hold(held);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn never_too_much_never_in_a_rest_nobody_starves_and_whatever_may_be_pulled_is(
        options in any_options(), (numbers, of, sources) in worlds(), steps in steps()
    ) {
        let limits: Vec<usize> = of.iter().map(|of| of.max).collect();
        let mut scheduler = PullScheduler::new(options, &limits, sources.iter().copied());
        scheduler.set_plugins(numbers.iter().copied());
        for (strategy, of) in of.iter().enumerate() {
            scheduler.set_plugin_max(strategy, of.plugin_max);
        }
        let links = sources.iter().map(|source| source.link + 1).max().unwrap_or(1);
        let count = of.len();
        let mut model = Model {
            options,
            numbers,
            of,
            up: vec![false; links],
            enabled: vec![true; count],
            plugin: vec![true; count],
            misbehaves: vec![false; count],
            held: false,
            now: Instant::now(),
            open: Vec::new(),
            sessions: vec![0; count],
            known: sources.iter().map(|source| (*source, Known::default())).collect(),
        };
        for step in steps {
            model.take(&mut scheduler, step)?;
            model.drain(&mut scheduler)?;
        }

        // The faults stop: whatever rests, everything is pulled, and what comes of it ends. Where room for one is all
        // there is, each has its turn.
        model.take(&mut scheduler, Step::Hold(false))?;
        for strategy in 0..count {
            (model.plugin[strategy], model.enabled[strategy]) = (true, true);
            scheduler.set_plugin(strategy, true);
            scheduler.set_enabled(strategy, true);
        }
        for link in 0..links {
            model.up[link] = true;
            scheduler.link_up(link);
        }
        model.open.clear();
        model.known.values_mut().for_each(|known| known.overtaken.clear());
        let mut pulled = std::collections::HashSet::new();
        for _ in 0..=sources.len() {
            for strategy in 0..count {
                (0..std::mem::take(&mut model.sessions[strategy])).for_each(|_| scheduler.session_ended(strategy));
            }
            model.now += model.options.error_rest;
            model.drain(&mut scheduler)?;
            pulled.extend(model.open.iter().map(|(pull, _)| pull.source));
            while !model.open.is_empty() {
                model.answer(&mut scheduler, 0, 1)?;
            }
        }
        prop_assert_eq!(pulled.len(), sources.len(), "somebody was never pulled");
    }

    #[test]
    fn views_with_endless_work_are_pulled_equally(
        options in any_options(),
        // The link and the strategy of each view.
        views in prop::collection::vec((0..3usize, 0..3usize), 1..12),
        // Strategies that are pulled beside them, with work without an end, too.
        enhanced in prop::collection::btree_set((0..3usize, 0..3usize), 0..4),
        order in prop::collection::vec(any::<Index>(), 1..400),
    ) {
        let legacy = views.iter().enumerate();
        let legacy = legacy.map(|(view, &(link, strategy))| Source { link, strategy, view: Some(view) });
        let beside = enhanced.iter().map(|&(link, strategy)| Source { link, strategy, view: None });
        let mut scheduler = PullScheduler::new(options, &[0, 0, 0], beside.chain(legacy));
        (0..3).for_each(|link| scheduler.link_up(link));
        let now = Instant::now();
        let mut pulls: HashMap<usize, i64> = (0..views.len()).map(|view| (view, 0)).collect();
        let mut sessions = Vec::new();
        let mut order = order.into_iter();
        while let Some(index) = order.next() {
            let mut open = all(&mut scheduler, now);
            // In any order, each answer brings what was asked for, and sessions end in any order, one or more at a time.
            while !open.is_empty() {
                let pull = open.swap_remove(index.index(open.len()));
                *pulls.entry(pull.source.view.unwrap_or(usize::MAX)).or_default() += 1;
                prop_assert!(scheduler.answered(pull.id, now, pull.count).is_some());
                sessions.extend(std::iter::repeat_n(pull.source.strategy, pull.count));
            }
            let ending = order.next().map_or(1, |index| index.index(sessions.len()) + 1);
            for _ in 0..ending {
                scheduler.session_ended(sessions.swap_remove(index.index(sessions.len())));
            }
            let counts = pulls.iter().filter(|(view, _)| **view != usize::MAX).map(|(_, count)| *count);
            let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
            prop_assert!(most - least <= 1, "{pulls:?}");
        }
    }
}
