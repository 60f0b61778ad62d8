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
use std::time::{Duration, Instant};

use crate::StoreError;

/// How a commit ended: the sequence number up to which everything is on disk, or why nothing after
/// the number reported last will be.
pub type CommitResult = Result<u64, StoreError>;

/// Writes that may gather before [`GroupCommit::write`] blocks. Much more in one commit gains little
/// and costs latency (reference, *Storage*, measurements).
const WRITES_GATHERING: usize = 4_096;
/// Bytes that may gather before [`GroupCommit::write`] blocks.
const BYTES_GATHERING: usize = 32 << 20;

/// One change to what is stored.
pub trait GroupedWrite: Send + 'static {
    /// Bytes it holds in memory, about.
    fn bytes(&self) -> usize;

    /// Whether it leaves something that [`Writer::prune`] removes one day.
    fn is_pruned_later(&self) -> bool;
}

/// Writes to a store.
pub trait Writer: Send {
    /// What it writes.
    type Write: GroupedWrite;

    /// Commits all of `writes`, in order, or none of them. When it returns `Ok` they are on disk, and this is
    /// the one who may write, also where there are none.
    ///
    /// # Errors
    /// Nothing of `writes` was kept as far as the store can tell. The writer must not be used again.
    fn commit(&mut self, writes: &[Self::Write]) -> Result<(), StoreError>;

    /// What was committed last; it is done with, and may be kept.
    fn committed(&mut self, writes: Vec<Self::Write>) {
        drop(writes);
    }

    /// Removes what is older than `before` (milliseconds): a chunk of it, so that it never holds up
    /// commits for long.
    ///
    /// # Errors
    /// As [`commit`](Writer::commit).
    fn prune(&mut self, before: i64) -> Result<Pruned, StoreError>;

    /// Rows that one [`prune`](Writer::prune) removes at most.
    fn prune_chunk(&self) -> u64;
}

/// What one [`Writer::prune`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Rows removed.
    pub removed: u64,
    /// Whether there may be more to remove.
    pub more: bool,
}

