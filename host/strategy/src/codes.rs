//! Compiled code that is in use, so that plugins with the same code share it: those that differ in the files they carry
//! and in nothing else. It is let go with the last plugin that uses it.
//!
//! Whoever needs code that somebody else is just compiling waits for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::Component;

use crate::code_cache::InUse;
use crate::contract::StrategyPre;
use crate::state::State;

/// Places of code that is no longer used are cleared away when there are twice as many as after the last time, and
/// at least so many.
const CLEARED_FROM: usize = 64;

/// Code that can be run.
pub(crate) struct Code {
    pub component: Component,
    /// Joined to the host's functions.
    pub linked: StrategyPre<State>,
    /// Stays in the cache meanwhile.
    pub _kept: Option<InUse>,
}

/// Where one plugin finds the code of another.
pub(crate) type Place = Arc<tokio::sync::Mutex<Weak<Code>>>;

/// All code in use, by its digest.
#[derive(Default)]
pub(crate) struct Codes(Mutex<Places>);

#[derive(Default)]
struct Places {
    by_digest: HashMap<String, Place>,
    clear_at: usize,
}

impl Codes {
    /// The place of this code: whoever holds it locked looks for the code, and puts it there.
    pub fn place(&self, digest: &str) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.by_digest.len() >= places.clear_at.max(CLEARED_FROM) {
            places.by_digest.retain(|_, place| {
                // Somebody may be about to fill it.
                Arc::strong_count(place) > 1 || place.try_lock().is_ok_and(|code| code.strong_count() > 0)
            });
            places.clear_at = 2 * places.by_digest.len();
        }
        Arc::clone(places.by_digest.entry(digest.to_owned()).or_default())
    }
}
