//! What was appended and is not durable yet: who waits for it, whose histories it changes, and how
//! much of it there may be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::entry::Changes;
use crate::{Entry, JournalClosed, StoreError};

/// Bytes that may be appended and not durable.
const ROOM: u32 = 32 << 20;

/// Everything that is not durable yet, in order.
#[derive(Debug)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    /// Bytes left of [`ROOM`].
    room: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    appends: VecDeque<Append>,
    failure: Option<StoreError>,
}

#[derive(Debug)]
struct Append {
    sequence: u64,
    changed: Changed,
    room: u32,
    done: oneshot::Sender<Result<(), JournalClosed>>,
}

/// As [`Changes`], kept.
#[derive(Debug)]
enum Changed {
    Nothing,
    Session(Arc<str>),
    Several,
}

impl Changed {
    fn of(entries: &[Entry]) -> Changed {
        let mut all = Changes::Nothing;
        for entry in entries {
            all = match (all, entry.changes()) {
                (all, Changes::Nothing) => all,
                (Changes::Nothing, changes) => changes,
                (Changes::Session(one), Changes::Session(other)) if one == other => all,
                _ => Changes::Several,
            };
        }
        match all {
            Changes::Nothing => Changed::Nothing,
            Changes::Session(session) => Changed::Session(session.into()),
            Changes::Several => Changed::Several,
        }
    }
}

impl Waiting {
    pub(crate) fn new() -> Waiting {
        Waiting { state: Mutex::default(), room: Semaphore::new(ROOM as usize) }
    }

    /// Waits until so many bytes may be appended; returns what [`expect`](Self::expect) is to be told.
    /// A closed journal has room for everything: it takes nothing.
    pub(crate) async fn room(&self, bytes: usize) -> u32 {
        // What is larger than all the room there is goes alone.
        let room = u32::try_from(bytes).unwrap_or(u32::MAX).min(ROOM);
        match self.room.acquire_many(room).await {
            Ok(permit) => permit.forget(),
            Err(_) => return 0,
        }
        room
    }

    /// `done` is told when that append is durable, or never will be. Returns whether it may be handed
    /// over; where the journal has failed it is not.
    pub(crate) fn expect(
        &self,
        sequence: u64,
        entries: &[Entry],
        room: u32,
        done: oneshot::Sender<Result<(), JournalClosed>>,
    ) -> bool {
        let mut state = self.lock();
        if let Some(failure) = &state.failure {
            // Nobody may be listening.
            let _ = done.send(Err(JournalClosed { reason: failure.to_string() }));
            return false;
        }
        state.appends.push_back(Append { sequence, changed: Changed::of(entries), room, done });
        true
    }

    /// Everything up to that number is on disk.
    pub(crate) fn durable(&self, sequence: u64) {
        let mut state = self.lock();
        let count = state.appends.partition_point(|append| append.sequence <= sequence);
        let durable: Vec<Append> = state.appends.drain(..count).collect();
        drop(state);
        self.room.add_permits(durable.iter().map(|append| append.room as usize).sum());
        for append in durable {
            let _ = append.done.send(Ok(()));
        }
    }

    /// Nothing more will be durable.
    pub(crate) fn fail(&self, failure: StoreError) {
        let closed = JournalClosed { reason: failure.to_string() };
        let mut state = self.lock();
        let lost = std::mem::take(&mut state.appends);
        state.failure = Some(failure);
        drop(state);
        self.room.close();
        for append in lost {
            let _ = append.done.send(Err(closed.clone()));
        }
    }

    /// Nothing more will be appended.
    pub(crate) fn close(&self) {
        self.room.close();
    }

    /// Whether everything is durable.
    pub(crate) fn is_empty(&self) -> Result<bool, StoreError> {
        let state = self.lock();
        state.failure.clone().map_or_else(|| Ok(state.appends.is_empty()), Err)
    }

    /// Whether something that is not durable changes the history of that session.
    pub(crate) fn is_changing(&self, session: &str) -> Result<bool, StoreError> {
        let state = self.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        Ok(state.appends.iter().any(|append| match &append.changed {
            Changed::Nothing => false,
            Changed::Session(changed) => **changed == *session,
            Changed::Several => true,
        }))
    }

    /// A panic elsewhere leaves the state whole: it is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
