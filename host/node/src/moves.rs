//! Sessions that go on with another version of their plugin, while the node runs.
//!
//! Each is moved between two of its turns, by its own task ([`Session::exchange`](jackfield_strategy::Session::exchange)):
//! it has no instance then, and nobody records anything of it but who moves it. The version is tried over what is
//! recorded; where it will do, the move is recorded, and once that is on disk the session goes on with it.
//! Whatever becomes of the node meanwhile, the journal says which of the two a session has.
//!
//! A [`Moving`] ends when every session was tried, or is dropped; what has been moved by then stays moved.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_journal::StoredSession;
use jackfield_strategy::{Engine, Look, Plugin};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::card::Card;
use crate::node::Node;
use crate::recording::history_of;
use crate::shared::Shared;

/// How long a session may take to come to the end of its turn.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// A session that has not ended, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Its id.
    pub session: String,
    /// The interaction it was started for.
    pub interaction: String,
    /// The version of the plugin it had.
    pub from: String,
    /// Whether it can go on with the new version.
    pub fate: Fate,
}

/// What becomes of a session that is to go on with another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It can go on with the new version; it does, where it was not only tried.
    Moves,
    /// It has that version already.
    Has,
    /// It goes on with the version it has, because of this.
    Stays(String),
}

/// Why the sessions of a strategy cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// No such strategy.
    #[error("there is no strategy `{0}` on this node")]
    UnknownStrategy(String),
    /// Without a journal there is nothing to rebuild sessions from.
    #[error("this node keeps no journal, and sessions are moved by what is recorded of them")]
    NoJournal,
}

/// How far a move is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveProgress {
    /// Name of the plugin; empty: it is being loaded.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Sessions there are.
    pub total: usize,
    /// Sessions of which is known what becomes of them.
    pub done: usize,
    /// All of them, the oldest first, once there is nothing left to do.
    pub tried: Option<Vec<Tried>>,
    /// Why none is moved: the file cannot be loaded.
    pub error: Option<String>,
}

impl MoveProgress {
    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        self.tried.is_some() || self.error.is_some()
    }
}

/// Sessions being moved; dropped, it stops.
#[derive(Debug)]
pub struct Moving {
    progress: Arc<Mutex<MoveProgress>>,
    task: AbortHandle,
}

impl Moving {
    /// How far it is.
    pub fn progress(&self) -> MoveProgress {
        lock(&self.progress).clone()
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    /// Has the sessions of a strategy go on with the version in that file, each as soon as its turn is over,
    /// where it can (see [`can_go_on`]). Returns at once.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub fn move_sessions(&self, strategy: &str, to: PathBuf) -> Result<Moving, MoveError> {
        let shared = self.shared().clone();
        let index = shared.settings.strategies.iter().position(|known| known.name == strategy);
        let index = index.ok_or_else(|| MoveError::UnknownStrategy(strategy.to_owned()))?;
        if shared.book.is_none() {
            return Err(MoveError::NoJournal);
        }
        let progress = Arc::<Mutex<MoveProgress>>::default();
        let task = tokio::spawn(move_all(shared, index, to, Arc::clone(&progress)));
        Ok(Moving { progress, task: task.abort_handle() })
    }
}

