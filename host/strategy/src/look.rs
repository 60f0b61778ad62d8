//! Looking at a session without it: what is recorded happens again, in an instance of its own and with no
//! effect, with the same version of the strategy or another one.

use std::sync::Arc;

use crate::active::Run;
use crate::clock::SessionClock;
use crate::end::EndReason;
use crate::engine::Engine;
use crate::journal::{Journal, JournalError, Recording};
use crate::plugin::Plugin;
use crate::record::{History, Turn};
use crate::replay::{Difference, Step};
use crate::session::{Facts, Shared, metered, shortened};
use crate::state::{Ending, State};

/// What is looked at.
pub struct Look {
    /// Its id, which the strategy is told.
    pub session: String,
    /// The version to run.
    pub plugin: Plugin,
    /// What is recorded.
    pub history: History,
    /// The turn in which it failed, if it did.
    pub failed: Option<Turn>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// The turns that went as recorded, in order.
    pub steps: Vec<Step>,
    /// The first difference; none: it does all that it did then, and fails where it failed.
    pub difference: Option<Difference>,
    /// How it failed, where it did so then too.
    pub failure: Option<EndReason>,
}

impl Engine {
    /// Has it happen again. Takes the room of one instance.
    pub async fn look(&self, look: Look) -> Looked {
        let Look { session, plugin, history, failed } = look;
        let _room = self.cache().enter().await;
        let shared = Arc::new(Shared::new(session.into(), 0));
        let checkpoint = history.checkpoint.as_ref().map(|checkpoint| checkpoint.state.clone());
        let run = Run {
            plugin: plugin.clone(),
            facts: Arc::new(Nothing),
            journal: Arc::new(Nothing),
            session_clock: SessionClock::start(history.origin.started_at),
            history: None,
            look: Some(failed),
        };
        let mut store = self.store(State::of_session(self, run, history, Arc::clone(&shared)));
        let result = metered(shared, async {
            let strategy = plugin.component().instantiate_async(&mut store).await?;
            strategy.call_run(&mut store, checkpoint.as_deref()).await
        })
        .await;
        let state = store.data_mut();
        let ending = match result {
            Ok(Ok(())) => state.finish().await.err(),
            Ok(Err(text)) => Some(Ending::Over(state.early(EndReason::Failed(shortened(text))))),
            Err(error) => Some(state.ending_of(error)),
        };
        let (difference, failure) = match ending {
            None | Some(Ending::Leave(_)) => (None, None),
            Some(Ending::Over(EndReason::Diverged(difference))) => (Some(difference), None),
            Some(Ending::Over(reason)) => (None, Some(reason)),
        };
        Looked { steps: state.seen(), difference, failure }
    }
}

/// Somebody who looks has no facts but those recorded, and records nothing.
struct Nothing;

impl Facts for Nothing {
    fn list_item(&self, _list: &str, _item: &str, _key: Option<&str>) -> Option<String> {
        None
    }

    fn parameter(&self, _name: &str) -> Option<String> {
        None
    }
}

impl Journal for Nothing {
    fn record(&self, _turn: Turn) -> Recording<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn history<'a>(&'a self, _session: &'a str) -> Recording<'a, History> {
        Box::pin(std::future::ready(Err(JournalError("there is none".into()))))
    }

    fn keeps(&self) -> bool {
        false
    }
}
