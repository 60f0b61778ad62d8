//! Shadows: a version of a plugin that is run beside the current one, on the same events and without effects.
//!
//! A session of the current version that has ended is run again from the journal with the shadow, as `jackfield
//! replay` does: what the shadow would have done otherwise is counted and shown, and nothing leaves. One session
//! at a time, on the threads for long turns, so that a shadow that misbehaves holds up nobody; what does not
//! keep pace is skipped, and counted. Ends with the node.

use std::sync::Arc;

use jackfield_journal::Journal;
use jackfield_plugins::{Comparison, Plugins};
use jackfield_strategy::{Engine, Look, Plugin, Turn};
use tokio::sync::mpsc;

use crate::recording::history_of;

/// Sessions that wait to be compared.
const WAITING: usize = 256;

pub(crate) struct Shadows {
    plugins: Arc<Plugins>,
    ended: mpsc::Sender<Ended>,
}

/// A session that has ended, and its shadow.
struct Ended {
    session: Arc<str>,
    shadow: Plugin,
}

/// What compares, to be run beside the node.
pub(crate) struct Comparing {
    engine: Engine,
    plugins: Arc<Plugins>,
    journal: Journal,
    ended: mpsc::Receiver<Ended>,
}

impl Shadows {
    pub fn new(engine: Engine, plugins: Arc<Plugins>, journal: Journal) -> (Shadows, Comparing) {
        let (sender, ended) = mpsc::channel(WAITING);
        let shadows = Shadows { plugins: plugins.clone(), ended: sender };
        (shadows, Comparing { engine, plugins, journal, ended })
    }

    /// The end of a session is in the journal.
    pub fn ended(&self, session: Arc<str>, plugin: &Plugin) {
        let Some(shadow) = self.plugins.shadow_of(plugin) else { return };
        if let Err(error) = self.ended.try_send(Ended { session, shadow }) {
            let Ended { session, shadow } = error.into_inner();
            self.plugins.compared(&shadow, &session, Comparison::Skipped);
        }
    }
}

impl Comparing {
    pub async fn run(mut self) {
        while let Some(Ended { session, shadow }) = self.ended.recv().await {
            let comparison = self.compare(&session, &shadow).await;
            if let Comparison::Differed(difference) = &comparison {
                let (plugin, version) = (shadow.name(), shadow.version());
                tracing::info!(session = &*session, plugin, version, difference, "the shadow would do something else");
            }
            self.plugins.compared(&shadow, &session, comparison);
        }
    }

    async fn compare(&self, session: &Arc<str>, shadow: &Plugin) -> Comparison {
        let Ok(Some(stored)) = self.journal.history(session).await else { return Comparison::Skipped };
        let failed = stored.end.as_ref().and_then(|end| end.last.as_deref()).map(Turn::decode).transpose();
        let (Ok(history), Ok(failed)) = (history_of(&stored), failed) else { return Comparison::Skipped };
        if history.turns.is_empty() && failed.is_none() {
            return Comparison::Skipped;
        }
        let look = Look { session: session.to_string(), plugin: shadow.clone(), history, failed };
        match self.engine.look_apart(look).await {
            None => Comparison::Skipped,
            Some(looked) => match (looked.difference, looked.failure) {
                (Some(difference), _) => Comparison::Differed(difference.to_string()),
                // Where it failed then, failing again is the same.
                (None, Some(failure)) if stored.end.is_none_or(|end| !end.failed) => {
                    Comparison::Differed(format!("it fails: {failure}"))
                }
                (None, _) => Comparison::Same,
            },
        }
    }
}
