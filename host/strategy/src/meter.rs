//! CPU time of one session: of its whole life, of its turns, and of the turn that runs.
//!
//! The session's task brackets each poll; in between, the engine's ticks look at the clock of the
//! thread. Only the session's task writes; anybody may read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Meter {
    /// The thread's CPU time when the running slice was last counted, in nanoseconds.
    counted_to: AtomicU64,
    turn: AtomicU64,
    total: AtomicU64,
    /// Without rebuilding.
    turns: AtomicU64,
    /// What runs has run before.
    rebuilding: AtomicBool,
}

/// What a session has taken so far, in nanoseconds: all there is of its meter while it sleeps.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub total: u64,
    turns: u64,
}

impl Meter {
    /// Of a session that has taken so much before.
    pub fn after(spent: Spent) -> Meter {
        Meter { total: spent.total.into(), turns: spent.turns.into(), ..Meter::default() }
    }

    /// As of the last count.
    pub fn spent(&self) -> Spent {
        Spent { total: self.total.load(Relaxed), turns: self.turns.load(Relaxed) }
    }

    /// The session is about to run on this thread.
    pub fn resume(&self) {
        self.counted_to.store(thread_cpu(), Relaxed);
    }

    /// Counts what ran on this thread since [`resume`](Self::resume), or since this was last called.
    pub fn count(&self) {
        let now = thread_cpu();
        let slice = now.saturating_sub(self.counted_to.swap(now, Relaxed));
        self.turn.fetch_add(slice, Relaxed);
        self.total.fetch_add(slice, Relaxed);
        if !self.rebuilding.load(Relaxed) {
            self.turns.fetch_add(slice, Relaxed);
        }
    }

    /// From here on what runs is recorded already, or is not. Counts where that changes back.
    pub fn set_rebuilding(&self, rebuilding: bool) {
        if self.rebuilding.load(Relaxed) == rebuilding {
            return;
        }
        if !rebuilding {
            self.count();
        }
        self.rebuilding.store(rebuilding, Relaxed);
    }

    /// A turn begins. What ran before it in the same poll, less than a slice, is counted to it.
    pub fn turn_begins(&self) {
        self.turn.store(0, Relaxed);
    }

    /// CPU time of the turn, as of the last count.
    pub fn turn(&self) -> Duration {
        Duration::from_nanos(self.turn.load(Relaxed))
    }

    /// CPU time of its turns, each counted when it first happened, as of the last count.
    pub fn turns(&self) -> Duration {
        Duration::from_nanos(self.turns.load(Relaxed))
    }
}

#[cfg(unix)]
fn thread_cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// No cheap clock of a thread's CPU time: time passing stands in for it.
#[cfg(not(unix))]
fn thread_cpu() -> u64 {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
