//! How the program ends, and what it says when it ends badly.

use serde_json::json;

use crate::config::ConfigurationError;
use crate::output;

/// Exit codes of every command; `jackfield help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong; nothing was done.
    Configuration = 2,
    /// A part was done, such as a submit in which some messages were refused.
    Partly = 3,
    /// The Interaction Server, the node, or the registry cannot be reached.
    Unreachable = 4,
    /// A replay did something else than what is recorded.
    Different = 5,
}

/// The list of codes for help texts.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong; nothing was done
  3  partly done, such as a submit in which some messages were refused
  4  the Interaction Server, the node, or the registry cannot be reached
  5  a replay did something else than what is recorded";

/// A mistake on the command line that only shows once the configuration is known.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Somebody who should answer is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Prints `error` for people (or, with `json`, as an object) on standard error; returns the code that fits.
pub fn explain(error: &anyhow::Error, json: bool) -> Exit {
    if is_broken_pipe(error) {
        // Whoever read our output has seen enough.
        return Exit::Done;
    }
    let exit = code(error);
    let problems = match error.downcast_ref() {
        Some(ConfigurationError::Invalid(problems)) => Some(problems),
        _ => None,
    };
    if json {
        let problems = problems.map_or(json!([]), |problems| problems.to_json());
        output::complain(
            &json!({ "error": format!("{error:#}"), "exitCode": exit as u8, "problems": problems }).to_string(),
        );
    } else {
        if let Some(problems) = problems {
            output::complain(problems.report(output::is_terminal_error()).trim_end());
        }
        output::complain(&format!("error: {error:#}"));
    }
    exit
}

fn code(error: &anyhow::Error) -> Exit {
    if error.is::<ConfigurationError>() || error.is::<Usage>() {
        Exit::Configuration
    } else if error.is::<Unreachable>() {
        Exit::Unreachable
    } else {
        Exit::Failed
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
