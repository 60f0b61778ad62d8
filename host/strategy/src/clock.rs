//! The time of a session. It goes on while the session is passive and while the host is down, never
//! goes back, and does not follow the wall clock when that is set: waits are measured on it.

use std::sync::LazyLock;
use std::time::Duration;

use jackfield_world::{wall, wall_ms};
use tokio::time::Instant;

use crate::record::Clock;

/// The moment from which this process counts.
static START: LazyLock<Instant> = LazyLock::new(|| std::time::Instant::now().into());

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionClock {
    /// How much later it is for the session than for this process, in nanoseconds.
    ahead: i64,
    /// When the session began, in milliseconds since 1970.
    started_at: u64,
}

impl SessionClock {
    /// Of a session that began at `started_at` and had come to `monotonic` nanoseconds when it was
    /// recorded last. Only here the wall clock counts: it tells how long the host was down. One that was
    /// set back meanwhile says that no time has passed.
    pub fn resume(started_at: u64, monotonic: u64) -> SessionClock {
        let passed = Duration::from_millis(wall_ms().saturating_sub(started_at));
        SessionClock::at(passed.max(Duration::from_nanos(monotonic)), started_at)
    }

    /// Of one that begins now.
    pub fn start(started_at: u64) -> SessionClock {
        SessionClock::at(Duration::ZERO, started_at)
    }

    fn at(then: Duration, started_at: u64) -> SessionClock {
        SessionClock { ahead: signed(nanoseconds(then)).saturating_sub(process_time()), started_at }
    }

    /// Its monotonic time, in nanoseconds.
    pub fn monotonic(&self) -> u64 {
        u64::try_from(process_time().saturating_add(self.ahead)).unwrap_or(0)
    }

    /// The time of a turn that begins now.
    pub fn turn(&self) -> Clock {
        Clock { wall: nanoseconds(wall()), monotonic: self.monotonic() }
    }

    /// When this moment of its monotonic time comes, in this process.
    pub fn instant(&self, monotonic: u64) -> Instant {
        let at = signed(monotonic).saturating_sub(self.ahead);
        let distance = Duration::from_nanos(at.unsigned_abs());
        let found = if at < 0 { START.checked_sub(distance) } else { START.checked_add(distance) };
        // Before all that this process knows: it is past.
        found.unwrap_or(*START)
    }

    /// When it comes as far as is known, in milliseconds since 1970.
    pub fn wall_at(&self, monotonic: u64) -> u64 {
        self.started_at.saturating_add(monotonic / 1_000_000)
    }
}

/// Nanoseconds since its start, or before it: a clock that stands still in a test may be behind.
fn process_time() -> i64 {
    let (now, start) = (Instant::now(), *START);
    match now.checked_duration_since(start) {
        Some(passed) => signed(nanoseconds(passed)),
        None => -signed(nanoseconds(start.duration_since(now))),
    }
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn time_passes_while_nobody_looks_and_a_clock_set_back_stops_nothing() {
        let now = wall_ms();
        // It was down for about an hour.
        let clock = SessionClock::resume(now - 2 * HOUR, HOUR * 1_000_000);
        assert!(clock.monotonic() >= 2 * HOUR * 1_000_000);
        // The wall clock was set back to before it began.
        let clock = SessionClock::resume(now + 5 * HOUR, HOUR * 1_000_000);
        let (before, after) = (clock.monotonic(), clock.monotonic());
        assert!(before >= HOUR * 1_000_000 && after >= before && after < (HOUR + 60_000) * 1_000_000);
        let due = clock.instant((HOUR + 10) * 1_000_000);
        assert!(due <= Instant::now() + Duration::from_millis(10), "what was due in 10 ms is due in 10 ms");
    }
}
