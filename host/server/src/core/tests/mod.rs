//! The core against a store in memory: no I/O, no time that passes by itself.

mod clients;
mod delivery;
mod idempotency;
mod model;
mod placing;
mod pulling;
mod sequences;
mod services;
mod world;
