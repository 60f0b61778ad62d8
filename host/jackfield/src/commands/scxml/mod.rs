//! `jackfield scxml`: documents, looked at.

mod check;
mod graph;

use std::path::Path;

use anyhow::Context;
use jackfield_scxml::check::CheckOptions;
use jackfield_scxml::merge::{Folder, MergeLimits};
use jackfield_scxml::problem::Severity;
use jackfield_scxml::{OpenOptions, Opened};

use crate::cli::{Global, Scxml, ScxmlFile};
use crate::exit::{Exit, Usage};
use crate::text;

/// Do what is asked with documents.
///
/// # Errors
/// A file cannot be written, or is not in the project that was named.
pub fn scxml(global: &Global, command: Scxml) -> anyhow::Result<Exit> {
    match command {
        Scxml::Check(arguments) => check::check(global, &arguments),
        Scxml::Graph(arguments) => graph::graph(&arguments),
    }
}

/// A document that was opened, and what names of its files have before them to be paths from here.
struct Document {
    opened: Opened,
    base: String,
}

/// Open the document at `path` with all it includes.
fn open(path: &Path, reading: &ScxmlFile, allow_unsupported: bool) -> anyhow::Result<Document> {
    let limits = MergeLimits::default();
    let (root, own) = match &reading.project {
        Some(project) => (project.clone(), None),
        None => {
            let (root, own) = Folder::project_of(path);
            (root, Some(own))
        }
    };
    let folder = Folder::new(&root, limits.file.bytes as u64)
        .with_context(|| format!("cannot look into the folder {}", root.display()))?;
    let own = match own {
        Some(own) => own,
        None => folder
            .path_of(path)
            .map_err(|error| Usage(format!("{}: {error}; --project names a folder above it", path.display())))?,
    };
    let options =
        OpenOptions { profile: reading.profile.map(Into::into), check: CheckOptions { allow_unsupported }, limits };
    let base = if root == Path::new(".") { String::new() } else { format!("{}/", root.display()) };
    Ok(Document { opened: jackfield_scxml::open(&folder, &own, options), base })
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
