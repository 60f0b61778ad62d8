//! Faults over real processes: what is killed, cut or fed garbage here is the program itself.
//!
//! Each test prints its seed first; `JACKFIELD_FAULT_SEED` repeats a run, `JACKFIELD_FAULT_ROUNDS` makes
//! it longer than the few rounds that every test run can afford.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod disks;
mod frozen;
mod journal_trouble;
mod malformed_frames;
mod moved;
mod node_killed;
mod one_of_two_nodes_killed;
#[path = "../support/port.rs"]
mod port;
mod server_killed;
mod server_trouble;
mod site;
#[path = "../../src/small_site.rs"]
mod small_site;
mod survives;
