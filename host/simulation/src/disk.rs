//! The disk of the node's journal: commits take their time, fail for a while, and are cut short by crashes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jackfield_journal::{
    Committer, Entry, Journal, JournalSettings, JournalWriter, MemoryJournal, Progress, StoreError,
};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::weather::Weather;

/// Pause before a commit that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A disk with a journal on it. It outlives the node.
#[derive(Clone)]
pub(crate) struct Disk {
    weather: Arc<Weather>,
    journal: MemoryJournal,
    owner: String,
    state: Arc<Mutex<State>>,
}

struct State {
    full_until: Instant,
    slow_until: Instant,
}

/// What ends an open journal as a crash does.
pub(crate) struct Plug {
    task: AbortHandle,
    progress: Progress,
}

impl Plug {
    /// Nothing more is written; what was not on disk never will be.
    pub fn pull(self) {
        self.task.abort();
        self.progress.fail(StoreError::Refused { path: "memory".into(), detail: "the process is dead".into() });
    }
}

impl Disk {
    pub fn new(weather: Arc<Weather>, journal: MemoryJournal, owner: &str) -> Disk {
        let now = Instant::now();
        Disk {
            weather,
            journal,
            owner: owner.to_owned(),
            state: Arc::new(Mutex::new(State { full_until: now, slow_until: now })),
        }
    }

    pub fn full_for(&self, time: Duration) {
        self.state(|state| state.full_until = Instant::now() + time);
    }

    pub fn slow_for(&self, time: Duration) {
        self.state(|state| state.slow_until = Instant::now() + time);
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the journal.
    ///
    /// # Errors
    /// See [`Journal::open_in_place`].
    pub fn open(&self) -> Result<(Journal, Plug), StoreError> {
        let mut plug = None;
        let disk = self.clone();
        let journal = Journal::open_in_place(
            Box::new(self.journal.clone()),
            JournalSettings::new(self.owner.as_str()),
            |writer, progress| {
                let queue = Arc::new(Queue::default());
                let task = tokio::spawn(commits(disk, queue.clone(), writer, progress.clone()));
                plug = Some(Plug { task: task.abort_handle(), progress });
                Box::new(Handle(queue))
            },
        )?;
        plug.map(|plug| (journal, plug))
            .ok_or_else(|| StoreError::Refused { path: "memory".into(), detail: "it has no committer".into() })
    }
}

/// What gathers between commits. Bounded by the journal.
#[derive(Default)]
struct Queue {
    gathered: Mutex<Gathered>,
    changed: Notify,
}

#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    sequence: Option<u64>,
    due: Option<Instant>,
}

struct Handle(Arc<Queue>);

impl Committer for Handle {
    fn hand_over(&self, sequence: u64, entries: Vec<Entry>, within: Duration) {
        let due = Instant::now() + within;
        let mut gathered = self.0.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.entries.extend(entries);
        gathered.sequence = Some(sequence);
        gathered.due = Some(gathered.due.map_or(due, |earliest| earliest.min(due)));
        self.0.changed.notify_one();
    }

    fn prune_before(&self, _at: i64) {
        // What a simulation leaves is looked at when it is over.
    }
}

/// Commits what gathers, until it is aborted.
async fn commits(disk: Disk, queue: Arc<Queue>, mut writer: JournalWriter, progress: Progress) {
    let weather = disk.weather.clone();
    let odds = weather.options.strikes_at_commits;
    loop {
        let due = queue.gathered.lock().unwrap_or_else(PoisonError::into_inner).due;
        match due {
            None => {
                queue.changed.notified().await;
                continue;
            }
            Some(due) if due > Instant::now() => {
                tokio::select! {
                    biased;
                    () = queue.changed.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
                continue;
            }
            Some(_) => {}
        }
        let taken = std::mem::take(&mut *queue.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        weather.may_strike(odds);
        while disk.state(|state| state.full_until) > Instant::now() {
            progress.health(Some("the disk is full".into()));
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let slow = if disk.state(|state| state.slow_until) > Instant::now() { 100 } else { 1 };
        weather.sleep(weather.options.disk * slow).await;
        if let Err(error) = writer.commit(&taken.entries) {
            weather.ledger().wrong(format!("the journal refuses: {error}"));
            progress.fail(error);
            return;
        }
        if !weather.is_calm()
            && weather.chance(weather.options.repeated_commits)
            && let Err(error) = writer.commit(&taken.entries)
        {
            weather.ledger().wrong(format!("the journal refuses what it has: {error}"));
        }
        for entry in &taken.entries {
            weather.note(format_args!("journal {}", crate::describe::entry(entry)));
        }
        weather.ledger().recorded(&taken.entries);
        // On disk, and nobody knows.
        weather.may_strike(odds);
        weather.sleep(weather.options.disk * slow).await;
        progress.health(None);
        if let Some(sequence) = taken.sequence {
            progress.durable(sequence);
        }
    }
}
