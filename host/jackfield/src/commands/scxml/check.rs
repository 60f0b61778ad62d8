//! `jackfield scxml check`

use std::path::Path;

use anyhow::Context;
use jackfield_scxml::report::{self, Run};
use serde_json::{Value as Json, json};

use super::counts;
use crate::cli::{Global, ScxmlCheck};
use crate::documents::{self, Document};
use crate::exit::Exit;
use crate::{output, text};

/// Check documents, one after the other.
///
/// # Errors
/// The SARIF file cannot be written. What is wrong with a document is a result.
pub fn check(global: &Global, arguments: &ScxmlCheck) -> anyhow::Result<Exit> {
    let mut opened = Vec::new();
    let reading = arguments.reading.of(arguments.allow_unsupported);
    for file in &arguments.files {
        opened.push((file, documents::open(file, &reading)?));
    }
    if let Some(to) = &arguments.sarif {
        let runs: Vec<_> = opened.iter().map(|(_, document)| run(document)).collect();
        let log = format!("{:#}\n", report::sarif(&runs, env!("CARGO_PKG_VERSION")));
        if to == Path::new("-") {
            output::part(&log)?;
        } else {
            std::fs::write(to, log).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    let quiet = arguments.sarif.as_ref().is_some_and(|to| to == Path::new("-"));
    for (file, document) in opened.iter().filter(|_| !quiet) {
        if global.json {
            output::line(as_json(file, document).to_string())?;
        } else {
            tell(file, document)?;
        }
    }
    let all_load = opened.iter().all(|(_, document)| document.opened.is_loadable());
    Ok(if all_load { Exit::Done } else { Exit::Configuration })
}

fn run(document: &Document) -> Run<'_> {
    let opened = &document.opened;
    Run { problems: &opened.problems, sources: &opened.sources, base: &document.base }
}

fn tell(file: &Path, document: &Document) -> anyhow::Result<()> {
    let opened = &document.opened;
    if !opened.problems.is_empty() {
        let colours = output::is_terminal_error();
        output::complain(document.report(&opened.problems, colours).trim_end());
    }
    if !opened.is_loadable() {
        output::complain(&format!("error: {} cannot be loaded: {}", file.display(), counts(opened)));
        return Ok(());
    }
    let Some(chart) = &opened.document else { return Ok(()) };
    let because = opened.profile.as_ref().map(|found| format!(", for {}", found.because)).unwrap_or_default();
    output::line(format!(
        "{} is right: {} (read as {}{because}), {}, {}; {}",
        file.display(),
        text::count(chart.states.len().saturating_sub(1), "state"),
        chart.profile,
        text::count(chart.transitions.len(), "transition"),
        text::count(opened.sources.files().len(), "file"),
        counts(opened),
    ))
}

fn as_json(file: &Path, document: &Document) -> Json {
    let opened = &document.opened;
    let problems: Vec<Json> =
        opened.problems.iter().map(|problem| report::to_json(problem, &opened.sources, &document.base)).collect();
    let files: Vec<String> =
        opened.sources.files().iter().map(|file| format!("{}{}", document.base, file.name)).collect();
    json!({
        "file": file.display().to_string(),
        "right": opened.is_loadable(),
        "profile": opened.document.as_ref().map(|chart| chart.profile.as_str()),
        "states": opened.document.as_ref().map(|chart| chart.states.len().saturating_sub(1)),
        "transitions": opened.document.as_ref().map(|chart| chart.transitions.len()),
        "files": files,
        "problems": problems,
    })
}
