//! The writer thread: it commits whatever has gathered while the last commit was syncing, with no
//! artificial wait.
//!
//! Owns the [`Writer`]. It ends in two ways: dropped, the handle waits until everything handed over
//! is on disk (or has failed); after a failed commit nothing more is written, what waits is dropped,
//! and the writer is closed.

use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use prost::Message;

use super::{PRUNE_CHUNK, StoreError, Write, Writer};

/// How a commit ended: the sequence number up to which everything is on disk, or why nothing after
/// the number reported last will be.
pub type CommitResult = Result<u64, StoreError>;

/// Writes that may gather before [`GroupCommit::write`] blocks. Much more in one commit gains little
/// and costs latency (reference, *Storage*, measurements).
const WRITES_GATHERING: usize = 4_096;
/// Bytes that may gather before [`GroupCommit::write`] blocks.
const BYTES_GATHERING: usize = 32 << 20;
/// What an entry or an answer counts towards [`BYTES_GATHERING`].
const NARROW_ROW_BYTES: usize = 512;
/// Answers remembered after which old ones are forgotten even when there is no pause.
const REMEMBERED_BEFORE_PRUNE: u64 = PRUNE_CHUNK / 2;

/// The handle of the writer thread.
#[derive(Debug)]
pub struct GroupCommit {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    gathering: Mutex<Gathering>,
    /// Something to do for the thread.
    work: Condvar,
    /// Room for whoever writes.
    room: Condvar,
}

#[derive(Debug, Default)]
struct Gathering {
    writes: Vec<Write>,
    bytes: usize,
    /// Of the last writes handed over, when those are not durable yet.
    sequence: Option<u64>,
    forget_before: Option<i64>,
    /// No more writes will come.
    closed: bool,
    /// A commit failed.
    failed: bool,
}

enum Work {
    Commit { writes: Vec<Write>, sequence: u64 },
    Prune(i64),
    End,
}

