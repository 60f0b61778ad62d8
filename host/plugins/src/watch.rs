//! Tells that something in a folder, or one file of it, may have changed. What, whoever asks looks for.
//!
//! The system's notifications are only a hint that comes sooner: they are lost on network folders, and may be
//! lost anywhere, so a look now and then is asked for as well. Ends when it is dropped.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::Instant;

/// With notifications the folder is looked at all the same, once in so many polls.
const SELDOM: u32 = 5;

/// A folder, or a file, that is watched.
#[derive(Debug)]
pub struct Watch {
    hint: Arc<Notify>,
    every: Duration,
    next: Instant,
    /// None: there are none, the folder is polled.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches the folder, with the system's notifications where `notified` and where there are any.
    pub fn start(folder: &Path, notified: bool, poll_every: Duration) -> Watch {
        Watch::new(folder, None, notified, poll_every)
    }

    /// Watches a file, whether it is written in place, replaced by another, or not there at all: its folder has to be.
    pub fn file(path: &Path, poll_every: Duration) -> Watch {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Watch::new(folder, path.file_name(), true, poll_every)
    }

    fn new(folder: &Path, file: Option<&OsStr>, notified: bool, poll_every: Duration) -> Watch {
        let hint = Arc::new(Notify::new());
        let watcher = if notified { watcher(folder, file.map(OsStr::to_owned), hint.clone()) } else { None };
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

fn watcher(folder: &Path, file: Option<OsString>, hint: Arc<Notify>) -> Option<RecommendedWatcher> {
    let is_about = move |event: &notify::Event| {
        let Some(file) = &file else { return true };
        event.need_rescan() || event.paths.iter().any(|path| path.file_name() == Some(file))
    };
    let on_event = move |event: notify::Result<notify::Event>| {
        // That somebody reads a file, we ourselves among others, is no news.
        let is_none =
            |event: &notify::Event| event.kind.is_access() && !closed_after_writing(event) || !is_about(event);
        if !matches!(&event, Ok(event) if is_none(event)) {
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
                "the system does not tell of changes in this folder: it is looked at now and then"
            );
            None
        }
    }
}

fn closed_after_writing(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode, EventKind};
    matches!(event.kind, EventKind::Access(AccessKind::Close(AccessMode::Write)))
}
