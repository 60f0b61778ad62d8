//! What must hold for any bytes that come from outside: one function for each place where they come in.
//!
//! Each is an oracle: it gives the bytes to the real thing, and panics when a promise is broken, not only when
//! the code under it panics. Two things call them. `tests/smoke.rs` does in every test run, with seeds and a
//! bounded number of changes to them; and `cargo fuzz` does for as long as somebody likes (see `README.md`).
//! Nothing is kept from one call to the next but what is costly to make, so a failure is repeated by its bytes.
#![allow(clippy::panic, clippy::expect_used, reason = "a broken promise ends the process, so that the bytes are kept")]

mod component;
mod configuration;
mod document;
mod frame;
mod seeds;
mod target;
mod view_condition;

pub use component::component;
pub use configuration::configuration;
pub use document::document;
pub use frame::frame;
pub use seeds::{Seed, seeds};
pub use target::target;
pub use view_condition::{view, view_condition};

/// A place where bytes come in.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its function, of its `cargo fuzz` target, and of the folder of its seeds.
    pub name: &'static str,
    /// Its oracle.
    pub run: fn(&[u8]),
    /// Words of its language, which changing single bytes would not find.
    pub words: &'static [&'static str],
    /// What the smoke test does in a second or so on a slow machine: changed inputs.
    pub rounds: u32,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "component", run: component, words: component::WORDS, rounds: 60 },
    Target { name: "configuration", run: configuration, words: configuration::WORDS, rounds: 250 },
    Target { name: "view_condition", run: view_condition, words: view_condition::WORDS, rounds: 2_000 },
    Target { name: "target", run: target, words: target::WORDS, rounds: 20_000 },
    Target { name: "document", run: document, words: document::WORDS, rounds: 250 },
    Target { name: "frame", run: frame, words: frame::WORDS, rounds: 40_000 },
];
