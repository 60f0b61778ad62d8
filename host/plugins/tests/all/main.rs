//! The plugins folder as users treat it, with real components and a real engine.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod choices;
mod dropping;
mod signatures;
mod support;