async fn move_all(shared: Arc<Shared>, strategy: usize, to: PathBuf, progress: Arc<Mutex<MoveProgress>>) {
    let to = match shared.engine.load(&to).await {
        Ok(to) => to,
        Err(error) => return lock(&progress).error = Some(error.to_string()),
    };
    let cards: Vec<_> = shared.directory.all().into_iter().filter(|card| card.strategy == strategy).collect();
    {
        let mut progress = lock(&progress);
        progress.plugin = to.name().to_owned();
        progress.version = to.version().to_owned();
        progress.total = cards.len();
    }
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = Vec::with_capacity(cards.len());
    let (mut moving, mut cards) = (JoinSet::new(), cards.into_iter());
    loop {
        while moving.len() < at_once
            && let Some(card) = cards.next()
        {
            moving.spawn(move_one(shared.clone(), card, to.clone()));
        }
        match moving.join_next().await {
            Some(Ok(one)) => all.push(one),
            Some(Err(error)) => tracing::error!(%error, "the move of a session broke"),
            None => break,
        }
        lock(&progress).done += 1;
    }
    // Ids sort by time.
    all.sort_by(|one: &Tried, other| one.session.cmp(&other.session));
    let count = all.iter().filter(|one| one.fate == Fate::Moves).count();
    tracing::info!(plugin = to.name(), version = to.version(), count, of = all.len(), "sessions were moved");
    lock(&progress).tried = Some(all);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in it panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn move_one(shared: Arc<Shared>, card: Arc<Card>, to: Plugin) -> Tried {
    let from = card.plugin();
    let fate = if from.digest() == to.digest() { Fate::Has } else { exchanged(shared, &card, to).await };
    Tried {
        session: card.id.to_string(),
        interaction: card.interaction.to_string(),
        from: from.version().to_owned(),
        fate,
    }
}

/// What the session's own task tells.
enum Told {
    Begins,
    Ends(Fate),
}

async fn exchanged(shared: Arc<Shared>, card: &Arc<Card>, to: Plugin) -> Fate {
    let ended = || Fate::Stays("it has ended meanwhile".to_owned());
    let Some(session) = card.session.get() else { return ended() };
    let (tell, mut told) = mpsc::channel(2);
    let its_card = card.clone();
    let asked = session.exchange(Box::new(move |from| {
        Box::pin(async move {
            // Nobody waits for it any more: it was too late.
            if tell.try_send(Told::Begins).is_err() {
                return from;
            }
            let (plugin, fate) = match try_and_record(&shared, &its_card, &from, &to).await {
                Ok(()) => {
                    its_card.set_plugin(to.clone());
                    shared.plugins.left(&from);
                    shared.plugins.resumed(&to);
                    (to, Fate::Moves)
                }
                Err(reason) => (from, Fate::Stays(reason)),
            };
            let _ = tell.try_send(Told::Ends(fate));
            plugin
        })
    }));
    if asked.is_err() {
        return ended();
    }
    let begun = match tokio::time::timeout(TURN_WITHIN, told.recv()).await {
        Ok(begun) => begun,
        Err(_) => {
            told.close();
            match told.recv().await {
                None => return Fate::Stays("its turn did not come to its end in time; try again".to_owned()),
                begun => begun,
            }
        }
    };
    match begun {
        None => ended(),
        Some(Told::Ends(fate)) => fate,
        Some(Told::Begins) => match told.recv().await {
            Some(Told::Ends(fate)) => fate,
            _ => ended(),
        },
    }
}

/// The session is between two turns, and stays there while this runs.
async fn try_and_record(shared: &Shared, card: &Arc<Card>, from: &Plugin, to: &Plugin) -> Result<(), String> {
    let Some(book) = &shared.book else { return Err("nothing is recorded on this node".to_owned()) };
    let stored = book.journal.history(&card.id).await.map_err(|error| error.to_string())?;
    // What has had no turn is not recorded either.
    let stored = stored.ok_or_else(|| NO_CHECKPOINT.to_owned())?;
    can_go_on(&shared.engine, &stored, from, to).await?;
    book.moved(shared, card, to).await.map_err(|error| error.to_string())
}

const NO_CHECKPOINT: &str = "it has made no checkpoint";

/// Whether a session can go on with `to`: it has made a checkpoint, in a format that this version reads, and the
/// version goes through the turns since then as they were recorded.
///
/// # Errors
/// Why it cannot, for people.
pub async fn can_go_on(engine: &Engine, stored: &StoredSession, from: &Plugin, to: &Plugin) -> Result<(), String> {
    if stored.checkpoint.is_none() {
        return Err(NO_CHECKPOINT.to_owned());
    }
    let row = &stored.row;
    if row.plugin != to.name() {
        return Err(format!("it runs plugin `{}`, and this one is `{}`", row.plugin, to.name()));
    }
    let Some(format) = from.states().first() else {
        return Err(format!("version {} does not name the format of its checkpoints", from.version()));
    };
    if !to.states().contains(format) {
        let reads = if to.states().is_empty() { "none".to_owned() } else { to.states().join(", ") };
        return Err(format!("its checkpoint has the format `{format}`, and the new version reads {reads}"));
    }
    let history = history_of(stored).map_err(|error| error.to_string())?;
    let looked = engine.look(Look { session: row.id.to_string(), plugin: to.clone(), history, failed: None }).await;
    match (looked.difference, looked.failure) {
        (Some(difference), _) => Err(format!("since its checkpoint it would have done something else: {difference}")),
        (None, Some(failure)) => Err(format!("it fails: {failure}")),
        (None, None) => Ok(()),
    }
}
