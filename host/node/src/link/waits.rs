//! Requests that wait for the link, and for how long: pure logic over injected time.
//!
//! While the link is down nothing is asked elsewhere, and nothing waits for ever: what had no outcome when the
//! link was lost, and what is asked for meanwhile, fails once it has waited for `link-down-timeout`. The time goes
//! on until the link is all the way back, so that one that comes and goes does not begin it anew.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// See the module. Bounded by what sessions may have unanswered.
#[derive(Debug, Default)]
pub(crate) struct LinkWaits {
    /// When the link was lost; none: it is there.
    since: Option<Instant>,
    /// What had no outcome then has failed.
    is_over: bool,
    /// Asked since, the oldest first.
    asked: VecDeque<(Instant, Arc<str>, u64)>,
}

/// A request that has waited for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    pub session: Arc<str>,
    pub request: u64,
    /// It may have left before the link was lost.
    pub may_be_done: bool,
}

impl LinkWaits {
    /// The link is lost, unless it was before.
    pub fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The link is there, and everything is asked.
    pub fn end(&mut self) {
        *self = LinkWaits::default();
    }

    /// A session asks for something that needs the link, which is not there.
    pub fn ask(&mut self, now: Instant, session: &Arc<str>, request: u64) {
        if self.since.is_some() {
            self.asked.push_back((now, session.clone(), request));
        }
    }

    /// When the next one has waited for so long.
    pub fn next(&self, limit: Duration) -> Option<Instant> {
        let first = self.since.filter(|_| !self.is_over);
        let asked = self.asked.front().map(|(at, ..)| *at);
        [first, asked].into_iter().flatten().min()?.checked_add(limit)
    }

    /// Those of `pending` that have waited for so long, and that are not told again.
    pub fn overdue(
        &mut self,
        now: Instant,
        limit: Duration,
        pending: impl FnOnce() -> Vec<(Arc<str>, u64)>,
    ) -> Vec<Overdue> {
        let is_due = |at: Instant| at.checked_add(limit).is_some_and(|due| due <= now);
        let mut overdue = Vec::new();
        if !self.is_over && self.since.is_some_and(is_due) {
            self.is_over = true;
            let later: HashSet<(&Arc<str>, u64)> =
                self.asked.iter().map(|(_, session, request)| (session, *request)).collect();
            let before = pending().into_iter().filter(|(session, request)| !later.contains(&(session, *request)));
            overdue.extend(before.map(|(session, request)| Overdue { session, request, may_be_done: true }));
        }
        while self.asked.front().is_some_and(|(at, ..)| is_due(*at)) {
            let Some((_, session, request)) = self.asked.pop_front() else { break };
            overdue.push(Overdue { session, request, may_be_done: false });
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(300);

    fn overdue(waits: &mut LinkWaits, at: Instant, pending: &[u64]) -> Vec<(u64, bool)> {
        let pending = pending.iter().map(|request| (Arc::from("s"), *request)).collect();
        let overdue = waits.overdue(at, LIMIT, || pending);
        overdue.into_iter().map(|overdue| (overdue.request, overdue.may_be_done)).collect()
    }

    #[test]
    fn each_waits_for_the_limit_and_no_longer() {
        let now = Instant::now();
        let mut waits = LinkWaits::default();
        waits.ask(now, &"s".into(), 1);
        assert_eq!((waits.next(LIMIT), overdue(&mut waits, now + LIMIT, &[1])), (None, vec![]), "the link is there");
        waits.begin(now);
        let later = now + Duration::from_secs(10);
        waits.ask(later, &"s".into(), 3);
        assert_eq!(waits.next(LIMIT), Some(now + LIMIT));
        assert_eq!(overdue(&mut waits, now + LIMIT - Duration::from_millis(1), &[1, 2, 3]), []);
        assert_eq!(overdue(&mut waits, now + LIMIT, &[1, 2, 3]), [(1, true), (2, true)]);
        assert_eq!(waits.next(LIMIT), Some(later + LIMIT));
        assert_eq!(overdue(&mut waits, later + LIMIT, &[3]), [(3, false)]);
        assert_eq!((waits.next(LIMIT), overdue(&mut waits, later + 2 * LIMIT, &[4])), (None, vec![]));
    }

    #[test]
    fn a_link_that_comes_and_goes_does_not_begin_the_time_anew() {
        let now = Instant::now();
        let mut waits = LinkWaits::default();
        waits.begin(now);
        waits.begin(now + LIMIT / 2);
        assert_eq!(waits.next(LIMIT), Some(now + LIMIT));
        waits.end();
        assert_eq!(waits.next(LIMIT), None);
        waits.begin(now + LIMIT);
        assert_eq!(waits.next(LIMIT), Some(now + 2 * LIMIT));
    }
}
