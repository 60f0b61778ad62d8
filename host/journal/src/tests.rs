//! The handle, over stores that fail on purpose.

mod faults;
mod file;
mod handle;
mod sqlite;
