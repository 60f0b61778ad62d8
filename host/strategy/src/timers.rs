//! Timers of one session: its own affair, so that the host's other parts never see them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::contract::TimerId;

/// The longest a timer or a wait may be, so that no sum of times overflows.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, TimerId)>,
    last_id: TimerId,
}

impl Timers {
    pub fn start(&mut self, after_ms: u64) -> TimerId {
        self.last_id += 1;
        self.due.insert((deadline(after_ms), self.last_id));
        self.last_id
    }

    /// Whether it was still to fire.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let found = self.due.iter().find(|(_, timer)| *timer == id).copied();
        found.is_some_and(|timer| self.due.remove(&timer))
    }

    /// Timers still to fire.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// When the next one fires.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The first one that is due, which has fired then.
    pub fn fire(&mut self, now: Instant) -> Option<TimerId> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        self.due.pop_first().map(|(_, id)| id)
    }
}

/// This long from now; ten years stand for all that is longer.
pub(crate) fn deadline(after_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(after_ms).min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_once_and_only_when_due() {
        let mut timers = Timers::default();
        let (late, never, soon) = (timers.start(2_000), timers.start(u64::MAX), timers.start(1_000));
        let now = Instant::now();
        assert_eq!(timers.fire(now), None);
        assert_eq!(timers.fire(now + Duration::from_secs(5)), Some(soon));
        assert_eq!(timers.fire(now + Duration::from_secs(5)), Some(late));
        assert_eq!(timers.fire(now + Duration::from_secs(5)), None);
        assert!(timers.cancel(never) && !timers.cancel(never) && !timers.cancel(soon));
        assert_eq!(timers.len(), 0);
    }
}
