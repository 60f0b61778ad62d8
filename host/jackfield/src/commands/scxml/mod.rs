//! `jackfield scxml`: documents, looked at.

mod check;
mod graph;
mod run;

use jackfield_scxml::Opened;
use jackfield_scxml::problem::Severity;

use crate::cli::{Global, Scxml};
use crate::exit::Exit;
use crate::text;

/// Do what is asked with documents.
///
/// # Errors
/// A file cannot be written, or is not in the project that was named.
pub async fn scxml(global: &Global, command: Scxml) -> anyhow::Result<Exit> {
    match command {
        Scxml::Check(arguments) => check::check(global, &arguments),
        Scxml::Graph(arguments) => graph::graph(&arguments),
        Scxml::Run(arguments) => run::run(global, arguments).await,
    }
}

/// `2 errors, 1 warning, 3 notes`, without those that are not there.
fn counts(opened: &Opened) -> String {
    let count = |severity, word| {
        let count = opened.problems.iter().filter(|problem| problem.severity == severity).count();
        (count > 0).then(|| text::count(count, word))
    };
    let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning"), count(Severity::Note, "note")];
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "nothing is wrong".to_owned() } else { counts.join(", ") }
}
