//! The Wasm side: strategies come as components, and each session runs in a sandbox of its own.
//!
//! ```text
//! file ──── Plugin ─┐
//!                   ├─ Engine::start ─▶ Session ── deliver ──▶ inbox ─▶ events.next ┐
//! SessionStart ─────┘       ▲                                                       │ one turn
//!                           └── Journal::history ◀┈ Journal::record ◀── requests ───┘
//! ```
//!
//! This is the one crate that knows of wasmtime. It owns the engine and its pools, the plugins, the
//! host functions, the tasks that sessions run in, and what is recorded of them. It knows nothing of
//! links and disks: turns go to a [`Journal`], and what happens comes through [`Session::deliver`].
//!
//! A session that waits needs no instance: live ones are a bounded cache, and one that has something
//! to do again is rebuilt by running its strategy over its recorded turns ([`History`]).
//!
//! However a strategy behaves, only its own session ends: see [`EndReason`] for how, and
//! [`Policy`] and [`Settings`] for the bounds.

mod active;
mod alarms;
mod cache;
mod capacity;
mod clock;
mod code_cache;
mod codes;
mod compile;
mod component;
mod conduct;
pub mod contract;
mod end;
mod engine;
mod files;
mod host;
mod inbox;
mod journal;
mod load;
mod long_turn;
mod look;
mod meter;
mod output;
mod plugin;
mod policy;
mod random;
mod record;
mod replay;
mod request;
mod second;
mod session;
mod settings;
mod standing;
mod state;
mod timers;
pub mod virtual_queue;

pub use end::{EndReason, Limit, SessionEnd};
pub use engine::{Engine, EngineError};
pub use journal::{Journal, JournalError, Recording};
pub use load::{LoadError, digest_of};
pub use look::{Look, Looked};
pub use plugin::Plugin;
pub use policy::{CAPABILITIES, Policies, Policy};
pub use record::{Checkpoint, Clock, History, Input, Lookup, Origin, Question, RecordError, TimerChange, Turn};
pub use replay::{Difference, Step};
pub use request::Request;
pub use session::{Exchange, Facts, From, Gone, NoFacts, Session, SessionEvent, SessionStart};
pub use settings::Settings;
pub use standing::{Pending, Resumed, Standing};
