//! Reports for people: one line that editors and grep understand, then a picture of what is written there.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity as Shade, SourceCode,
    SourceSpan,
};

use crate::problem::{Problem, Severity};
use crate::source::{FileId, Sources, Span};

/// The problems as a report; `colours` when it goes to a terminal. Names of files have `base` before them.
pub fn for_people(problems: &[Problem], sources: &Sources, base: &str, colours: bool) -> String {
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(120);
    let files: Vec<_> = sources
        .files()
        .iter()
        .map(|file| NamedSource::new(format!("{base}{}", file.name), std::sync::Arc::clone(&file.text)))
        .collect();
    let mut out = String::new();
    for problem in problems {
        out.push_str(&format!(
            "{base}{}: {}[{}]\n",
            sources.place(problem.span),
            problem.severity.as_str(),
            problem.rule
        ));
        let shown = Shown { problem, file: problem.span.file, source: files.get(problem.span.file.0 as usize) };
        if handler.render_report(&mut out, &shown).is_err() {
            out.push_str(&problem.message);
            out.push('\n');
        }
        for (span, what) in problem.related.iter().filter(|(span, _)| span.file != problem.span.file) {
            out.push_str(&format!("  {base}{}: {what}\n", sources.place(*span)));
        }
        out.push('\n');
    }
    out
}

/// One problem as miette wants it.
#[derive(Debug)]
struct Shown<'p> {
    problem: &'p Problem,
    file: FileId,
    source: Option<&'p NamedSource<std::sync::Arc<str>>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

fn range(span: Span) -> SourceSpan {
    (span.start as usize..span.end.max(span.start) as usize).into()
}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Shade> {
        Some(match self.problem.severity {
            Severity::Note => Shade::Advice,
            Severity::Warning => Shade::Warning,
            Severity::Error => Shade::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(None, range(self.problem.span));
        let here = self.problem.related.iter().filter(|(span, _)| span.file == self.file);
        let others = here.map(|(span, what)| LabeledSpan::new_with_span(Some(what.clone()), range(*span)));
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}
