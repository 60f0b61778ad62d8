//! Target selection of each link, where more than its link task looks at it.
//!
//! The link task alone changes it. Sessions ask it for statistics while they run, and people why it decided so; each for
//! a moment, in which nothing is waited for. It ends with the node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackfield_routing::{Directory, Selection};

/// Target selection of one link.
#[derive(Clone)]
pub(crate) struct SharedSelection(Arc<Mutex<Selection>>);

impl SharedSelection {
    pub fn new(directory: Directory) -> SharedSelection {
        SharedSelection(Arc::new(Mutex::new(Selection::new(directory))))
    }

    pub fn lock(&self) -> MutexGuard<'_, Selection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
