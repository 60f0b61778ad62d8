//! Turns that run for longer than a slice, and how they leave the others alone.
//!
//! The threads that run sessions also serve the links and the timers. A session whose turn goes on
//! for longer than a slice moves to threads of their own, fewer than processors and of a lower priority: strategies that
//! compute, or loop, get what the others leave, and take turns there, slice by slice. It comes back
//! before its turn is committed, so that what others wait for is not held up by a thread that has to
//! wait itself. One that fails in a long turn is taken apart there too: giving back much memory takes
//! time.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::session::Shared;

/// How much nicer the threads of long turns are (0 to 19): with every processor wanted each still gets
/// about a third of its share, so that a strategy with an honest long turn goes on.
#[cfg(unix)]
const NICER: i32 = 5;

/// Whether the turn of one session is long. Set by its ticks, cleared at the turn's end.
#[derive(Debug, Default)]
pub(crate) struct LongTurn(AtomicBool);

impl LongTurn {
    fn is_long(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The turn has used up its slice: returns when it may have another.
    pub fn let_others_on(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.store(true, Ordering::Relaxed);
        Box::pin(tokio::task::yield_now())
    }

    /// The turn is over; when this returns the session runs where the others do.
    pub async fn end(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
    }
}

/// The threads of long turns.
pub(crate) struct Lane {
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Lane {
    /// As many threads as there are processors, less one: a processor that nobody has takes an event at
    /// once, and one that has to be taken from somebody, of whatever priority, only at the kernel's next tick.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start() -> io::Result<Lane> {
        let threads =
            std::thread::available_parallelism().map_or(1, |processors| processors.get().saturating_sub(1).max(1));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("long-turns")
            .on_thread_start(lower_priority)
            .enable_time()
            .build()?;
        Ok(Lane { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Without waiting: this may happen on a thread that must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(unix)]
fn lower_priority() {
    // On Linux this is the calling thread's own. Where it is refused, slices still let others on.
    if let Err(error) = rustix::process::setpriority_process(None, NICER) {
        tracing::debug!(%error, "the threads of long turns keep their priority");
    }
}

#[cfg(not(unix))]
fn lower_priority() {}

/// Drives a session to its end, on the lane for as long as its turn is long. None: the lane is gone.
pub(crate) async fn drive<T: Send + 'static>(
    mut session: Pin<Box<dyn Future<Output = T> + Send>>,
    shared: Arc<Shared>,
    lane: Handle,
) -> Option<T> {
    loop {
        if let Some(output) = poll_while(&mut session, || !shared.long_turn.is_long()).await {
            return Some(output);
        }
        let shared = Arc::clone(&shared);
        let moved = lane.spawn(async move {
            let output = poll_while(&mut session, || shared.long_turn.is_long()).await;
            (session, output)
        });
        match moved.await {
            Ok((_, Some(output))) => return Some(output),
            Ok((back, None)) => session = back,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return None,
            },
        }
    }
}

/// Polls until it is ready, or until it is pending in the wrong place: then none.
async fn poll_while<T>(session: &mut Pin<Box<dyn Future<Output = T> + Send>>, right: impl Fn() -> bool) -> Option<T> {
    poll_fn(|context| match session.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if right() => Poll::Pending,
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
