//! Tests of the runtime, natively and on a virtual clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod limits;
mod ors;
mod properties;
mod snapshots;
mod support;
mod w3c;
