//! The core thread: feeds the core, hands its writes to the writer thread, and opens the store anew
//! when it fails.
//!
//! Inputs are taken in bursts: everything that waits is handled, then flushed once. While the store
//! fails, connections are refused; each attempt to open it again loads everything from it, so the
//! core's memory is never ahead of the disk.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jackfield_protocol::v1::Request;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::core::{ClientId, Core, Input, Now};
use crate::gate::{Connection, Gate};
use crate::server::{Health, HealthCell, OpenError, Warning};
use crate::settings::Settings;
use crate::store::{GroupCommit, Store, StoreError};

/// Frames that may wait for the core, over all clients; what one client has among them is bounded by
/// its requests in flight.
pub(crate) const INPUTS_WAITING: usize = 1_024;
/// Frames handled before the core is flushed.
const BURST: usize = 64;
/// First pause before a store that failed is opened again; it doubles up to [`REOPEN_MOST`].
const REOPEN_FIRST: Duration = Duration::from_millis(100);
/// Longest such pause.
const REOPEN_MOST: Duration = Duration::from_secs(10);
/// Longest sleep when no timer is set.
const IDLE: Duration = Duration::from_secs(60);

/// What comes to the core thread.
#[derive(Debug)]
pub(crate) enum ToCore {
    Connected(ClientId, Connection),
    Requests(ClientId, Vec<Request>),
    Disconnected(ClientId),
    Settings(Box<Settings>),
    Shutdown,
}

/// The clocks of a running server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let ticks = self.0.elapsed().as_millis();
        Now { wall: i64::try_from(wall).unwrap_or(i64::MAX), ticks: u64::try_from(ticks).unwrap_or(u64::MAX) }
    }

    fn at(self, ticks: u64) -> Instant {
        self.0.checked_add(Duration::from_millis(ticks)).unwrap_or_else(|| Instant::now() + IDLE)
    }
}

/// How far the writer thread has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    durable: u64,
    failure: Option<StoreError>,
}

/// A core over an open store.
pub(crate) struct Running {
    settings: Arc<Settings>,
    store: Box<dyn Store>,
    clock: Clock,
    open: Open,
}

/// What is made anew whenever the store is opened.
struct Open {
    core: Core,
    commit: GroupCommit,
    progress: watch::Receiver<Progress>,
}

impl Open {
    fn new(settings: &Arc<Settings>, store: &mut dyn Store, clock: Clock) -> Result<(Open, Vec<Warning>), OpenError> {
        let opened = store.open(&settings.custom_properties)?;
        let (core, warnings) = Core::new(settings.clone(), opened.reader, opened.incarnation, clock.now())?;
        let (sender, progress) = watch::channel(Progress::default());
        let commit = GroupCommit::start(opened.writer, move |result| {
            sender.send_modify(|progress| match result {
                Ok(durable) => progress.durable = durable,
                Err(error) => progress.failure = Some(error),
            });
        })?;
        Ok((Open { core, commit, progress }, warnings))
    }
}

impl Running {
    /// Opens the store and loads what is in it.
    pub(crate) fn open(
        settings: Arc<Settings>,
        mut store: Box<dyn Store>,
        clock: Clock,
    ) -> Result<(Running, Vec<Warning>), OpenError> {
        let (open, warnings) = Open::new(&settings, store.as_mut(), clock)?;
        tracing::info!(server = settings.name, store = store.name(), "the store is open");
        Ok((Running { settings, store, clock, open }, warnings))
    }
}

/// Starts the core thread.
pub(crate) fn start(
    running: Running,
    inputs: mpsc::Receiver<ToCore>,
    health: Arc<HealthCell>,
    ended: CancellationToken,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let name = format!("core {}", running.settings.name);
    std::thread::Builder::new().name(name).spawn(move || {
        // However the thread ends: nobody waits for it any longer.
        let _ended = ended.drop_guard();
        let _stopping = StoppingOnDrop(health.clone());
        runtime.block_on(run(running, inputs, health));
    })?;
    Ok(())
}

struct StoppingOnDrop(Arc<HealthCell>);

impl Drop for StoppingOnDrop {
    fn drop(&mut self) {
        self.0.set(Health::Stopping);
    }
}

/// Why serving from an open store ended.
enum Ended {
    Shutdown,
    StoreFailed(StoreError),
}

