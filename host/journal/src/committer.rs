//! Who commits what was appended: a thread of its own, or whoever takes its place.

use std::sync::Arc;
use std::time::Duration;

use jackfield_store::GroupCommit;
use tokio::sync::watch;

use crate::waiting::Waiting;
use crate::{Entry, StoreError};

/// Takes entries in order, commits them in groups, and reports to a [`Progress`]. Never blocks.
pub trait Committer: Send {
    /// Takes entries, all of one call for one commit. Sequence numbers grow from call to call; without
    /// entries the number alone is reported, once everything before it is durable. They cause no commit
    /// of their own before `within` has passed; what comes after them and is more urgent takes them along.
    fn hand_over(&self, sequence: u64, entries: Vec<Entry>, within: Duration);

    /// Sessions that ended before that time (milliseconds) may be removed.
    fn prune_before(&self, at: i64);
}

impl Committer for GroupCommit<Entry> {
    fn hand_over(&self, sequence: u64, entries: Vec<Entry>, within: Duration) {
        GroupCommit::hand_over(self, sequence, entries, within);
    }

    fn prune_before(&self, at: i64) {
        GroupCommit::prune_before(self, at);
    }
}

/// What a [`Committer`] reports to.
#[derive(Clone, Debug)]
pub struct Progress {
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) health: watch::Sender<Option<String>>,
}

impl Progress {
    /// Everything up to this number is on disk.
    pub fn durable(&self, sequence: u64) {
        self.waiting.durable(sequence);
    }

    /// Why writes wait, for people; none: they work again.
    pub fn health(&self, problem: Option<String>) {
        self.health.send_if_modified(|known| {
            let is_news = *known != problem;
            *known = problem;
            is_news
        });
    }

    /// Nothing more will be on disk.
    pub fn fail(&self, error: StoreError) {
        self.health.send_replace(Some(error.to_string()));
        self.waiting.fail(error);
    }
}
