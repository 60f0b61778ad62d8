//! Turns that run for longer than a slice, and how they leave the others alone.
//!
//! The threads that run sessions also serve the links and the timers. A session whose turn goes on
//! for longer than a slice moves to threads of their own, fewer than processors and of a lower priority: strategies that
//! compute, or loop, get what the others leave, and take turns there, slice by slice. It comes back
//! before its turn is committed, so that what others wait for is not held up by a thread that has to
//! wait itself. One that fails in a long turn is taken apart there too: giving back much memory takes
//! time.
//!
//! That first slice is what a strategy costs the others before it can be seen to take long, and it may last until
//! the kernel's next tick when every processor is busy, for the thread that ends slices has to wait for one too.
//! So the sessions of a plugin that misbehaves again and again (`conduct`) are there from beginning to end.

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

/// Whether one session is to run apart from the others.
#[derive(Debug, Default)]
pub(crate) struct LongTurn {
    /// For as long as its turn lasts. Set by its ticks, cleared at the turn's end.
    long: AtomicBool,
    /// For as long as the instance lives. Set before it runs.
    always: AtomicBool,
}

impl LongTurn {
    /// Whether this instance of it is to run apart from its beginning to its end.
    pub fn set_always(&self, always: bool) {
        self.always.store(always, Ordering::Relaxed);
    }

    fn is_apart(&self) -> bool {
        self.long.load(Ordering::Relaxed) || self.always.load(Ordering::Relaxed)
    }

    /// The turn has used up its slice: returns when it may have another.
    pub fn let_others_on(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.long.store(true, Ordering::Relaxed);
        Box::pin(tokio::task::yield_now())
    }

    /// The turn is over; when this returns the session runs where the others do, if it ever is to.
    pub async fn end(&self) {
        if self.long.swap(false, Ordering::Relaxed) && !self.is_apart() {
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

/// Drives a session to its end, on the lane for as long as it is to run apart. None: the lane is gone.
pub(crate) async fn drive<T: Send + 'static>(
    mut session: Pin<Box<dyn Future<Output = T> + Send>>,
    shared: Arc<Shared>,
    lane: Handle,
) -> Option<T> {
    loop {
        if !shared.long_turn.is_apart()
            && let Some(output) = poll_while(&mut session, || !shared.long_turn.is_apart()).await
        {
            return Some(output);
        }
        let shared = Arc::clone(&shared);
        let moved = lane.spawn(async move {
            let output = poll_while(&mut session, || shared.long_turn.is_apart()).await;
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
