//! Tells that something in a folder may have changed. What, the folder is looked at for.
//!
//! The system's notifications are only a hint that comes sooner: they are lost on network folders, and may be
//! lost anywhere, so the folder is looked at now and then as well. Ends when it is dropped.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::Instant;

/// With notifications the folder is looked at all the same, once in so many polls.
const SELDOM: u32 = 5;

pub(crate) struct Watch {
    hint: Arc<Notify>,
    every: Duration,
    next: Instant,
    /// None: there are none, the folder is polled.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches the folder, with the system's notifications where `notified` and where there are any.
    pub fn start(folder: &Path, notified: bool, poll_every: Duration) -> Watch {
        let hint = Arc::new(Notify::new());
        let watcher = if notified { watcher(folder, hint.clone()) } else { None };
        let every = if watcher.is_some() { poll_every * SELDOM } else { poll_every };
        Watch { hint, every, next: Instant::now() + every, _watcher: watcher }
    }

    /// Returns when the folder is to be looked at. Cancel-safe.
    pub async fn changed(&mut self) {
        tokio::select! {
            () = self.hint.notified() => {}
            () = tokio::time::sleep_until(self.next) => {}
        }
        self.next = Instant::now() + self.every;
    }
}

fn watcher(folder: &Path, hint: Arc<Notify>) -> Option<RecommendedWatcher> {
    let on_event = move |event: notify::Result<notify::Event>| {
        // That somebody reads a file, we ourselves among others, is no news.
        if !matches!(&event, Ok(event) if event.kind.is_access() && !closed_after_writing(event)) {
            hint.notify_one();
        }
    };
    let watching = notify::recommended_watcher(on_event)
        .and_then(|mut watcher| watcher.watch(folder, RecursiveMode::NonRecursive).map(|()| watcher));
    match watching {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(
                folder = %folder.display(),
                %error,
                "the system does not tell of changes in the plugins folder: it is looked at now and then"
            );
            None
        }
    }
}

fn closed_after_writing(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode, EventKind};
    matches!(event.kind, EventKind::Access(AccessKind::Close(AccessMode::Write)))
}
