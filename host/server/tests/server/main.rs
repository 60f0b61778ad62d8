//! A whole server, through links, over pipes and TCP, on a real store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails, fails"
)]

mod durable;
mod hostile;
mod reclaim;
mod reporting;
mod support;
mod way;
