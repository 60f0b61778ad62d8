//! A circuit breaker for one version of a plugin: it opens when too many of its sessions fail.
//!
//! Pure: outcomes and time come in. What follows when it opens is decided by [`Deployment`]: the version
//! before takes over, or, where there is none, this one rests. After the rest one session is tried: it ends
//! well, and the breaker is closed; it fails, and the rest is twice as long.
//!
//! [`Deployment`]: crate::deployment::Deployment

use std::time::{Duration, Instant};

/// Sessions at most that a breaker looks back on.
pub const WINDOW_MOST: u32 = 64;
/// A rest grows to so many times the first one.
const LONGEST_REST: u32 = 16;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// It opens when so many of the sessions it looks back on have failed. 0: never. Default 5.
    pub failures: u32,
    /// Sessions it looks back on, 1 to 64. Default 20.
    pub window: u32,
    /// How long a version rests first that has no other to take over. Default 60 s.
    pub rest: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        BreakerSettings { failures: 5, window: 20, rest: Duration::from_secs(60) }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// The last outcomes, the latest in the lowest bit; 1: failed.
    outcomes: u64,
    state: State,
    /// Rests since it was last closed.
    rests: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Resting {
        until: Instant,
    },
    /// One session is under way, on which everything depends.
    Trying,
}

impl Breaker {
    /// A session has ended. True: it opens now.
    pub fn ended(&mut self, failed: bool, settings: &BreakerSettings) -> bool {
        match self.state {
            // Of sessions that began before.
            State::Resting { .. } => false,
            State::Trying if failed => true,
            State::Trying => {
                *self = Breaker::default();
                false
            }
            State::Closed => {
                let window = settings.window.clamp(1, WINDOW_MOST);
                let kept = u64::MAX >> (WINDOW_MOST - window);
                self.outcomes = ((self.outcomes << 1) | u64::from(failed)) & kept;
                settings.failures > 0 && failed && self.outcomes.count_ones() >= settings.failures
            }
        }
    }

    /// No new sessions from here on, for a while.
    pub fn rest(&mut self, now: Instant, settings: &BreakerSettings) -> Duration {
        let times = 1_u32.checked_shl(self.rests).unwrap_or(LONGEST_REST).min(LONGEST_REST);
        self.rests = self.rests.saturating_add(1);
        self.outcomes = 0;
        let rest = settings.rest.saturating_mul(times);
        self.state = State::Resting { until: now + rest };
        rest
    }

    /// How long it rests still; zero: until the session that is tried has ended. None: sessions may begin.
    pub fn resting(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Resting { until } => Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero()),
            State::Trying => Some(Duration::ZERO),
        }
    }

    /// A session begins; the first after a rest is the one that is tried.
    pub fn started(&mut self) {
        if let State::Resting { .. } = self.state {
            self.state = State::Trying;
        }
    }

    /// A session was let go of without an outcome.
    pub fn left(&mut self, now: Instant) {
        if self.state == State::Trying {
            self.state = State::Resting { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings { failures: 3, window: 5, rest: Duration::from_secs(60) };

    fn opens_at(outcomes: &[bool]) -> Option<usize> {
        let mut breaker = Breaker::default();
        outcomes.iter().position(|failed| breaker.ended(*failed, &SETTINGS))
    }

    #[test]
    fn it_opens_when_so_many_of_the_last_have_failed() {
        assert_eq!(opens_at(&[true, true, true]), Some(2));
        assert_eq!(opens_at(&[true, false, true, false, true]), Some(4));
        // The first is out of sight by then.
        assert_eq!(opens_at(&[true, false, false, true, false, true]), None);
        assert_eq!(opens_at(&[true; 2]), None);
        let mut never = Breaker::default();
        assert!((0..100).all(|_| !never.ended(true, &BreakerSettings { failures: 0, ..SETTINGS })));
    }

    #[test]
    fn after_a_rest_one_session_decides() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.rest(now, &SETTINGS), SETTINGS.rest);
        assert_eq!(breaker.resting(now + Duration::from_secs(1)), Some(Duration::from_secs(59)));
        assert!(!breaker.ended(true, &SETTINGS), "one that began before");
        let later = now + SETTINGS.rest;
        assert_eq!(breaker.resting(later), None);
        breaker.started();
        assert_eq!(breaker.resting(later), Some(Duration::ZERO), "the others wait for it");
        assert!(breaker.ended(true, &SETTINGS));
        assert_eq!(breaker.rest(later, &SETTINGS), 2 * SETTINGS.rest);
        let later = later + 2 * SETTINGS.rest;
        breaker.started();
        assert!(!breaker.ended(false, &SETTINGS));
        assert_eq!(breaker.resting(later), None);
        assert_eq!(breaker.rest(later, &SETTINGS), SETTINGS.rest, "it begins anew");
    }

    #[test]
    fn rests_grow_up_to_a_bound_and_a_trial_without_an_outcome_is_repeated() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let longest = (0..100).map(|_| breaker.rest(now, &SETTINGS)).max();
        assert_eq!(longest, Some(16 * SETTINGS.rest));
        breaker.started();
        breaker.left(now);
        assert_eq!(breaker.resting(now), None);
    }
}
