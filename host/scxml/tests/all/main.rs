//! Documents as files hold them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod merging;
mod reading;
mod w3c;
mod w3c_folder;
mod written;