/// The handle of the writer thread.
#[derive(Debug)]
pub struct GroupCommit<W> {
    shared: Arc<Shared<W>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<W> {
    gathering: Mutex<Gathering<W>>,
    /// Something to do for the thread.
    work: Condvar,
    /// Room for whoever writes.
    room: Condvar,
}

#[derive(Debug)]
struct Gathering<W> {
    writes: Vec<W>,
    bytes: usize,
    /// Of the last writes handed over, when those are not durable yet.
    sequence: Option<u64>,
    /// When they must be committed at the latest.
    due: Option<Instant>,
    prune_before: Option<i64>,
    /// No more writes will come.
    closed: bool,
    /// A commit failed.
    failed: bool,
}

enum Work<W> {
    Commit { writes: Vec<W>, sequence: u64 },
    Prune(i64),
    End,
}

impl<W: GroupedWrite> GroupCommit<W> {
    /// Starts the thread.
    ///
    /// `done` is called on it: after each commit with the sequence number of the last writes in it,
    /// or once with the failure, after which there are no more calls. `done` must not wait for the
    /// thread that calls [`write`](Self::write): that one may be waiting for this one.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        writer: Box<dyn Writer<Write = W>>,
        done: impl Fn(CommitResult) + Send + 'static,
    ) -> io::Result<GroupCommit<W>> {
        let shared = Arc::new(Shared {
            gathering: Mutex::new(Gathering {
                writes: Vec::new(),
                bytes: 0,
                sequence: None,
                due: None,
                prune_before: None,
                closed: false,
                failed: false,
            }),
            work: Condvar::new(),
            room: Condvar::new(),
        });
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
    /// commit. Sequence numbers must grow from call to call. Without writes the number is reported once
    /// everything before it is durable and the writer was asked to commit nothing.
    ///
    /// Blocks while as much as one commit should hold waits already. After a failure it does nothing.
    pub fn write(&self, sequence: u64, writes: Vec<W>) {
        let mut gathering = self.shared.lock();
        while (gathering.writes.len() >= WRITES_GATHERING || gathering.bytes >= BYTES_GATHERING) && !gathering.failed {
            gathering = self.shared.room.wait(gathering).unwrap_or_else(PoisonError::into_inner);
        }
        self.gather(gathering, sequence, writes, Duration::ZERO);
    }

    /// As [`write`](Self::write), but never blocks: for whoever bounds by other means what it hands
    /// over and is not durable yet. The writes cause no commit of their own before `within` has passed;
    /// what is handed over after them and is more urgent takes them along.
    pub fn hand_over(&self, sequence: u64, writes: Vec<W>, within: Duration) {
        self.gather(self.shared.lock(), sequence, writes, within);
    }

    fn gather(&self, mut gathering: MutexGuard<'_, Gathering<W>>, sequence: u64, writes: Vec<W>, within: Duration) {
        if gathering.failed {
            return;
        }
        gathering.bytes += writes.iter().map(GroupedWrite::bytes).sum::<usize>();
        if gathering.writes.is_empty() {
            gathering.writes = writes;
        } else {
            gathering.writes.extend(writes);
        }
        gathering.sequence = Some(sequence);
        let due = Instant::now() + within;
        // The thread sleeps until the earliest: a later one need not wake it.
        if gathering.due.is_some_and(|earliest| earliest <= due) {
            return;
        }
        gathering.due = Some(due);
        drop(gathering);
        self.shared.work.notify_one();
    }

    /// Lets what is older than that time (milliseconds) be removed: when there is a pause, or else
    /// after a few thousand writes.
    pub fn prune_before(&self, at: i64) {
        self.shared.lock().prune_before = Some(at);
        self.shared.work.notify_one();
    }
}

impl<W> Drop for GroupCommit<W> {
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

impl<W> Shared<W> {
    /// A panic elsewhere leaves the state whole: it is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, Gathering<W>> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do; `prune_first` is set when pruning has waited long enough.
    fn next(&self, prune_first: bool) -> Work<W> {
        let mut gathering = self.lock();
        loop {
            if prune_first && let Some(before) = gathering.prune_before {
                return Work::Prune(before);
            }
            let wait = gathering.due.map(|due| due.saturating_duration_since(Instant::now()));
            if let Some(sequence) = gathering.sequence
                && (gathering.closed || wait.is_none_or(|wait| wait.is_zero()))
            {
                gathering.sequence = None;
                gathering.due = None;
                gathering.bytes = 0;
                let writes = mem::take(&mut gathering.writes);
                self.room.notify_all();
                return Work::Commit { writes, sequence };
            }
            if gathering.closed {
                return Work::End;
            }
            if let Some(before) = gathering.prune_before {
                return Work::Prune(before);
            }
            gathering = match wait {
                Some(wait) => {
                    let woken = self.work.wait_timeout(gathering, wait).unwrap_or_else(PoisonError::into_inner);
                    woken.0
                }
                None => self.work.wait(gathering).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Nothing older than `before` is left.
    fn pruned(&self, before: i64) {
        let mut gathering = self.lock();
        if gathering.prune_before == Some(before) {
            gathering.prune_before = None;
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

fn run<W: GroupedWrite>(
    shared: &Shared<W>,
    mut writer: Box<dyn Writer<Write = W>>,
    done: &dyn Fn(CommitResult),
) -> Result<(), StoreError> {
    // Without a pause, half a chunk written is followed by a chunk removed: the rest gets ever less.
    let written_before_prune = writer.prune_chunk() / 2;
    let mut written: u64 = 0;
    loop {
        match shared.next(written >= written_before_prune) {
            Work::Commit { writes, sequence } => {
                // Also with nothing to write: it shows whether this writer still may.
                writer.commit(&writes)?;
                written += writes.iter().map(|write| u64::from(write.is_pruned_later())).sum::<u64>();
                done(Ok(sequence));
                writer.committed(writes);
            }
            Work::Prune(before) => {
                written = 0;
                if !writer.prune(before)?.more {
                    shared.pruned(before);
                }
            }
            Work::End => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver, Sender};

    const DEADLINE: Duration = Duration::from_secs(10);
    const NEVER: Duration = Duration::from_secs(3_600);
    const CHUNK: u64 = 8_192;

    #[derive(Clone)]
    struct Row {
        is_pruned_later: bool,
    }

    impl GroupedWrite for Row {
        fn bytes(&self) -> usize {
            512
        }

        fn is_pruned_later(&self) -> bool {
            self.is_pruned_later
        }
    }

    /// A disk under the test's control: says how many writes a commit has, waits to be let go.
    struct Slow {
        commits: Sender<usize>,
        pruned: Sender<i64>,
        go: Receiver<Result<(), StoreError>>,
        left_to_prune: u64,
    }

    impl Writer for Slow {
        type Write = Row;

        fn commit(&mut self, writes: &[Row]) -> Result<(), StoreError> {
            self.commits.send(writes.len()).unwrap();
            self.go.recv_timeout(DEADLINE).unwrap()
        }

        fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
            self.pruned.send(before).unwrap();
            let removed = self.left_to_prune.min(CHUNK);
            self.left_to_prune -= removed;
            Ok(Pruned { removed, more: self.left_to_prune > 0 })
        }

        fn prune_chunk(&self) -> u64 {
            CHUNK
        }
    }

    struct Bench {
        group: Arc<GroupCommit<Row>>,
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

    fn rows(count: usize) -> Vec<Row> {
        vec![Row { is_pruned_later: false }; count]
    }

    fn full() -> StoreError {
        StoreError::Full { path: PathBuf::from("/store.db"), detail: String::new() }
    }

    #[test]
    fn what_gathers_during_a_commit_makes_the_next_one() {
        let bench = bench(0);
        bench.group.write(1, rows(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        for sequence in 2..=5 {
            bench.group.write(sequence, rows(10));
        }
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(1)));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(40));
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(5)));
    }

    #[test]
    fn a_number_without_writes_asks_the_writer_all_the_same() {
        let bench = bench(0);
        bench.group.write(1, vec![]);
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(0));
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(1)));
    }

    #[test]
    fn what_is_not_urgent_goes_with_what_is() {
        let bench = bench(0);
        bench.group.hand_over(1, rows(1), NEVER);
        bench.group.hand_over(2, rows(1), NEVER);
        bench.group.hand_over(3, rows(1), Duration::ZERO);
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(3));
        bench.group.hand_over(4, rows(5), NEVER);
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Ok(3)));
        bench.go.send(Ok(())).unwrap();
        drop(bench.group);
        assert_eq!(bench.commits.try_iter().collect::<Vec<_>>(), [5], "the end does not wait for its time");
    }

