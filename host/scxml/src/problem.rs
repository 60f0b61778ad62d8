//! What is wrong with a document: the rule, how bad it is, where, and what to do.

use crate::source::{Sources, Span};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing: the document runs as it says.
    Note,
    /// Likely a mistake; the document still loads, and may fail where the problem is.
    Warning,
    /// The document cannot be loaded.
    Error,
}

impl Severity {
    /// In lower case, as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the rule, in kebab-case; [`crate::rules`] lists them.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub span: Span,
    /// What is wrong: lower case, names the thing.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Other places that have to do with it, and what is there.
    pub related: Vec<(Span, String)>,
}

impl Problem {
    fn new(severity: Severity, rule: &'static str, span: Span, message: impl Into<String>) -> Problem {
        Problem { rule, severity, span, message: one_line(message.into()), help: None, related: Vec::new() }
    }

    /// Something for which the document cannot be loaded.
    pub fn error(rule: &'static str, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(Severity::Error, rule, span, message)
    }

    /// Something that is likely a mistake.
    pub fn warning(rule: &'static str, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(Severity::Warning, rule, span, message)
    }

    /// Something worth knowing.
    pub fn note(rule: &'static str, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(Severity::Note, rule, span, message)
    }

    /// The same, with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(one_line(help.into()));
        self
    }

    /// The same, with another place that has to do with it.
    #[must_use]
    pub fn related(mut self, span: Span, what: impl Into<String>) -> Problem {
        self.related.push((span, one_line(what.into())));
        self
    }

    /// `file:line:column: severity[rule]: message; help`, in one line.
    pub fn line(&self, sources: &Sources) -> String {
        let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}: {}[{}]: {}{help}", sources.place(self.span), self.severity.as_str(), self.rule, self.message)
    }
}

/// Characters of a message.
const MESSAGE: usize = 300;

/// Messages hold what is written in a document, which may be anything.
fn one_line(mut text: String) -> String {
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, " ");
    }
    if let Some((end, _)) = text.char_indices().nth(MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// True when one of them is an error.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}
