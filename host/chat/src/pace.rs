//! Not more than so many a second.

use std::time::Duration;

use tokio::time::Instant;

/// Lets a burst through, and then one after each pause.
#[derive(Debug)]
pub(crate) struct Pace {
    burst: u32,
    pause: Duration,
    /// When all of the burst is to be had again.
    whole_at: Instant,
}

impl Pace {
    pub(crate) fn new(burst: u32, a_second: u32, now: Instant) -> Pace {
        Pace { burst: burst.max(1), pause: Duration::from_secs(1) / a_second.max(1), whole_at: now }
    }

    /// Whether one more is let through now.
    pub(crate) fn lets(&mut self, now: Instant) -> bool {
        let next = self.whole_at.max(now) + self.pause;
        let is_let = next <= now + self.pause * self.burst;
        if is_let {
            self.whole_at = next;
        }
        is_let
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_one_after_each_pause() {
        let start = Instant::now();
        let mut pace = Pace::new(3, 2, start);
        let lets = |pace: &mut Pace, ms| pace.lets(start + Duration::from_millis(ms));
        assert_eq!([0, 0, 0, 0].map(|at| lets(&mut pace, at)), [true, true, true, false]);
        assert_eq!([400, 500, 600].map(|at| lets(&mut pace, at)), [false, true, false]);
        assert_eq!([10_000; 4].map(|at| lets(&mut pace, at)), [true, true, true, false]);
    }
}
