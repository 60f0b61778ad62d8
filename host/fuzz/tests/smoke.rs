//! Every target with its seeds, and with a bounded number of inputs made from them.
//!
//! `JACKFIELD_FUZZ_ROUNDS` does so many times the usual number (default 1), `JACKFIELD_FUZZ_SEED` begins elsewhere
//! (default 1). An input that breaks a promise is written to a file, which can be put into `corpus` once the fault
//! is repaired.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Instant;

use chacha20::ChaCha8Rng;
use jackfield_fuzz::{Seed, TARGETS, Target, seeds};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

/// Bytes an input may have; the fixtures are the largest seeds.
const INPUT_BYTES: usize = 256 << 10;
/// Changes to one input at most.
const CHANGES: u32 = 4;
/// Bytes that are put in, taken out or repeated at once at most.
const PIECE_BYTES: usize = 64;

#[test]
fn component() {
    smoke("component");
}

#[test]
fn configuration() {
    smoke("configuration");
}

#[test]
fn view_condition() {
    smoke("view_condition");
}

#[test]
fn target() {
    smoke("target");
}

#[test]
fn document() {
    smoke("document");
}

#[test]
fn frame() {
    smoke("frame");
}

#[test]
fn every_target_has_a_test_here_and_a_program_for_cargo_fuzz() {
    let manifest = include_str!("../targets/Cargo.toml");
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, ["component", "configuration", "view_condition", "target", "document", "frame"]);
    for name in names {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("targets/fuzz_targets/{name}.rs"));
        assert!(std::fs::read_to_string(program).unwrap().contains(&format!("jackfield_fuzz::{name}(")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

fn smoke(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let (seed, rounds) = (number("JACKFIELD_FUZZ_SEED", 1), number("JACKFIELD_FUZZ_ROUNDS", 1));
    let rounds = u64::from(target.rounds) * rounds;
    println!("{name}: {rounds} rounds, JACKFIELD_FUZZ_SEED={seed}");
    let began = Instant::now();
    let seeds = seeds(target).expect("seeds");
    assert!(seeds.len() >= 3, "{} seeds", seeds.len());
    for (file, bytes) in &seeds {
        run(target, file, bytes);
    }
    // Each target has numbers of its own.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(TARGETS.iter().position(|other| other.name == name).unwrap() as u64);
    for round in 0..rounds {
        let input = changed(&mut random, &seeds, target.words);
        run(target, &format!("seed {seed}, round {round}"), &input);
    }
    println!("{name}: {} seeds and {rounds} rounds in {:.1?}", seeds.len(), began.elapsed());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// With the input kept where it breaks a promise.
fn run(target: &Target, what: &str, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        std::fs::write(&file, input).expect("written");
        println!("{}, {what}: {} bytes, kept in {}", target.name, input.len(), file.display());
        resume_unwind(panic);
    }
}

fn changed(random: &mut impl Rng, seeds: &[Seed], words: &[&str]) -> Vec<u8> {
    let (_, mut input) = seeds.choose(random).expect("a seed").clone();
    for _ in 0..random.random_range(1..=CHANGES) {
        change(random, &mut input, seeds, words);
    }
    input.truncate(INPUT_BYTES);
    input
}

fn change(random: &mut impl Rng, input: &mut Vec<u8>, seeds: &[Seed], words: &[&str]) {
    let at = random.random_range(0..=input.len());
    let piece = random.random_range(0..=(input.len() - at).min(PIECE_BYTES));
    match random.random_range(0..10) {
        // One bit, one byte.
        0 | 1 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        2 if at < input.len() => input[at] = random.random(),
        // Cut short, or something of it left out.
        3 => input.truncate(at),
        4 => drop(input.drain(at..at + piece)),
        // Some of it again, elsewhere.
        5 => {
            let again = input[at..at + piece].to_vec();
            let to = random.random_range(0..=input.len());
            drop(input.splice(to..to, again));
        }
        // The beginning of this and the end of another.
        6 => {
            let (_, other) = seeds.choose(random).expect("a seed");
            input.truncate(at);
            input.extend(&other[random.random_range(0..=other.len())..]);
        }
        // A word, or a word instead of something.
        7 => drop(input.splice(at..at + piece, word(random, words))),
        _ => drop(input.splice(at..at, word(random, words))),
    }
}

fn word(random: &mut impl Rng, words: &[&str]) -> Vec<u8> {
    words.choose(random).expect("a word").as_bytes().to_vec()
}
