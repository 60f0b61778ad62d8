//! What is wrong with a configuration file, and how a person is told.
//!
//! A [`Problem`] points at a range of bytes of the file. All problems of a file travel together in
//! one [`Problems`], printed as reports that show the offending text, or as JSON with line and column.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};
use serde_json::{Value as Json, json};

/// How far two words may be apart, as a share of the longer one, to be offered as what was meant.
const NEAREST_SIMILARITY: f64 = 0.6;
/// Valid words listed when none is near; more are counted only.
const WORDS_LISTED: usize = 12;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong; lower-case, no full stop.
    pub message: String,
    /// Bytes of the file it is about.
    pub span: Range<usize>,
    /// Text at the offending bytes.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// A second place the reader should see, such as the first of two equal names.
    pub related: Option<(Range<usize>, String)>,
    /// A warning does not keep the site from starting.
    pub is_warning: bool,
}

impl Problem {
    /// An error at `span`.
    pub fn new(span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Problem {
        Problem { message: message.into(), span, label: label.into(), help: None, related: None, is_warning: false }
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// With a second place.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Problem {
        self.related = Some((span, label.into()));
        self
    }

    /// What is wrong and what to do, in one line.
    pub fn with_help(&self) -> String {
        match &self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message.clone(),
        }
    }

    /// Only a warning.
    #[must_use]
    pub fn warning(mut self) -> Problem {
        self.is_warning = true;
        self
    }
}

/// Help for a word that is not one of `valid`: the nearest one, or all of them.
pub fn nearest_word<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    let mut valid: Vec<&str> = valid.into_iter().collect();
    valid.sort_unstable();
    valid.dedup();
    let lower = word.to_lowercase();
    let nearest = valid
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&lower, &candidate.to_lowercase()), *candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((similarity, candidate)) if similarity >= NEAREST_SIMILARITY => format!("did you mean `{candidate}`?"),
        None => "none is defined".into(),
        Some(_) => {
            let listed: Vec<String> = valid.iter().take(WORDS_LISTED).map(|word| format!("`{word}`")).collect();
            let more = valid.len().saturating_sub(WORDS_LISTED);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("valid: {}{rest}", listed.join(", "))
        }
    }
}

/// Everything that is wrong with one file.
#[derive(Debug)]
pub struct Problems {
    path: PathBuf,
    source: Arc<NamedSource<String>>,
    problems: Vec<Problem>,
}

impl Problems {
    /// Sorts `problems` by where they are in `text`, the contents of the file at `path`.
    pub fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        let source = Arc::new(NamedSource::new(path.display().to_string(), text.to_owned()).with_language("TOML"));
        Problems { path: path.to_owned(), source, problems }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of them, in the order of the file.
    pub fn all(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Number of problems that are no mere warnings.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| !problem.is_warning).count()
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let text = self.source.inner();
        let before = text.get(..byte.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// Reports for people; `colours` when they go to a terminal.
    pub fn report(&self, colours: bool) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(120);
        let mut out = String::new();
        for problem in &self.problems {
            let (line, column) = self.position(problem.span.start);
            let shown = Shown { problem: problem.clone(), source: Arc::clone(&self.source) };
            // One line that editors and grep understand, then the picture.
            let severity = if problem.is_warning { "warning" } else { "error" };
            out.push_str(&format!("{}:{line}:{column}: {severity}\n", self.path.display()));
            if handler.render_report(&mut out, &shown).is_err() {
                out.push_str(&problem.message);
            }
            out.push('\n');
        }
        out
    }

    /// The same for programs.
    pub fn to_json(&self) -> Json {
        let problems: Vec<Json> = self
            .problems
            .iter()
            .map(|problem| {
                let (line, column) = self.position(problem.span.start);
                let (end_line, end_column) = self.position(problem.span.end);
                json!({
                    "severity": if problem.is_warning { "warning" } else { "error" },
                    "file": self.path.display().to_string(),
                    "line": line,
                    "column": column,
                    "endLine": end_line,
                    "endColumn": end_column,
                    "message": problem.message,
                    "help": problem.help,
                })
            })
            .collect();
        Json::Array(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.errors();
        write!(f, "{}: {errors} error{} in the configuration", self.path.display(), if errors == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Problems {}

/// One problem with its source, as miette wants it.
#[derive(Debug)]
struct Shown {
    problem: Problem,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn severity(&self) -> Option<Severity> {
        Some(if self.problem.is_warning { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(Some(self.problem.label.clone()), self.problem.span.clone());
        let second = self
            .problem
            .related
            .as_ref()
            .map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(first).chain(second)))
    }
}
