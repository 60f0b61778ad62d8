//! `jackfield scxml`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jackfield_scxml::graph::Format;
use jackfield_scxml::model::Profile;

use crate::documents::Reading;

/// What is done with a document.
#[derive(Debug, Subcommand)]
pub enum Scxml {
    /// Check documents with all they include: each mistake with its place, its rule, and what to do.
    Check(ScxmlCheck),
    /// Draw the chart of a document.
    Graph(ScxmlGraph),
    /// Run a document alone, in the sandbox, on a clock that stands still, and show each macrostep.
    Run(ScxmlRun),
}

/// How documents are read.
#[derive(Debug, Args)]
pub struct ScxmlFile {
    /// The dialect; otherwise it follows from what is written in a document.
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub profile: Option<Dialect>,
    /// The folder that all included files are in; otherwise that of the document, or of a document in `src-gen` the
    /// one above.
    #[arg(long, value_name = "FOLDER")]
    pub project: Option<PathBuf>,
}

impl ScxmlFile {
    /// That, and what is done about actions that are not supported.
    pub fn of(&self, allow_unsupported: bool) -> Reading {
        Reading { profile: self.profile.map(Into::into), project: self.project.clone(), allow_unsupported }
    }
}

/// A dialect on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Dialect {
    /// The Recommendation of 2015 with the ECMAScript data model.
    W3c,
    /// That of ORS.
    Ors,
}

impl From<Dialect> for Profile {
    fn from(dialect: Dialect) -> Profile {
        match dialect {
            Dialect::W3c => Profile::W3c,
            Dialect::Ors => Profile::Ors,
        }
    }
}

/// `jackfield scxml check`
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing of a document runs. Included files are merged first, and each mistake is told where it is written.
Code 0 when all documents can be loaded, warnings or not; code 2 when one cannot.

Examples:
  jackfield scxml check src-gen/IPD_default_Main.scxml
  jackfield scxml check src-gen/*.scxml --json
  jackfield scxml check workflow.scxml --sarif workflow.sarif --allow-unsupported")]
pub struct ScxmlCheck {
    /// Documents.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write what was found into this file as SARIF 2.1.0; `-`: to standard output, and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub sarif: Option<PathBuf>,
    /// Actions that are not supported are warnings: each raises an error event when it is reached.
    #[arg(long)]
    pub allow_unsupported: bool,
    /// How they are read.
    #[command(flatten)]
    pub reading: ScxmlFile,
}

/// `jackfield scxml run`
#[derive(Debug, Args)]
#[command(after_help = "\
Prints a line of JSON for each macrostep: when it was (milliseconds from the start), what began it, the active atomic
states, the data, and what was asked for; what the document logs goes to standard error. With --trace, also a line for
each step of the engine, named as ORS names them in its METRIC lines. Events are told one after the other; then time
passes. Nothing reaches anything outside.

Code 0 when the document ends in a final state or waits; 2 when it cannot be loaded; 3 when it fails.

Examples:
  jackfield scxml run switch.scxml --event on --event off
  jackfield scxml run order.scxml --event 'paid={\"amount\": 7}' --trace
  jackfield scxml run reminder.scxml --event start --advance 10s
  jackfield scxml run test.scxml --until-idle")]
pub struct ScxmlRun {
    /// The document.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// An event from outside, and its data; may be given again.
    #[arg(long = "event", value_name = "NAME[=JSON]")]
    pub events: Vec<String>,
    /// Then so much time passes.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub advance: Option<Duration>,
    /// Then time passes until nothing is delayed any more.
    #[arg(long)]
    pub until_idle: bool,
    /// Show each step of the engine.
    #[arg(long)]
    pub trace: bool,
    /// How it is read.
    #[command(flatten)]
    pub reading: ScxmlFile,
}

/// `jackfield scxml graph`
#[derive(Debug, Args)]
#[command(after_help = "\
A document with mistakes is drawn as far as it can be read; `jackfield scxml check` tells of them.

Examples:
  jackfield scxml graph src-gen/IPD_default_Main.scxml -o main.svg
  jackfield scxml graph workflow.scxml --format mermaid
  jackfield scxml graph workflow.scxml --format dot | dot -Tpdf -o workflow.pdf")]
pub struct ScxmlGraph {
    /// The document.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The language of the picture; otherwise what the name of the output ends with says (.svg, .mmd, .dot, .gv), or
    /// svg.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Picture>,
    /// Where it is written; otherwise to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How it is read.
    #[command(flatten)]
    pub reading: ScxmlFile,
}

/// A language of pictures on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Picture {
    /// A picture that every browser shows.
    Svg,
    /// A state diagram of Mermaid, for wikis and forges.
    Mermaid,
    /// For Graphviz.
    Dot,
}

impl ScxmlGraph {
    /// The language that was asked for, or that the name of the output says.
    pub fn picture(&self) -> Format {
        let ending = self.output.as_ref().and_then(|output| output.extension()?.to_str());
        match (self.format, ending) {
            (Some(Picture::Svg), _) => Format::Svg,
            (Some(Picture::Mermaid), _) | (None, Some("mmd" | "mermaid")) => Format::Mermaid,
            (Some(Picture::Dot), _) | (None, Some("dot" | "gv")) => Format::Dot,
            (None, _) => Format::Svg,
        }
    }
}
