//! Expressions and scripts.

use std::collections::HashSet;

use oxc_allocator::Allocator;

use super::Check;
use super::sites::{Site, sites};
use crate::ecmascript::{self, SyntaxError};
use crate::model::{Action, ActionKind, DataModel, Profile, Value};
use crate::problem::Problem;
use crate::source::Text;

impl Check<'_> {
    pub(super) fn expressions(&mut self) {
        let document = self.document;
        match document.data_model {
            DataModel::Ecmascript => {}
            DataModel::Null => {
                for cond in document.transitions.iter().filter_map(|transition| transition.cond.as_ref()) {
                    self.states_named(cond);
                    self.null_condition(cond);
                }
                return;
            }
            DataModel::Other(_) => return,
        }
        let events: HashSet<&str> =
            document.transitions.iter().flat_map(|transition| &transition.events).map(Text::as_str).collect();
        let mut allocator = Allocator::default();
        for site in sites(document) {
            allocator.reset();
            match site {
                Site::Action(action) => self.texts_and_names(action, &events),
                Site::Expression(text) => {
                    self.states_named(text);
                    // A `;` at the end is common, and does no harm.
                    let bare = text.as_str().trim_end().trim_end_matches(';');
                    if let Err(error) = ecmascript::parse_expression(&allocator, bare) {
                        self.no_expression(text, &error);
                    }
                }
                Site::Program(text) => {
                    self.states_named(text);
                    if let Err(error) = ecmascript::parse_program(&allocator, text.as_str()) {
                        let help = "mend it; what only old engines know, such as `for each`, has to be written anew";
                        self.no_syntax(text, &error, help);
                    }
                }
                Site::Location(text) => {
                    if let Err(error) = ecmascript::parse_location(&allocator, text.as_str()) {
                        let severity = self.unreadable();
                        let message = format!("`{}`: {error}", shortened(text.as_str()));
                        let problem = Problem::error("location", text.span_of(error.range), message);
                        self.tell(
                            Problem { severity, ..problem }.help("write a variable, or a member such as a.b['c']"),
                        );
                    }
                }
            }
        }
    }

    /// ORS reads an expression as a program when it is none; with the W3C it is an error when it is reached.
    fn no_expression(&mut self, text: &Text, error: &SyntaxError) {
        if self.is_ors() {
            let program = Allocator::default();
            if ecmascript::parse_program(&program, text.as_str()).is_ok() {
                return;
            }
        }
        self.no_syntax(text, error, "mend the expression");
    }

    fn no_syntax(&mut self, text: &Text, error: &SyntaxError, help: &str) {
        let severity = self.unreadable();
        let range = if error.range.is_empty() { 0..text.as_str().len() } else { error.range.clone() };
        let message = match shortened(text.as_str()) {
            empty if empty.is_empty() => "an empty expression".to_owned(),
            written => format!("`{written}`: {error}"),
        };
        let problem = Problem::error("syntax", text.span_of(range), message);
        let help = if self.document.profile == Profile::W3c {
            format!("{help}; as it is, it raises error.execution when it is reached")
        } else {
            help.to_owned()
        };
        self.tell(Problem { severity, ..problem }.help(help));
    }

    /// With the null data model a condition asks for a state, and nothing else.
    fn null_condition(&mut self, text: &Text) {
        let bare = text.as_str().trim();
        let inner = bare.strip_prefix("In(").and_then(|rest| rest.strip_suffix(')')).map(str::trim);
        if inner.is_none_or(|inner| ecmascript::strings(inner).len() != 1) {
            let message = format!("`{}` with the null data model", shortened(bare));
            let problem = Problem::warning("syntax", text.span(), message);
            self.tell(problem.help("write In('state'), or datamodel=\"ecmascript\""));
        }
    }

    /// States that are asked for with `In('...')`.
    fn states_named(&mut self, text: &Text) {
        let written = text.as_str();
        for (at, found) in written.match_indices("In(") {
            let part_of_name = written.get(..at).and_then(|before| before.chars().next_back());
            if part_of_name.is_some_and(|before| before.is_alphanumeric() || "_$.".contains(before)) {
                continue;
            }
            let start = at + found.len();
            let Some(rest) = written.get(start..) else { continue };
            let Some(quote) = rest.chars().next().filter(|quote| "'\"".contains(*quote)) else { continue };
            let Some(end) = rest.get(1..).and_then(|rest| rest.find(quote)) else { continue };
            let Some(id) = rest.get(1..1 + end) else { continue };
            let alone = rest.get(end + 2..).is_some_and(|after| after.trim_start().starts_with(')'));
            if alone && self.document.find(id).is_none() {
                let span = text.span_of(start + 1..start + 1 + end);
                let problem = Problem::warning("unknown-state", span, format!("there is no state {id}"));
                self.tell(problem.help("write the id of a state of this document; In() is false for others"));
            }
        }
    }

    /// Texts without quotes where there is an expression, and names with quotes where there is none.
    fn texts_and_names(&mut self, action: &Action, events: &HashSet<&str>) {
        match &action.kind {
            ActionKind::Raise(raise) => self.no_quotes(&raise.event, "the event of <raise>"),
            ActionKind::Send(send) => {
                if let Some(Value::Expression(text)) = &send.event
                    && self.is_ors()
                    && events.contains(text.as_str().trim())
                {
                    let message = format!("the event of <send> is an expression, and {text} is the name of an event");
                    let problem = Problem::warning("quotes", text.span(), message);
                    self.tell(problem.help(format!("write '{}'", text.as_str().trim())));
                }
                if let Some(Value::Literal(text)) = &send.event {
                    self.no_quotes(text, "the event of <send>");
                }
                match &send.delay {
                    Some(Value::Literal(text)) => self.delay(text, text.as_str().trim()),
                    Some(Value::Expression(text)) => {
                        let written = text.as_str().trim();
                        if is_delay(written) && written.ends_with(char::is_alphabetic) {
                            let message = format!("the delay of <send> is an expression, and {written} has no quotes");
                            let problem = Problem::warning("quotes", text.span(), message);
                            self.tell(problem.help(format!("write '{written}'")));
                        }
                        let quoted = written.strip_prefix(['\'', '"']).and_then(|rest| rest.strip_suffix(['\'', '"']));
                        if let Some(inner) = quoted.filter(|inner| !inner.contains(['\'', '"'])) {
                            self.delay(text, inner);
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn no_quotes(&mut self, text: &Text, what: &str) {
        let written = text.as_str().trim();
        if written.starts_with(['\'', '"']) {
            let bare = written.trim_matches(['\'', '"']);
            let problem =
                Problem::warning("quotes", text.span(), format!("{what} is a name, and {written} has quotes"));
            self.tell(problem.help(format!("write {bare}")));
        }
    }

    fn delay(&mut self, text: &Text, written: &str) {
        if !is_delay(written) {
            let problem = Problem::warning("delay", text.span(), format!("`{written}` is no delay"));
            self.tell(problem.help("write a number and a unit: 200ms, 10s"));
        }
    }
}

/// A number, and a unit of CSS; ORS takes a number alone, too.
fn is_delay(text: &str) -> bool {
    let number = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text.get(number.len()..).unwrap_or("");
    matches!(unit, "" | "ms" | "s" | "m" | "h" | "d") && number.trim().parse::<f64>().is_ok_and(|number| number >= 0.0)
}

/// At most a line that fits into a report.
fn shortened(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or("");
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or("")),
        None => line.to_owned(),
    }
}
