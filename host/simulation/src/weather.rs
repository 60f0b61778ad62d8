//! What all parts of a simulation share: its chance, its clocks, its trace, its ledger, and where faults
//! are asked for.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_world::World;
use rand::{Rng, RngExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::chance::Generator;
use crate::ledger::Ledger;
use crate::options::{FAULTS, Fault, Options};
use crate::trace::Trace;

/// Where the wall clock of a simulation begins, in milliseconds since 1970.
const BEGINNING: i64 = 1_800_000_000_000;

pub(crate) struct Weather {
    pub options: Options,
    generator: Mutex<Generator>,
    trace: Mutex<Trace>,
    ledger: Mutex<Ledger>,
    start: Instant,
    /// How far the wall clock was set, in milliseconds.
    set: AtomicI64,
    /// No more faults.
    calm: AtomicBool,
    faults: mpsc::Sender<Fault>,
}

impl Weather {
    /// Faults that are asked for come on `faults`; where too many come at once, the others do not happen.
    pub fn new(options: Options, generator: Generator, faults: mpsc::Sender<Fault>) -> Arc<Weather> {
        Arc::new(Weather {
            options,
            generator: Mutex::new(generator),
            trace: Mutex::default(),
            ledger: Mutex::default(),
            start: Instant::now(),
            set: AtomicI64::new(0),
            calm: AtomicBool::new(false),
            faults,
        })
    }

    // ---- time ----

    /// Milliseconds since the beginning.
    pub fn ticks(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The wall clock, in milliseconds since 1970.
    pub fn wall_ms(&self) -> i64 {
        BEGINNING + self.ticks().cast_signed() + self.set.load(Ordering::Relaxed)
    }

    pub fn set_clock(&self, by: i64) {
        self.set.fetch_add(by, Ordering::Relaxed);
    }

    // ---- chance ----

    pub fn pick(&self, range: RangeInclusive<u64>) -> u64 {
        lock(&self.generator).random_range(range)
    }

    pub fn chance(&self, of: f64) -> bool {
        lock(&self.generator).random_bool(of)
    }

    /// Sleeps for some time up to that.
    pub async fn sleep(&self, most: Duration) {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        tokio::time::sleep(Duration::from_micros(self.pick(0..=most))).await;
    }

    // ---- faults ----

    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Something happens here with that likelihood.
    pub fn may_strike(&self, of: f64) {
        if of > 0.0 && !self.is_calm() && self.chance(of) {
            self.strike();
        }
    }

    /// Something happens.
    pub fn strike(&self) {
        let sum: u32 = self.options.weights.iter().sum();
        if sum == 0 || self.is_calm() {
            return;
        }
        let mut drawn = self.pick(0..=u64::from(sum - 1));
        for (fault, weight) in FAULTS.iter().zip(self.options.weights) {
            match drawn.checked_sub(u64::from(weight)) {
                Some(rest) => drawn = rest,
                None => {
                    // So many at once are enough.
                    let _ = self.faults.try_send(*fault);
                    return;
                }
            }
        }
    }

    // ---- what happened ----

    pub fn note(&self, what: impl std::fmt::Display) {
        let line = format!("{:>9.3} {what}", self.start.elapsed().as_secs_f64());
        tracing::info!("{line}");
        lock(&self.trace).note(line);
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub fn trace(&self) -> Trace {
        lock(&self.trace).clone()
    }
}

/// The node, the links and the sessions see the same clock and the same chance.
pub(crate) struct Sky(pub Arc<Weather>);

impl World for Sky {
    fn wall(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.wall_ms()).unwrap_or(0))
    }

    fn fill(&self, bytes: &mut [u8]) {
        lock(&self.0.generator).fill_bytes(bytes);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
