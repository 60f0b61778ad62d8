//! Compiling, beside sessions that go on: on few threads, of a lower priority than those that run sessions,
//! and few components at a time.
//!
//! A component is compiled function by function, on all of the threads; what a hostile one could do to them is
//! to keep them busy, or to make the compiler panic, and then it alone is refused.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Threads, where there are so many processors. Components compiled at once, too: each may take some
/// hundreds of megabytes while it lasts.
const AT_ONCE: usize = 2;
/// How much nicer they are (0 to 19): with every processor wanted each gets a tenth of one.
#[cfg(unix)]
const NICER: i32 = 10;
/// Bytes of a thread's stack: the compiler recurses into what is nested.
const STACK_BYTES: usize = 8 << 20;

pub(crate) struct Compiler {
    threads: ThreadPool,
    places: Arc<Semaphore>,
    places_to_look: Arc<Semaphore>,
    compiled: Arc<AtomicU64>,
}

impl Compiler {
    /// Starts the threads.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start() -> std::io::Result<Compiler> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = ThreadPoolBuilder::new()
            .num_threads(AT_ONCE.min(processors))
            .thread_name(|number| format!("wasm-compile-{number}"))
            .stack_size(STACK_BYTES)
            .start_handler(|_| lower_priority())
            .build()
            .map_err(std::io::Error::other)?;
        let places = || Arc::new(Semaphore::new(AT_ONCE));
        Ok(Compiler { threads, places: places(), places_to_look: places(), compiled: Arc::default() })
    }

    /// Components compiled so far, one under way included.
    pub fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::Relaxed)
    }

    /// What counts them, for a job.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.compiled)
    }

    /// A place to look whether something has been compiled already, which need not wait for those that compile.
    ///
    /// # Errors
    /// There are no places any more.
    pub async fn place_to_look(&self) -> Result<OwnedSemaphorePermit, String> {
        Arc::clone(&self.places_to_look).acquire_owned().await.map_err(|error| error.to_string())
    }

    /// Runs a job when it is its turn. Dropped while it waits, it is not run; once begun it is run to its end.
    ///
    /// # Errors
    /// What it panicked with.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|error| error.to_string())?;
        let (sender, receiver) = oneshot::channel();
        self.threads.spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(job)).map_err(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no reason");
                format!("the compiler panicked: {text}")
            });
            drop(place);
            // Whoever asked may have gone.
            let _ = sender.send(done);
        });
        receiver.await.map_err(|error| error.to_string())?
    }
}

#[cfg(unix)]
fn lower_priority() {
    // Of this thread alone, and for good.
    if let Err(error) = rustix::process::setpriority_process(None, NICER) {
        tracing::debug!(%error, "the threads that compile keep their priority");
    }
}

#[cfg(not(unix))]
fn lower_priority() {}
