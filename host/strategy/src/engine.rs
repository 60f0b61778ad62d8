//! The engine: one for the process. It owns the compiler, the pools that instances live in, the
//! host functions, and the room there is for sessions.
//!
//! Settings of the pools follow what was measured for instances of this size: memory reset by
//! looking which pages were touched, copy-on-write images, epochs and not fuel for interruption.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::alarms::{Alarms, Runtimes};
use crate::cache::Cache;
use crate::capacity;
use crate::code_cache::CodeCache;
use crate::codes::Codes;
use crate::compile::Compiler;
use crate::contract::VERSIONS;
use crate::long_turn;
use crate::policy::Policies;
use crate::session::{Session, SessionStart, spawn};
use crate::settings::Settings;
use crate::state::{CORE_INSTANCES, State, TABLE_ELEMENTS, TABLES};

/// Instances at once where none outlives its turn.
const INSTANCES_OF_A_TURN: usize = 64;
/// Plugins that may be asked to describe themselves at once, beside the sessions.
const DESCRIBING: usize = 2;
/// Bytes of an instance's memory that stay in its slot when it is gone.
const KEEP_RESIDENT: usize = 256 << 10;
/// The shortest slice: below it ticking would cost more than it brings.
const SHORTEST_SLICE: Duration = Duration::from_micros(100);

/// Makes instances. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    settings: Arc<Settings>,
    /// Of plugins that are loaded from here on.
    policies: RwLock<Arc<Policies>>,
    cache: Cache,
    runtimes: Runtimes,
    describing: Semaphore,
    compiler: Compiler,
    code_cache: Option<Arc<CodeCache>>,
    codes: Codes,
    long_turns: long_turn::Lane,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The pools, or the compiler, could not be set up.
    #[error("the Wasm engine could not be set up for {sessions} sessions of {memory_bytes} bytes: {reason}")]
    SetUp {
        /// Sessions it was to hold.
        sessions: usize,
        /// Bytes of memory of each.
        memory_bytes: usize,
        /// What the engine says.
        reason: String,
    },
    /// The threads that interrupt sessions, run long turns, or compile, could not be started.
    #[error("the threads that interrupt sessions, run long turns and compile could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Engine {
    /// Sets up the pools and starts the thread that ticks. Plugins have the policy that is the default, until
    /// [others are set](Self::set_policies).
    ///
    /// # Errors
    /// When the machine has no address space for the pools, or no more threads.
    pub fn new(settings: Settings) -> Result<Engine, EngineError> {
        // Instances that do not outlive their turn need room too.
        let wanted = if settings.live == 0 { INSTANCES_OF_A_TURN } else { settings.live };
        let capacity = capacity::of_process(wanted);
        let failed = |error: wasmtime::Error| EngineError::SetUp {
            sessions: capacity,
            memory_bytes: settings.memory_bytes,
            reason: format!("{error:#}"),
        };
        let engine = wasmtime::Engine::new(&config(&settings, capacity)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        for version in VERSIONS {
            (version.link)(&mut linker).map_err(failed)?;
        }
        let long_turns = long_turn::Lane::start()?;
        let code_cache = settings.code_cache.clone().map(|folder| Arc::new(CodeCache::new(folder, &engine)));
        start_ticking(&engine, settings.slice.max(SHORTEST_SLICE))?;
        Ok(Engine {
            inner: Arc::new(Inner {
                engine,
                linker,
                cache: Cache::new(capacity),
                runtimes: Runtimes::default(),
                settings: Arc::new(settings),
                policies: RwLock::default(),
                describing: Semaphore::new(DESCRIBING),
                compiler: Compiler::start()?,
                code_cache,
                codes: Codes::default(),
                long_turns,
            }),
        })
    }

    /// Instances that can live at once: those wanted, or what `vm.max_map_count` leaves.
    pub fn capacity(&self) -> usize {
        self.inner.cache.capacity()
    }

    /// Instances that live now.
    pub fn live(&self) -> usize {
        self.inner.cache.live()
    }

    /// Plugins compiled since it was made, those under way included; one whose code came out of the cache was
    /// not compiled.
    pub fn compiled(&self) -> u64 {
        self.inner.compiler.compiled()
    }

    /// Starts a session on the current tokio runtime. Where there is no room for its instance, it waits
    /// for room.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(&self, start: SessionStart) -> Session {
        spawn(self.clone(), start)
    }

    /// Sets what plugins may that are loaded from here on. Those that are loaded already keep what they have, until
    /// they are [told](crate::Plugin::set_policies).
    pub fn set_policies(&self, policies: Policies) {
        *self.inner.policies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
    }

    /// What plugins may that are loaded now.
    pub fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.inner.policies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those of the runtime we are on.
    pub(crate) fn alarms(&self) -> Arc<Alarms> {
        self.inner.runtimes.current()
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.inner.settings
    }

    pub(crate) fn describing(&self) -> &Semaphore {
        &self.inner.describing
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.inner.compiler
    }

    pub(crate) fn code_cache(&self) -> Option<&Arc<CodeCache>> {
        self.inner.code_cache.as_ref()
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.inner.codes
    }

    pub(crate) fn long_turns(&self) -> &Handle {
        self.inner.long_turns.handle()
    }

    /// A store with its limits set.
    pub(crate) fn store(&self, state: State) -> wasmtime::Store<State> {
        let mut store = wasmtime::Store::new(&self.inner.engine, state);
        store.limiter(|state| state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store
    }
}

fn config(settings: &Settings, capacity: usize) -> Config {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let slots = capacity + DESCRIBING;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(slots))
        .total_stacks(count(slots))
        .total_memories(count(slots))
        .max_memories_per_component(1)
        .max_memory_size(settings.memory_bytes)
        .total_tables(count(slots.saturating_mul(TABLES)))
        .max_tables_per_component(count(TABLES))
        .max_tables_per_module(count(TABLES))
        .table_elements(TABLE_ELEMENTS)
        .total_core_instances(count(slots.saturating_mul(CORE_INSTANCES)))
        .max_core_instances_per_component(count(CORE_INSTANCES))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_init_cow(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .concurrency_support(false)
        .native_unwind_info(false)
        .wasm_threads(false)
        .shared_memory(false);
    config
}

/// Ticks once a slice for as long as the engine lives.
fn start_ticking(engine: &wasmtime::Engine, slice: Duration) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("wasm-ticks".into()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(slice);
        }
    })?;
    Ok(())
}
