//! Timers of one session, in its own monotonic time: nothing the wall clock does moves them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::contract::TimerId;

/// The longest a timer or a wait may be, so that no sum of times overflows: ten years, in milliseconds.
const FAR: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timers {
    /// In nanoseconds of the session's monotonic time.
    due: BTreeSet<(u64, TimerId)>,
    last_id: TimerId,
}

impl Timers {
    pub fn start(&mut self, now: u64, after_ms: u64) -> TimerId {
        self.last_id += 1;
        self.due.insert((after(now, after_ms), self.last_id));
        self.last_id
    }

    /// Whether it was still to fire. From here on it is not.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let found = self.due.iter().find(|(_, timer)| *timer == id).copied();
        found.is_some_and(|timer| self.due.remove(&timer))
    }

    /// Timers still to fire.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// When the next one fires.
    pub fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The first one that is due.
    pub fn first_due(&self, now: u64) -> Option<TimerId> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }
}

/// This long after that moment, in nanoseconds; ten years stand for all that is longer.
pub(crate) fn after(now: u64, after_ms: u64) -> u64 {
    now.saturating_add(after_ms.min(FAR).saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_once_and_only_when_due() {
        let mut timers = Timers::default();
        let now = 7;
        let (late, never, soon) = (timers.start(now, 2_000), timers.start(now, u64::MAX), timers.start(now, 1_000));
        assert_eq!(timers.first_due(now), None);
        let then = after(now, 5_000);
        for expected in [soon, late] {
            assert_eq!(timers.first_due(then), Some(expected));
            assert!(timers.cancel(expected));
        }
        assert_eq!(timers.first_due(then), None);
        assert!(timers.cancel(never) && !timers.cancel(never) && !timers.cancel(soon));
        assert_eq!(timers.len(), 0);
    }
}
