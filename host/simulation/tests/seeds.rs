//! A range of seeds, and that a seed repeats itself.
//!
//! `JACKFIELD_SIMULATION_SEED` is the first (default 1), `JACKFIELD_SIMULATION_SEEDS` how many (default
//! below); `JACKFIELD_SIMULATION_ALL` shows all of a failure, not only its end; `JACKFIELD_SIMULATION_LOG` takes
//! what `RUST_LOG` takes, and shows what the code logs.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../../strategy/tests/guest/mod.rs"]
mod guest;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jackfield_simulation::{Kit, Report, run};

use self::guest::guest;

/// Seeds of one `cargo test`.
const SEEDS: u64 = 600;
/// So many failures are enough.
const FAILURES: usize = 20;

#[test]
fn every_seed_comes_to_its_end() {
    let (first, count) = (number("JACKFIELD_SIMULATION_SEED", 1), number("JACKFIELD_SIMULATION_SEEDS", SEEDS));
    let kit = kit();
    let (next, done) = (AtomicU64::new(first), AtomicU64::new(0));
    let failed: Mutex<Vec<Report>> = Mutex::default();
    let began = Instant::now();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failed.lock().unwrap().len() >= FAILURES {
                break;
            }
            let report = run(seed, &kit);
            done.fetch_add(1, Ordering::Relaxed);
            if !report.wrong.is_empty() {
                failed.lock().unwrap().push(report);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..std::thread::available_parallelism().map_or(1, |threads| threads.get()) {
            scope.spawn(work);
        }
        work();
    });
    let (took, done) = (began.elapsed(), done.into_inner());
    println!("{done} seeds from {first} in {took:.1?}: {:.0} a minute", done as f64 / took.as_secs_f64() * 60.0);
    let failed = failed.into_inner().unwrap();
    for report in &failed {
        println!("seed {} fails: {}", report.seed, report.wrong.first().map_or("", |wrong| wrong));
    }
    if let Some(report) = failed.into_iter().min_by_key(|report| report.seed) {
        let all = std::env::var_os("JACKFIELD_SIMULATION_ALL").is_some();
        let shown = if all { format!("{report:#}") } else { report.to_string() };
        panic!("{shown}\nrun it again with JACKFIELD_SIMULATION_SEED={} JACKFIELD_SIMULATION_SEEDS=1", report.seed);
    }
}

#[test]
fn a_seed_repeats_itself() {
    let kit = kit();
    for seed in 1..=40 {
        let (one, other) = (run(seed, &kit), run(seed, &kit));
        if (one.trace.hash(), one.trace.count()) != (other.trace.hash(), other.trace.count()) {
            let differ = one.trace.lines().zip(other.trace.lines()).find(|(one, other)| one != other);
            panic!("seed {seed} runs twice, differently: {differ:#?}");
        }
        assert!(one.trace.count() > 20, "seed {seed}: hardly anything happened");
    }
}

fn number(variable: &str, or: u64) -> u64 {
    std::env::var(variable).map_or(or, |text| text.parse().expect("a number"))
}

fn kit() -> Kit {
    if let Ok(filter) = std::env::var("JACKFIELD_SIMULATION_LOG") {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    runtime.block_on(Kit::load(&guest("simulated"))).expect("a kit")
}
