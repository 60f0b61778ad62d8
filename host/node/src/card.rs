//! A session as others may see it: who it is, what it has asked for, and what it waits for.
//!
//! Shared by the link task, the session itself, which records its turns with it (`recording`), and whoever
//! asks for the node's status. A passive session is little more than this, so what is rare is behind a pointer.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jackfield_strategy::contract::TargetType;
use jackfield_strategy::{Pending, Plugin, Request, Session};

use crate::by_id::HasId;
use crate::recording::Way;
use crate::status::SessionState;

pub(crate) struct Card {
    pub id: Arc<str>,
    /// Index of its strategy.
    pub strategy: usize,
    /// To its link, and to the journal.
    pub way: Arc<Way>,
    /// The interaction it was started for.
    pub interaction: Arc<str>,
    pub started_at: u64,
    turns: AtomicU64,
    /// 0: it goes on with an event only.
    due_at: AtomicU64,
    state: AtomicU8,
    /// None: it has ended before this node started.
    pub session: OnceLock<Session>,
    plugin: Mutex<Plugin>,
    /// None: it has nothing of this.
    inside: Mutex<Option<Box<Inside>>>,
}

#[derive(Default)]
struct Inside {
    /// Requests without an outcome, in the order of their ids.
    pending: Vec<(u64, Box<Pending>)>,
    /// What the session begins with, until it is in the journal.
    begin: Option<Arc<[u8]>>,
    /// Keys of messages from outside that it was told of and has not taken.
    told: Vec<Box<str>>,
}

impl Inside {
    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.begin.is_none() && self.told.is_empty()
    }

    fn find(&self, request: u64) -> Option<usize> {
        self.pending.binary_search_by_key(&request, |(id, _)| *id).ok()
    }

    /// What it waits for of what it has asked for.
    fn waits_for(&self) -> Option<String> {
        let route = self.pending.iter().rev().find_map(|(_, pending)| match &pending.request {
            Request::Route(route) => Some(route),
            _ => None,
        });
        if let Some(route) = route {
            let named = route.targets.iter().filter(|target| target.target_type != TargetType::InteractionQueue);
            let names: Vec<_> = named.map(|target| target.name.as_str()).collect();
            return Some(format!("target ({})", names.join(" or ")));
        }
        let (_, pending) = self.pending.last()?;
        let request = pending.request.to_string();
        Some(format!("answer to {}", request.split(' ').next().unwrap_or_default()))
    }
}

impl HasId for Arc<Card> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Card {
    pub fn new(
        id: Arc<str>,
        strategy: usize,
        way: Arc<Way>,
        plugin: Plugin,
        interaction: Arc<str>,
        started_at: u64,
    ) -> Card {
        Card {
            id,
            strategy,
            way,
            plugin: Mutex::new(plugin),
            interaction,
            started_at,
            turns: AtomicU64::new(0),
            due_at: AtomicU64::new(0),
            state: AtomicU8::new(SessionState::Running as u8),
            session: OnceLock::new(),
            inside: Mutex::new(None),
        }
    }

    /// The version of its plugin that it goes on with.
    pub fn plugin(&self) -> Plugin {
        self.plugin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It was moved to this version.
    pub fn set_plugin(&self, plugin: Plugin) {
        *self.plugin.lock().unwrap_or_else(PoisonError::into_inner) = plugin;
    }

    pub fn set_state(&self, state: SessionState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub fn state(&self) -> SessionState {
        match self.state.load(Ordering::Relaxed) {
            0 => SessionState::Running,
            1 => SessionState::Stopping,
            _ => SessionState::Ending,
        }
    }

    pub fn turn_ended(&self, number: u64, due_at: Option<u64>) {
        self.turns.store(number, Ordering::Relaxed);
        self.due_at.store(due_at.unwrap_or(0), Ordering::Relaxed);
    }

    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    pub fn due_at(&self) -> Option<u64> {
        Some(self.due_at.load(Ordering::Relaxed)).filter(|due_at| *due_at > 0)
    }

    // ---- requests ----

    /// It has asked for something. Ids go up.
    pub fn asked(&self, request: u64, pending: Pending) {
        self.change(|inside| inside.pending.push((request, Box::new(pending))));
    }

    /// It was told the outcome; what it had asked for. None: it was told before.
    pub fn answered(&self, request: u64) -> Option<Box<Pending>> {
        self.change(|inside| {
            let index = inside.find(request)?;
            Some(inside.pending.remove(index).1)
        })
    }

    /// What this request without an outcome asked for.
    pub fn pending(&self, request: u64) -> Option<Pending> {
        self.look(|inside| Some((*inside.pending.get(inside.find(request)?)?.1).clone()))?
    }

    /// The latest request without an outcome that is like this.
    pub fn find(&self, is_it: impl Fn(&Request) -> bool) -> Option<(u64, Request)> {
        self.look(|inside| {
            let found = inside.pending.iter().rev().find(|(_, pending)| is_it(&pending.request));
            found.map(|(id, pending)| (*id, pending.request.clone()))
        })?
    }

    /// Requests without an outcome that are like this, in order.
    pub fn waiting(&self, is_it: impl Fn(&Request) -> bool) -> Vec<u64> {
        let waiting = self.look(|inside| {
            inside.pending.iter().filter(|(_, pending)| is_it(&pending.request)).map(|(id, _)| *id).collect()
        });
        waiting.unwrap_or_default()
    }

    pub fn unanswered(&self) -> usize {
        self.look(|inside| inside.pending.len()).unwrap_or(0)
    }

    /// For people.
    pub fn waits_for(&self) -> String {
        if let Some(Some(request)) = self.look(Inside::waits_for) {
            return request;
        }
        match self.due_at() {
            Some(due_at) => {
                let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(due_at));
                at.map_or_else(
                    || "timer".to_owned(),
                    |at| format!("timer at {}", humantime::format_rfc3339_seconds(at)),
                )
            }
            None => "event".to_owned(),
        }
    }

    // ---- the journal ----

    /// What it begins with is still to be recorded.
    pub fn begins(&self, origin: Vec<u8>) {
        self.change(|inside| inside.begin = Some(origin.into()));
    }

    pub fn begin(&self) -> Option<Arc<[u8]>> {
        self.look(|inside| inside.begin.clone())?
    }

    /// Its beginning was handed to the journal.
    pub fn begun(&self) {
        self.change(|inside| inside.begin = None);
    }

    /// It is told of a message with this key; false: it was told before, and has not taken it.
    pub fn told(&self, key: &str) -> bool {
        self.change(|inside| {
            let is_new = !inside.told.iter().any(|told| **told == *key);
            if is_new {
                inside.told.push(key.into());
            }
            is_new
        })
    }

    /// It took the message, or was not told after all.
    pub fn took(&self, key: &str) {
        self.change(|inside| inside.told.retain(|told| **told != *key));
    }

    /// Looks into it, where there is something.
    fn look<T>(&self, look: impl FnOnce(&Inside) -> T) -> Option<T> {
        self.inside().as_deref().map(look)
    }

    /// Changes something in it.
    fn change<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        let mut inside = self.inside();
        let changed = change(inside.get_or_insert_default());
        if inside.as_deref().is_some_and(Inside::is_empty) {
            *inside = None;
        }
        changed
    }

    fn inside(&self) -> MutexGuard<'_, Option<Box<Inside>>> {
        // Nothing in it panics half-way through a change.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
