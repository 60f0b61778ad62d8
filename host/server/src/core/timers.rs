//! Timers of the core, by their monotonic due time. Setting and cancelling are O(log n).

use std::collections::BTreeMap;

use super::ClientId;

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Somebody has held this interaction for long.
    Holding(String),
    /// An invitation was not answered.
    Invitation(u64),
    /// A pull (strategy, client, reference id) was held for as long as it may.
    Pull(usize, ClientId, u64),
    /// This interaction is no longer kept for one client.
    Kept(String),
    /// The server started some time ago.
    Started,
    /// A media server did not answer an ESP request.
    Service(u64),
    /// Recent reporting events may be forgotten.
    StopKeeping,
    /// Conditions on time may have become true.
    CheckViews,
    /// Idempotency keys may be forgotten.
    Forget,
}

/// Names a timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey {
    due: u64,
    serial: u64,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    serial: u64,
    waiting: BTreeMap<TimerKey, Timer>,
}

impl Timers {
    pub(super) fn set(&mut self, due: u64, timer: Timer) -> TimerKey {
        self.serial += 1;
        let key = TimerKey { due, serial: self.serial };
        self.waiting.insert(key, timer);
        key
    }

    /// One that has run already is let pass.
    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.waiting.remove(&key);
    }

    /// Takes the first timer that is due.
    pub(super) fn due(&mut self, now: u64) -> Option<Timer> {
        let first = self.waiting.first_entry()?;
        (first.key().due <= now).then(|| first.remove())
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(key, _)| key.due)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
