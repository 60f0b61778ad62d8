//! Faults over real processes: what is killed, cut or fed garbage here is the program itself.
//!
//! Each test prints its seed first; `JACKFIELD_FAULT_SEED` repeats a run, `JACKFIELD_FAULT_ROUNDS` makes
//! it longer than the few rounds that every test run can afford.

mod malformed_frames;
mod node_killed;
mod server_killed;
mod site;
