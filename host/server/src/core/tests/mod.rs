//! The core against a store in memory: no I/O, no time that passes by itself.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "`[id.clone()]` reads as what it is: one id")]

mod changes;
mod clients;
mod contacts;
mod delivery;
mod finding;
mod idempotency;
mod model;
mod placing;
mod pulling;
mod reclaim;
mod refusals;
mod sequences;
mod services;
mod world;