async fn run(running: Running, mut inputs: mpsc::Receiver<ToCore>, health: Arc<HealthCell>) {
    let Running { mut settings, mut store, clock, mut open } = running;
    let mut gate = Gate::default();
    loop {
        let error = match serve(&mut open, &mut gate, &mut inputs, &mut settings, clock, &health).await {
            Ended::Shutdown => {
                gate.close_all("the server is stopping");
                return;
            }
            Ended::StoreFailed(error) => error,
        };
        let mut reason = error.to_string();
        // Both halves of the store must be gone before it is opened again.
        drop(open);
        let mut pause = REOPEN_FIRST;
        open = loop {
            tracing::error!(server = settings.name, "the store fails, all clients are cut off: {reason}");
            health.set(Health::StoreFails(reason));
            gate.close_all("the store fails; connect again later");
            gate = Gate::default();
            if refuse_for(pause, &mut inputs, &mut settings).await {
                return;
            }
            match Open::new(&settings, store.as_mut(), clock) {
                Ok((open, _)) => break open,
                Err(error) => reason = error.to_string(),
            }
            pause = (pause * 2).min(REOPEN_MOST);
        };
        tracing::info!(server = settings.name, "the store works again");
        health.set(Health::Ok);
    }
}

/// Refuses connections for that long; returns whether the server is to stop.
async fn refuse_for(pause: Duration, inputs: &mut mpsc::Receiver<ToCore>, settings: &mut Arc<Settings>) -> bool {
    let until = tokio::time::sleep(pause);
    tokio::pin!(until);
    loop {
        tokio::select! {
            input = inputs.recv() => match input {
                Some(ToCore::Connected(_, connection)) => connection.close("the store fails; connect again later"),
                Some(ToCore::Settings(new)) => *settings = Arc::new(settings.changed(&new)),
                Some(ToCore::Requests(..) | ToCore::Disconnected(_)) => {}
                Some(ToCore::Shutdown) | None => return true,
            },
            () = &mut until => return false,
        }
    }
}

async fn serve(
    open: &mut Open,
    gate: &mut Gate,
    inputs: &mut mpsc::Receiver<ToCore>,
    settings: &mut Arc<Settings>,
    clock: Clock,
    health: &HealthCell,
) -> Ended {
    let Open { core, commit, progress } = open;
    let mut burst = Vec::with_capacity(BURST);
    let mut stopping = false;
    let mut handed_over = 0;
    loop {
        let due = core.next_due().map_or_else(|| Instant::now() + IDLE, |ticks| clock.at(ticks));
        let mut ended = false;
        tokio::select! {
            biased;
            // An error: the writer thread has ended, and said before what is wrong.
            changed = progress.changed() => ended = changed.is_err(),
            count = inputs.recv_many(&mut burst, BURST), if !stopping => stopping = count == 0,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let Progress { durable, failure } = progress.borrow_and_update().clone();
        if let Some(error) = failure {
            return Ended::StoreFailed(error);
        }
        core.durable(durable);
        gate.durable(durable);
        if stopping && (ended || handed_over <= durable) {
            return Ended::Shutdown;
        }

        let now = clock.now();
        for input in burst.drain(..) {
            match input {
                ToCore::Connected(client, connection) => {
                    gate.connected(client, connection);
                    core.handle(now, Input::Connected(client));
                }
                ToCore::Requests(client, requests) => {
                    for request in requests {
                        core.handle(now, Input::Request(client, request));
                    }
                }
                ToCore::Disconnected(client) => {
                    gate.disconnected(client);
                    core.handle(now, Input::Disconnected(client));
                }
                ToCore::Settings(new) => {
                    *settings = Arc::new(settings.changed(&new));
                    core.set_settings(now, settings.clone());
                }
                ToCore::Shutdown => {
                    stopping = true;
                    health.set(Health::Stopping);
                    core.stop();
                }
            }
        }
        core.flush(now);
        if let Some(error) = core.failure() {
            return Ended::StoreFailed(error);
        }
        let (sequence, outbox) = core.take_outbox();
        if !outbox.writes.is_empty() {
            commit.write(sequence, outbox.writes);
            handed_over = sequence;
        }
        gate.push(sequence, outbox.outputs);
        if let Some(at) = gate.forget_before() {
            commit.prune_before(at);
        }
        if stopping && handed_over <= durable {
            return Ended::Shutdown;
        }
    }
}
