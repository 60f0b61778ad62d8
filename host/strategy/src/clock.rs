//! The time of a turn: it stands still while the turn runs, so that what a strategy saw of it can
//! be recorded as one value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

pub(crate) struct TurnClock {
    started: Instant,
    wall: Duration,
    monotonic: Duration,
}

impl TurnClock {
    pub fn start() -> TurnClock {
        TurnClock { started: Instant::now(), wall: wall(), monotonic: Duration::ZERO }
    }

    /// A turn begins.
    pub fn advance(&mut self) {
        self.wall = wall();
        self.monotonic = self.started.elapsed();
    }

    /// Time since 1970-01-01T00:00:00Z.
    pub fn wall(&self) -> Duration {
        self.wall
    }

    /// Time since the session began; never goes back.
    pub fn monotonic(&self) -> Duration {
        self.monotonic
    }
}

/// A clock set before 1970 reads as 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
