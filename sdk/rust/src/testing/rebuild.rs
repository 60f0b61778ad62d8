//! Strategies that are dropped whenever they wait, and rebuilt: what a host may do to any of them, at
//! any time.
//!
//! At the end of each turn the running strategy is thrown away with all its memory. Another is run
//! from the last checkpoint, or from the beginning where there is none, in the world as it was then;
//! it has to do the same again, turn by turn, and then goes one turn further. What is lost in a
//! crash, and what is not deterministic, shows.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Script, State};
use crate::{Error, Session};

/// Turns a strategy may have without a checkpoint, as on a host.
const TURNS: usize = 1_000;

/// Where a strategy being rebuilt is.
#[derive(Clone, Default)]
pub(super) struct Progress {
    /// Whether strategies are dropped at all.
    drops: bool,
    /// Waits it may come back from before it is dropped.
    left: usize,
    /// The ends of its turns since the checkpoint.
    ends: Vec<TurnEnd>,
    /// It goes on from a checkpoint and has not waited yet.
    pub(super) is_rebuilt: bool,
    /// It wrote a checkpoint in this turn.
    pub(super) is_saved: bool,
}

/// What of a turn has to be the same when it is run again, beside its requests.
#[derive(Clone, Debug, PartialEq)]
struct TurnEnd {
    /// Requests made so far.
    requests: usize,
    /// Events put in so far, of which timers are some.
    scheduled: u64,
    timeout_ms: Option<u64>,
}

/// What unwinds a strategy that is dropped.
struct Dropped;

impl Script {
    /// Runs a strategy as [`run`](Script::run) does, but drops it at the end of each turn and runs it
    /// anew from its last checkpoint, or from the beginning where there is none. It must come to the
    /// same end. `run` is called once for each turn and keeps nothing for itself.
    ///
    /// # Errors
    /// The text the session failed with.
    ///
    /// # Panics
    /// When the strategy does something else when it is run again, when it goes on from a checkpoint
    /// and asks for anything before it waits, or after 1,000 turns without a checkpoint.
    #[allow(clippy::panic, reason = "a strategy that cannot be rebuilt fails its test")]
    pub fn run_rebuilt(&self, run: impl Fn(&mut Session) -> Result<(), Error>) -> Result<(), String> {
        let mut origin = self.0.borrow().clone();
        origin.checkpoints.clear();
        origin.progress = Progress { drops: true, ..Progress::default() };
        let mut known = origin.clone();
        loop {
            *self.0.borrow_mut() = origin.clone();
            let session = Session::over(self.clone(), origin.checkpoints.last().cloned());
            let ended = catch_unwind(AssertUnwindSafe(|| session.finish(&run)));
            let reached = self.0.borrow().clone();
            match ended {
                Ok(ended) => {
                    reached.must_begin_as(&known);
                    return ended;
                }
                Err(panic) if panic.is::<Dropped>() => reached.must_begin_as(&known),
                Err(panic) => resume_unwind(panic),
            }
            known = reached;
            if known.progress.is_saved {
                let last = known.progress.ends.pop();
                known.progress = Progress { drops: true, left: 0, ends: Vec::new(), is_rebuilt: true, is_saved: false };
                origin = known.clone();
                known.progress.ends.extend(last);
            }
            origin.progress.left = known.progress.ends.len();
            if origin.progress.left > TURNS {
                panic!("more than {TURNS} turns without a checkpoint");
            }
        }
    }
}

impl State {
    /// The turn ends: the strategy waits, or is dropped.
    pub(super) fn turn_ends(&mut self, timeout_ms: Option<u64>) {
        if !self.progress.drops {
            return;
        }
        let end = TurnEnd { requests: self.requests.len(), scheduled: self.count, timeout_ms };
        self.progress.ends.push(end);
        let Some(left) = self.progress.left.checked_sub(1) else { resume_unwind(Box::new(Dropped)) };
        self.progress.left = left;
        self.progress.is_rebuilt = false;
        self.progress.is_saved = false;
    }

    /// What a strategy may not do before it waits, when it goes on from a checkpoint.
    #[allow(clippy::panic, reason = "a strategy that cannot be rebuilt fails its test")]
    pub(super) fn asks(&self, what: &str) {
        if self.progress.is_rebuilt {
            panic!("what goes on from a checkpoint has to wait before anything else, not {what}");
        }
    }

    #[allow(clippy::panic, reason = "a strategy that cannot be rebuilt fails its test")]
    fn must_begin_as(&self, known: &State) {
        let (requests, ends) = (&known.requests, &known.progress.ends);
        if !self.requests.starts_with(requests) {
            panic!("run again, the strategy asked for {:#?}, where it had asked for {requests:#?}", self.requests);
        }
        if !self.progress.ends.starts_with(ends) {
            panic!("run again, the strategy waited in {:#?}, where it had waited in {ends:#?}", self.progress.ends);
        }
    }
}
