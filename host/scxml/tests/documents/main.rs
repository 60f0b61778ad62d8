//! Documents as files hold them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod checking;
mod drawing;
mod examples;
mod merging;
mod reading;
mod w3c;
mod w3c_folder;
mod written;