    #[test]
    fn what_is_not_urgent_is_committed_when_its_time_has_come() {
        let bench = bench(0);
        bench.group.hand_over(1, rows(1), NEVER);
        bench.group.hand_over(2, rows(1), Duration::from_millis(5));
        bench.group.hand_over(3, rows(1), NEVER);
        bench.go.send(Ok(())).unwrap();
        let last = bench.done.recv_timeout(DEADLINE).unwrap().unwrap();
        assert!(last >= 2, "up to {last}");
        bench.go.send(Ok(())).unwrap();
    }

    #[test]
    fn dropping_the_handle_waits_until_everything_is_on_disk() {
        let bench = bench(0);
        bench.group.write(1, rows(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.group.write(2, rows(2));
        bench.go.send(Ok(())).unwrap();
        bench.go.send(Ok(())).unwrap();
        drop(bench.group);
        assert_eq!(bench.done.try_iter().collect::<Vec<_>>(), [Ok(1), Ok(2)]);
    }

    #[test]
    fn whoever_writes_faster_than_the_disk_is_held_back() {
        let bench = bench(0);
        bench.group.write(1, rows(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.group.write(2, rows(WRITES_GATHERING));
        let group = bench.group.clone();
        let writer = thread::spawn(move || group.write(3, rows(1)));
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
        bench.group.write(1, rows(1));
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        bench.group.write(2, rows(WRITES_GATHERING));
        let group = bench.group.clone();
        let writer = thread::spawn(move || group.write(3, rows(1)));
        bench.go.send(Err(full())).unwrap();
        assert_eq!(bench.done.recv_timeout(DEADLINE), Ok(Err(full())));
        writer.join().unwrap();
        for sequence in 4..8 {
            bench.group.write(sequence, rows(WRITES_GATHERING));
        }
        drop(bench.group);
        assert!(bench.commits.try_recv().is_err(), "a commit after the failure");
        assert!(bench.done.try_recv().is_err(), "a report after the failure");
    }

    #[test]
    fn a_panic_of_the_writer_is_a_failure_and_holds_nobody_back() {
        let bench = bench(0);
        drop(bench.go);
        bench.group.write(1, rows(WRITES_GATHERING));
        assert!(matches!(bench.done.recv_timeout(DEADLINE), Ok(Err(StoreError::Refused { .. }))));
        bench.group.write(2, rows(WRITES_GATHERING));
        bench.group.write(3, rows(1));
    }

    #[test]
    fn what_is_old_is_pruned_in_a_pause_until_none_is_left() {
        let bench = bench(2 * CHUNK + 1);
        bench.group.prune_before(77);
        let chunks: Vec<_> = (0..3).map(|_| bench.pruned.recv_timeout(DEADLINE)).collect();
        assert_eq!(chunks, [Ok(77); 3]);
        drop(bench.group);
        assert!(bench.pruned.try_recv().is_err(), "a fourth chunk");
    }

    #[test]
    fn what_is_old_is_pruned_without_a_pause_too() {
        let bench = bench(10 * CHUNK);
        let aging = Row { is_pruned_later: true };
        bench.group.write(1, vec![aging; usize::try_from(CHUNK / 2).unwrap()]);
        assert!(bench.commits.recv_timeout(DEADLINE).is_ok());
        // There is no pause before this one.
        bench.group.write(2, rows(1));
        bench.group.prune_before(77);
        bench.go.send(Ok(())).unwrap();
        assert_eq!(bench.commits.recv_timeout(DEADLINE), Ok(1));
        assert_eq!(bench.pruned.try_iter().collect::<Vec<_>>(), [77]);
        bench.go.send(Ok(())).unwrap();
    }
}