impl GroupCommit {
    /// Starts the thread.
    ///
    /// `done` is called on it: after each commit with the sequence number of the last writes in it,
    /// or once with the failure, after which there are no more calls. `done` must not wait for the
    /// thread that calls [`write`](Self::write): that one may be waiting for this one.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(writer: Box<dyn Writer>, done: impl Fn(CommitResult) + Send + 'static) -> io::Result<GroupCommit> {
        let shared = Arc::new(Shared::default());
        let its_own = shared.clone();
        let thread = thread::Builder::new().name("store writer".into()).spawn(move || {
            // A panic must not leave whoever writes waiting for room for ever.
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&its_own, writer, &done)));
            let outcome = outcome.unwrap_or_else(|_| {
                Err(StoreError::Refused { path: PathBuf::new(), detail: "the writer thread panicked".into() })
            });
            if let Err(error) = outcome {
                its_own.fail();
                done(Err(error));
            }
        })?;
        Ok(GroupCommit { shared, thread: Some(thread) })
    }

    /// Hands writes over, to be committed with whatever else has gathered; all of one call are in one
    /// commit. Sequence numbers must grow from call to call. Without writes the number alone is
    /// reported, once everything before it is durable.
    ///
    /// Blocks while as much as one commit should hold waits already. After a failure it does nothing.
    pub fn write(&self, sequence: u64, writes: Vec<Write>) {
        let bytes: usize = writes.iter().map(weight).sum();
        let mut gathering = self.shared.lock();
        while (gathering.writes.len() >= WRITES_GATHERING || gathering.bytes >= BYTES_GATHERING) && !gathering.failed {
            gathering = self.shared.room.wait(gathering).unwrap_or_else(PoisonError::into_inner);
        }
        if gathering.failed {
            return;
        }
        if gathering.writes.is_empty() {
            gathering.writes = writes;
        } else {
            gathering.writes.extend(writes);
        }
        gathering.bytes += bytes;
        gathering.sequence = Some(sequence);
        drop(gathering);
        self.shared.work.notify_one();
    }

    /// Lets answers remembered before that time (milliseconds) be forgotten: when there is a pause,
    /// or else after a few thousand new ones.
    pub fn forget_before(&self, at: i64) {
        self.shared.lock().forget_before = Some(at);
        self.shared.work.notify_one();
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

impl Shared {
    /// A panic elsewhere leaves the state whole: it is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, Gathering> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do; `prune_first` is set when forgetting has waited long enough.
    fn next(&self, prune_first: bool) -> Work {
        let mut gathering = self.lock();
        loop {
            if prune_first && let Some(before) = gathering.forget_before {
                return Work::Prune(before);
            }
            if let Some(sequence) = gathering.sequence.take() {
                gathering.bytes = 0;
                let writes = mem::take(&mut gathering.writes);
                self.room.notify_all();
                return Work::Commit { writes, sequence };
            }
            if gathering.closed {
                return Work::End;
            }
            if let Some(before) = gathering.forget_before {
                return Work::Prune(before);
            }
            gathering = self.work.wait(gathering).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing older than `before` is left.
    fn forgotten(&self, before: i64) {
        let mut gathering = self.lock();
        if gathering.forget_before == Some(before) {
            gathering.forget_before = None;
        }
    }

    fn fail(&self) {
        let mut gathering = self.lock();
        gathering.failed = true;
        gathering.writes = Vec::new();
        gathering.sequence = None;
        drop(gathering);
        self.room.notify_all();
    }
}

fn run(shared: &Shared, mut writer: Box<dyn Writer>, done: &dyn Fn(CommitResult)) -> Result<(), StoreError> {
    let mut remembered: u64 = 0;
    loop {
        match shared.next(remembered >= REMEMBERED_BEFORE_PRUNE) {
            Work::Commit { writes, sequence } => {
                if !writes.is_empty() {
                    writer.commit(&writes)?;
                }
                remembered +=
                    writes.iter().map(|write| u64::from(matches!(write, Write::Remember { .. }))).sum::<u64>();
                done(Ok(sequence));
            }
            Work::Prune(before) => {
                remembered = 0;
                if writer.prune(before)? < PRUNE_CHUNK {
                    shared.forgotten(before);
                }
            }
            Work::End => return Ok(()),
        }
    }
}

fn weight(write: &Write) -> usize {
    let body = match write {
        Write::Insert(interaction, _) | Write::Update { interaction, .. } => interaction.encoded_len(),
        Write::Move { .. } | Write::Delete { .. } | Write::Remember { .. } => 0,
    };
    body + NARROW_ROW_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::time::Duration;

    use super::*;
    use crate::store::{Answer, EntryKey};

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A disk under the test's control: says how many writes a commit has, waits to be let go.
    struct Slow {
        commits: Sender<usize>,
        pruned: Sender<i64>,
        go: Receiver<Result<(), StoreError>>,
        left_to_prune: u64,
    }

    impl Writer for Slow {
        fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
            self.commits.send(writes.len()).unwrap();
            self.go.recv_timeout(DEADLINE).unwrap()
        }

        fn prune(&mut self, idempotency_before: i64) -> Result<u64, StoreError> {
            self.pruned.send(idempotency_before).unwrap();
            let now = self.left_to_prune.min(PRUNE_CHUNK);
            self.left_to_prune -= now;
            Ok(now)
        }
    }

    struct Bench {
        group: Arc<GroupCommit>,
        commits: Receiver<usize>,
        pruned: Receiver<i64>,
        go: Sender<Result<(), StoreError>>,
        done: Receiver<CommitResult>,
    }

    fn bench(left_to_prune: u64) -> Bench {
        let ((commits, commits_seen), (pruned, pruned_seen)) = (mpsc::channel(), mpsc::channel());
        let ((go, gone), (done, done_seen)) = (mpsc::channel(), mpsc::channel());
        let writer = Slow { commits, pruned, go: gone, left_to_prune };
        let group = GroupCommit::start(Box::new(writer), move |result| done.send(result).unwrap()).unwrap();
        Bench { group: Arc::new(group), commits: commits_seen, pruned: pruned_seen, go, done: done_seen }
    }

    fn deletes(count: usize) -> Vec<Write> {
        let key = EntryKey { queue: String::new(), priority: 0, received_at: 0, id: String::new() };
        vec![Write::Delete { key }; count]
    }

    fn full() -> StoreError {
        StoreError::Full { path: PathBuf::from("/store.db"), detail: String::new() }
    }

    #[test]
    fn what_gathers_during_a_commit_makes_the_next_one() {
        let bench = bench(0);
        bench.group.write(1, deletes(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        for sequence in 2..=5 {
            bench.group.write(sequence, deletes(10));
        }
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(1)));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(40));
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(5)));
    }

    #[test]
    fn a_number_without_writes_is_reported_and_costs_no_commit() {
        let bench = bench(0);
        bench.group.write(1, vec![]);
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(1)));
        assert!(bench.commits.try_recv().is_err());
    }

    #[test]
    fn dropping_the_handle_waits_until_everything_is_on_disk() {
        let bench = bench(0);
        bench.group.write(1, deletes(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.group.write(2, deletes(2));
        bench.go.send(Ok(())).unwrap();
        bench.go.send(Ok(())).unwrap();
        drop(bench.group);
        assert_eq!(bench.done.try_iter().collect::<Vec<_>>(), [Ok(1), Ok(2)]);
    }

    #[test]
    fn whoever_writes_faster_than_the_disk_is_held_back() {
        let bench = bench(0);
        bench.group.write(1, deletes(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.group.write(2, deletes(WRITES_GATHERING));
        let group = bench.group.clone();
        let writer = thread::spawn(move || group.write(3, deletes(1)));
        // The third is not taken before the first is done: the second commit cannot hold it.
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(WRITES_GATHERING));
        writer.join().unwrap();
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.go.send(Ok(())).unwrap();
        let done: Vec<_> = (0..3).map(|_| bench.done.recv_timeout(DEADLINE).unwrap()).collect();
        assert_eq!(done, [Ok(1), Ok(2), Ok(3)]);
    }

    #[test]
    fn after_a_failure_nothing_is_written_and_nobody_is_held_back() {
        let bench = bench(0);
        bench.group.write(1, deletes(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.group.write(2, deletes(WRITES_GATHERING));
        let group = bench.group.clone();
        let writer = thread::spawn(move || group.write(3, deletes(1)));
        bench.go.send(Err(full())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Err(full())));
        writer.join().unwrap();
        for sequence in 4..8 {
            bench.group.write(sequence, deletes(WRITES_GATHERING));
        }
        drop(bench.group);
        assert!(bench.commits.try_recv().is_err(), "a commit after the failure");
        assert!(bench.done.try_recv().is_err(), "a report after the failure");
    }

    #[test]
    fn a_panic_of_the_writer_is_a_failure_and_holds_nobody_back() {
        let bench = bench(0);
        drop(bench.go);
        bench.group.write(1, deletes(WRITES_GATHERING));
        assert!(matches!(bench.done.recv_timeout(DEADLINE), Ok(Err(StoreError::Refused { .. }))));
        bench.group.write(2, deletes(WRITES_GATHERING));
        bench.group.write(3, deletes(1));
    }

    #[test]
    fn old_answers_are_forgotten_in_a_pause_until_none_is_left() {
        let bench = bench(2 * PRUNE_CHUNK + 1);
        bench.group.forget_before(77);
        let chunks: Vec<_> = (0..3).map(|_| bench.pruned.recv_timeout(DEADLINE)).collect();
        assert_eq!(chunks, [Ok(77); 3]);
        drop(bench.group);
        assert!(bench.pruned.try_recv().is_err(), "a fourth chunk");
    }

    #[test]
    fn old_answers_are_forgotten_without_a_pause_too() {
        let bench = bench(10 * PRUNE_CHUNK);
        let answer = Answer { fingerprint: 0, at: 0, interaction_id: String::new() };
        let remember = Write::Remember { key: String::new(), answer };
        bench.group.write(1, vec![remember; usize::try_from(REMEMBERED_BEFORE_PRUNE).unwrap()]);
        assert!(bench.commits.recv_timeout(DEADLINE).is_ok());
        // There is no pause before this one.
        bench.group.write(2, deletes(1));
        bench.group.forget_before(77);
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        assert_eq!(bench.pruned.try_iter().collect::<Vec<_>>(), [77]);
        bench.go.send(Ok(())).unwrap();
    }
}
