//! The program: `jackfield run` and everything around it.
//!
//! It reads one configuration file (`config`), wires the crates together (`embedded`, `connect`,
//! `control`), and has one file for each command (`commands`). A command ends with one of the codes of
//! [`exit::Exit`]; an error that a person caused is printed so that the person can put it right.
//!
//! It is a library so that a configuration can be checked without a process ([`check_text`]).

mod cli;
mod commands;
mod config;
mod connect;
mod control;
mod documents;
mod embedded;
mod exit;
mod figures;
mod journal;
mod moves;
mod output;
mod reload;
mod signals;
mod small_site;
mod text;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

pub use config::{CheckedText, check_text};

/// The program: reads its arguments, does what they say, and ends with a code of `exit::Exit`.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    let result = output::start_log(&cli.log_filter(), json).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(commands::dispatch(cli));
        // Blocking reads of a terminal cannot be ended; they must not hold the program up.
        runtime.shutdown_background();
        result
    });
    let exit = result.unwrap_or_else(|error| exit::explain(&error, json));
    ExitCode::from(exit as u8)
}
