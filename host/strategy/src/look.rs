//! Looking at a session without it: what is recorded happens again, in an instance of its own and with no
//! effect, with the same version of the strategy or another one.

use std::sync::Arc;

use crate::active::Run;
use crate::clock::SessionClock;
use crate::end::EndReason;
use crate::engine::Engine;
use crate::journal::{Journal, Recording};
use crate::plugin::Plugin;
use crate::record::{History, Turn};
use crate::replay::{Difference, Step};
use crate::session::{NoFacts, Shared, metered, run_strategy};
use crate::state::Ending;

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
    /// The same, on the threads for long turns: a version nobody has tried yet may be looked at beside sessions
    /// at work. None: the engine is stopping.
    pub async fn look_apart(&self, look: Look) -> Option<Looked> {
        let engine = self.clone();
        self.long_turns().spawn(async move { engine.look(look).await }).await.ok()
    }

    /// Has it happen again. Takes the room of one instance.
    pub async fn look(&self, look: Look) -> Looked {
        let Look { session, plugin, history, failed } = look;
        let _room = self.cache().enter().await;
        let shared = Arc::new(Shared::new(session.into(), 0));
        let run = Run {
            plugin,
            facts: Arc::new(NoFacts),
            journal: Arc::new(Nothing),
            session_clock: SessionClock::start(history.origin.started_at),
            look: Some(failed),
        };
        let (ending, mut store) = metered(Arc::clone(&shared), run_strategy(self, run, history, shared)).await;
        let (difference, failure) = match ending {
            Ending::Leave(_) | Ending::Over(EndReason::Finished) => (None, None),
            Ending::Over(EndReason::Diverged(difference)) => (Some(difference), None),
            Ending::Over(reason) => (None, Some(reason)),
        };
        Looked { steps: store.data_mut().seen(), difference, failure }
    }
}

/// Somebody who looks records nothing.
struct Nothing;

impl Journal for Nothing {
    fn record(&self, _turn: Turn) -> Recording<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
