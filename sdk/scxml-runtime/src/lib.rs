//! Runs compiled SCXML documents ([`jackfield_scxml_program`]) in a sandbox or natively.
//!
//! A [`Machine`] holds the session of a document and all it invoked. It is handed events, and each call returns when
//! nothing is left to do: then it waits, or its document has ended. Time, timers, the log, HTTP and the platform behind
//! functional modules are an [`Environment`], so the same code runs on the contract of strategies and on a virtual clock.
//!
//! # The parts
//!
//! * `fast` and `reference`: the algorithm of the Recommendation's appendix D, over tables and as it is written. Both
//!   are run for the same steps of a session, and tests compare all they do.
//! * `session`, `content`, `send`, `invoke`, `modules`: what documents do.
//! * `data`: the ECMAScript data model.
//! * `machine`: sessions among each other, and the calls from outside.
//!
//! # The engine
//!
//! Values live in Boa, a pure Rust engine: its build needs nothing beyond the target `wasm32-wasip2`. The alternative was
//! QuickJS: a smaller and two to three times faster interpreter, in C, with a C toolchain for WebAssembly on every machine
//! that builds from source. Boa stays because few evaluations reach the interpreter at all. Expressions of the common part
//! of ECMAScript are compiled beforehand and evaluated over the engine's values through its API; `_event` is made an object
//! only when something looks at more than its name and data; and a document that evaluates nothing never starts the engine.
//!
//! Measured with the component in the host (contract 0.3.0; CPU time on a busy machine of two cores, 900 events a turn,
//! each raised by the document itself, what 1,000 turns cost without them taken off):
//!
//! | | |
//! | --- | --- |
//! | size of the component, all documents share it | 4.5 MB |
//! | compiled document of two states | 0.5 KB |
//! | compiling the component, once | 14 s of CPU |
//! | two states that flip | 2.0 M events a CPU second |
//! | three parallel regions of four states, nested | 0.9 M |
//! | guards and assignments over data | 0.36 M |
//!
//! `cargo bench -p jackfield-scxml-runtime` measures the same charts natively.
//!
//! # How it ends
//!
//! In a final state of its document, by [`Machine::cancel`](MachineOf::cancel), or with a [`Failure`] when the document
//! passes one of its [`Limits`]. Errors of a document are events of the document and end nothing.

mod body;
mod content;
mod data;
mod datum;
mod event;
mod fast;
mod fault;
mod host;
mod http;
mod invoke;
mod limits;
mod machine;
mod modules;
mod platform;
mod reference;
mod send;
mod session;
mod shared;
mod snapshot;
mod steps;

pub use datum::Datum;
pub use host::{Environment, LogLine, Post, Step, TraceLine};
pub use http::HttpRequest;
pub use limits::{Failure, Limits};
pub use machine::{Machine, MachineOf, ReferenceMachine, Status};
pub use platform::{Answer, Call, CallElement, CallKind, Destination, ModuleError, Platform};
