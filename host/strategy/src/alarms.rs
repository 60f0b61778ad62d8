//! When sleeping sessions are due: one task of each runtime waits for all that sleep there. A task for each
//! of them would be a good part of what a sleeping session takes.
//!
//! The task ends with its runtime; what is due then is due again when its sessions go on from the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::session::Inner;

/// Those of one runtime.
pub(crate) struct Alarms {
    runtime: Handle,
    due: Mutex<Due>,
    /// There is an earlier one than before.
    changed: Notify,
}

#[derive(Default)]
struct Due {
    sleepers: BTreeMap<Alarm, Weak<Inner>>,
    last: u64,
}

/// When, and a number of its own: those for one moment go off in the order in which they were set.
pub(crate) type Alarm = (Instant, u64);

/// The alarms of each runtime that sessions of an engine sleep on.
#[derive(Default)]
pub(crate) struct Runtimes(Mutex<Vec<Weak<Alarms>>>);

impl Runtimes {
    /// Those of the runtime we are on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current(&self) -> Arc<Alarms> {
        let runtime = Handle::current();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|alarms| alarms.strong_count() > 0);
        let known = all.iter().filter_map(Weak::upgrade).find(|alarms| alarms.runtime.id() == runtime.id());
        known.unwrap_or_else(|| {
            let alarms = Arc::new(Alarms { runtime, due: Mutex::default(), changed: Notify::new() });
            all.push(Arc::downgrade(&alarms));
            alarms.runtime.spawn(ring(Arc::clone(&alarms)));
            alarms
        })
    }
}

impl Alarms {
    /// Where they go off, and those they wake run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Wakes the session at that moment, unless that is [cancelled](Self::cancel).
    pub fn set(&self, at: Instant, session: &Arc<Inner>) -> Alarm {
        let mut due = self.due();
        due.last += 1;
        let alarm = (at, due.last);
        due.sleepers.insert(alarm, Arc::downgrade(session));
        let is_first = due.sleepers.first_key_value().is_some_and(|(first, _)| *first == alarm);
        drop(due);
        if is_first {
            self.changed.notify_one();
        }
        alarm
    }

    pub fn cancel(&self, alarm: Alarm) {
        self.due().sleepers.remove(&alarm);
    }

    fn next(&self) -> Option<Instant> {
        self.due().sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// One that is due.
    fn take(&self) -> Option<Weak<Inner>> {
        let mut due = self.due();
        let first = due.sleepers.first_entry()?;
        (first.key().0 <= Instant::now()).then(|| first.remove())
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ring(alarms: Arc<Alarms>) {
    loop {
        while let Some(sleeper) = alarms.take() {
            if let Some(sleeper) = sleeper.upgrade() {
                sleeper.wake_up();
            }
            tokio::task::coop::consume_budget().await;
        }
        match alarms.next() {
            None => alarms.changed.notified().await,
            Some(at) => tokio::select! {
                biased;
                () = alarms.changed.notified() => {}
                () = tokio::time::sleep_until(at) => {}
            },
        }
    }
}
