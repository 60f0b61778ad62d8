//! The commands a person types in a clone: `cargo xtask demo`, `cargo xtask test` and two more.
//!
//! Everything here is a way to call cargo, rustup and the program in the right order. It owns no
//! state; a command that fails ends the whole with its exit code.

mod guests;
mod packages;
mod steps;
mod test;
mod wasm_target;
mod workspace;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use guests::Guests;
use workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask <command>

  demo [--keep] [-- ARGUMENTS]   build the strategies and the program, then route a mailbox of real e-mails
                                 through two Interaction Servers, and replace a strategy in the middle of it;
                                 --keep leaves it running. ARGUMENTS go to
                                 `jackfield demo` as they are
  test                           format check, clippy, and every test of the workspace
  guests                         build the strategies of examples/ into plugins/, and those of the tests
  bench [-- ARGUMENTS]           build optimised and measure; ARGUMENTS go to `jackfield bench`

The first build takes minutes: a WebAssembly compiler and SQLite are part of it. All but `help` add the target
wasm32-wasip2 through rustup when it is missing. Exit codes are those of the command that was run; 2 is a mistake
in the arguments of xtask.
";

/// Exit code for a mistake in the arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task = match Task::parse(&arguments) {
        Ok(task) => task,
        Err(problem) => {
            eprintln!("xtask: {problem}\n\n{HELP}");
            return ExitCode::from(USAGE);
        }
    };
    match task.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Demo { arguments: Vec<String> },
    Test,
    Guests,
    Bench { arguments: Vec<String> },
}

impl Task {
    fn parse(arguments: &[String]) -> Result<Task> {
        let Some((name, rest)) = arguments.split_first() else { bail!("a command is missing") };
        // What stands before `--` is ours, what stands after it is the program's.
        let (own, passed) = match rest.iter().position(|argument| argument == "--") {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
            None => (rest, [].as_slice()),
        };
        if own.iter().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
            return Ok(Task::Help);
        }
        let takes = |flags: &[&str], passes: bool| match own.iter().find(|own| !flags.contains(&own.as_str())) {
            Some(unknown) => bail!("`{name}` does not know {unknown}; what is for the program stands after `--`"),
            None if !passes && !passed.is_empty() => bail!("`{name}` takes no arguments"),
            None => Ok(()),
        };
        match name.as_str() {
            "help" | "-h" | "--help" => Ok(Task::Help),
            "demo" => {
                takes(&["--keep"], true)?;
                Ok(Task::Demo { arguments: own.iter().take(1).chain(passed).cloned().collect() })
            }
            "test" => takes(&[], false).map(|()| Task::Test),
            "guests" => takes(&[], false).map(|()| Task::Guests),
            "bench" => takes(&[], true).map(|()| Task::Bench { arguments: passed.to_vec() }),
            unknown => bail!("there is no command {unknown}"),
        }
    }

    fn run(self) -> Result<()> {
        if self == Task::Help {
            print!("{HELP}");
            return Ok(());
        }
        let workspace = Workspace::find()?;
        match self {
            Task::Help => Ok(()),
            Task::Demo { arguments } => demo(&workspace, &arguments),
            Task::Test => test::run(&workspace),
            Task::Guests => {
                wasm_target::ensure()?;
                let plugins = guests::build(&workspace, Guests::All)?;
                for plugin in plugins {
                    println!("{}", plugin.display());
                }
                Ok(())
            }
            Task::Bench { arguments } => bench(&workspace, &arguments),
        }
    }
}

fn demo(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let begin = Instant::now();
    wasm_target::ensure()?;
    let next = guests::build_next(workspace)?;
    guests::build(workspace, Guests::Examples)?;
    workspace.cargo(&["build", "--package", "jackfield", "--bin", "jackfield"])?;
    eprintln!("built in {}", steps::seconds(begin.elapsed()));
    let mut command = Command::new(workspace.program("debug"));
    command.arg("demo").arg("--site").arg(site(workspace)).arg("--plugins").arg(workspace.plugins());
    command.arg("--swap").arg(next);
    become_(command.args(arguments))
}

fn bench(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    wasm_target::ensure()?;
    guests::build(workspace, Guests::All)?;
    workspace.cargo(&["build", "--release", "--package", "jackfield", "--bin", "jackfield"])?;
    let mut command = Command::new(workspace.program("release"));
    command.arg("bench").arg("--guests").arg(workspace.guest_output().join("examples"));
    become_(command.args(arguments))
}

fn site(workspace: &Workspace) -> PathBuf {
    workspace.root.join("examples/site/jackfield.toml")
}

/// Turns into the program, so that its exit code, and signals from the terminal, are its own affair.
#[cfg(unix)]
fn become_(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("{} cannot be started", command.get_program().display()))
}

/// Runs the program and ends with its exit code.
#[cfg(not(unix))]
fn become_(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task> {
        Task::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_after_two_dashes_are_the_programs() {
        let demo = |arguments: &[&str]| Task::Demo { arguments: arguments.iter().map(|&a| a.to_owned()).collect() };
        assert_eq!(parse("demo").unwrap(), demo(&[]));
        assert_eq!(parse("demo --keep").unwrap(), demo(&["--keep"]));
        assert_eq!(parse("demo --keep -- --repeat 3").unwrap(), demo(&["--keep", "--repeat", "3"]));
        assert_eq!(parse("demo -- --help").unwrap(), demo(&["--help"]));
        assert_eq!(parse("demo --help").unwrap(), Task::Help);
    }

    #[test]
    fn mistakes_say_what_and_where_it_belongs() {
        let message = |line: &str| parse(line).unwrap_err().to_string();
        assert!(message("demo --repeat 3").contains("--repeat; what is for the program stands after `--`"));
        assert!(message("test -- --nocapture").contains("takes no arguments"));
        assert!(message("tset").contains("tset"));
        assert!(message("").contains("missing"));
    }
}
