//! The Wasm side: strategies come as components, and each session runs in a sandbox of its own.
//!
//! ```text
//! Plugins ─ Plugin ─┐
//!                   ├─ Engine::start ─▶ Session ── deliver ──▶ inbox ─▶ events.next ┐
//! SessionStart ─────┘                                                               │ one turn
//!                       Turns::commit ◀── requests of the turn, in order ───────────┘
//! ```
//!
//! This is the one crate that knows of wasmtime. It owns the engine and its pools, the plugins, the
//! host functions, and the tasks that sessions run in. It knows nothing of links: what a session
//! asks for goes to [`Turns`], and what happens comes through [`Session::deliver`].
//!
//! However a strategy behaves, only its own session ends: see [`EndReason`] for how, and
//! [`Settings`] for the bounds.

mod active;
mod capacity;
mod clock;
pub mod contract;
mod end;
mod engine;
mod holdings;
mod host;
mod inbox;
mod long_turn;
mod meter;
mod output;
mod plugin;
mod plugins;
mod random;
mod session;
mod settings;
mod state;
mod timers;
mod turn;

pub use end::{EndReason, SessionEnd};
pub use engine::{Engine, EngineError};
pub use plugin::{LoadError, Plugin};
pub use plugins::Plugins;
pub use session::{Facts, Gone, Session, SessionEvent, SessionStart};
pub use settings::Settings;
pub use turn::{Request, Turn, TurnError, Turns};
