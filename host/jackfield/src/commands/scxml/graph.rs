//! `jackfield scxml graph`

use anyhow::Context;
use jackfield_scxml::graph::{self, Paints};

use super::counts;
use crate::cli::ScxmlGraph;
use crate::documents;
use crate::exit::Exit;
use crate::output;

/// Draw the chart of a document.
///
/// # Errors
/// It is too large to be drawn, or the picture cannot be written. A document that cannot be read is a result.
pub fn graph(arguments: &ScxmlGraph) -> anyhow::Result<Exit> {
    // What runs is not looked at here.
    let document = documents::open(&arguments.file, &arguments.reading.of(true))?;
    let opened = &document.opened;
    let name = arguments.file.display();
    let Some(chart) = &opened.document else {
        let colours = output::is_terminal_error();
        output::complain(document.report(&opened.problems, colours).trim_end());
        output::complain(&format!("error: {name} cannot be read: {}", counts(opened)));
        return Ok(Exit::Configuration);
    };
    if !opened.is_loadable() {
        output::complain(&format!("{name} has mistakes ({}), and is drawn as far as it can be read", counts(opened)));
    }
    let picture = graph::graph(chart, arguments.picture(), &Paints::default())?;
    match &arguments.output {
        Some(to) => std::fs::write(to, picture).with_context(|| format!("cannot write {}", to.display()))?,
        None => output::part(&picture)?,
    }
    Ok(Exit::Done)
}
