//! The live instances: a bounded cache of sessions that could all be rebuilt.
//!
//! Owns the room there is. A session enters before its instance is made and leaves when that is gone.
//! Where there is no room the session that has waited longest for an event makes room: it is told to,
//! through its inbox. Sessions whose journal keeps nothing are not among those.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::session::Shared;

pub(crate) struct Cache {
    capacity: usize,
    room: Arc<Semaphore>,
    /// Sessions that wait for room.
    wanted: AtomicUsize,
    idle: Mutex<Idle>,
}

/// Sessions that wait for an event and can be dropped, those that have waited longest first.
#[derive(Default)]
struct Idle {
    last_place: u64,
    sessions: BTreeMap<u64, Weak<Shared>>,
}

impl Cache {
    pub fn new(capacity: usize) -> Cache {
        Cache {
            capacity,
            room: Arc::new(Semaphore::new(capacity)),
            wanted: AtomicUsize::new(0),
            idle: Mutex::default(),
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Instances there are.
    pub fn live(&self) -> usize {
        self.capacity.saturating_sub(self.room.available_permits())
    }

    /// Waits for room. Cancel-safe.
    pub async fn enter(&self) -> OwnedSemaphorePermit {
        if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            return room;
        }
        let _wanting = Wanting::new(&self.wanted);
        self.make_room();
        loop {
            // The semaphore is never closed; were it, waiting would be the answer.
            match Arc::clone(&self.room).acquire_owned().await {
                Ok(room) => return room,
                Err(_) => std::future::pending::<()>().await,
            }
        }
    }

    /// Whether somebody waits for room.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Asks the session that has waited longest to leave.
    pub fn make_room(&self) {
        let longest = {
            let mut idle = self.idle();
            std::iter::from_fn(|| idle.sessions.pop_first()).find_map(|(_, session)| session.upgrade())
        };
        if let Some(session) = longest {
            session.inbox.ask_to_leave();
        }
    }

    /// This session waits for an event: it may be asked to leave, until the place is dropped.
    pub fn idle_place(&self, session: &Arc<Shared>) -> Place<'_> {
        let mut idle = self.idle();
        idle.last_place += 1;
        let place = idle.last_place;
        idle.sessions.insert(place, Arc::downgrade(session));
        Place { cache: self, place }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place among those that can be dropped.
pub(crate) struct Place<'a> {
    cache: &'a Cache,
    place: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.cache.idle().sessions.remove(&self.place);
    }
}

struct Wanting<'a>(&'a AtomicUsize);

impl<'a> Wanting<'a> {
    fn new(wanted: &'a AtomicUsize) -> Wanting<'a> {
        wanted.fetch_add(1, Ordering::Relaxed);
        Wanting(wanted)
    }
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
