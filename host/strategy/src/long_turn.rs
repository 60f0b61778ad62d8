//! Turns that run for longer than a slice, and how they let others on.
//!
//! The threads that run sessions also serve the links and the timers. A turn that runs on gives up
//! its thread after each slice; and of all such turns only as many run at once as leave a thread
//! free of them, so that strategies that compute, or loop, cannot hold up those that do not.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::session::Shared;

/// How many long turns may run at once beside others, on this machine.
pub(crate) fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().saturating_sub(1).max(1))
}

pub(crate) struct LongTurn {
    places: Arc<Semaphore>,
    /// The place the running slice has; shared with the future that waits for one.
    place: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl LongTurn {
    pub fn new(places: Arc<Semaphore>) -> LongTurn {
        LongTurn { places, place: Arc::default() }
    }

    /// The turn is over.
    pub fn end(&mut self) {
        drop(self.take());
    }

    /// Gives up the place, and returns once it is this turn's turn again, or the session is to end.
    pub fn let_others_on(&mut self, shared: Arc<Shared>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        drop(self.take());
        let (places, place) = (Arc::clone(&self.places), Arc::clone(&self.place));
        Box::pin(async move {
            // The semaphore is fair; this is for those that wait for a thread and not for a place.
            tokio::task::yield_now().await;
            tokio::select! {
                permit = places.acquire_owned() => *place.lock().unwrap_or_else(PoisonError::into_inner) = permit.ok(),
                () = shared.inbox.until_ending() => {}
            }
        })
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
