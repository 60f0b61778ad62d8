//! Attributes of one element: each is asked for, and what nobody asked for is told of.

use super::super::action::Value;
use super::super::names::MERGE_NAMESPACE;
use super::{Problem, Profile, Reader};
use crate::source::Text;
use crate::xml::{Attribute, Element};

/// Attributes that were asked for.
pub(super) struct Attributes<'e> {
    element: &'e Element,
    known: Vec<&'static str>,
}

impl<'e> Attributes<'e> {
    pub(super) fn of(element: &'e Element) -> Attributes<'e> {
        Attributes { element, known: Vec::new() }
    }

    /// The attribute of this name.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'e Attribute> {
        self.known.push(name);
        self.element.attribute(name)
    }

    /// Its value.
    pub(super) fn text(&mut self, name: &'static str) -> Option<Text> {
        self.take(name).map(|attribute| attribute.value.clone())
    }

    /// Its value in words.
    pub(super) fn words(&mut self, name: &'static str) -> Vec<Text> {
        self.take(name).map(|attribute| attribute.value.words()).unwrap_or_default()
    }

    /// Of attributes that say the same thing the first that is there.
    pub(super) fn one_of(&mut self, names: &[&'static str], reader: &mut Reader) -> Option<&'e Attribute> {
        let mut first: Option<&Attribute> = None;
        for name in names {
            let Some(attribute) = self.take(name) else { continue };
            if let Some(first) = first {
                let message = format!("{name} beside {}", first.name.local);
                let problem = Problem::warning("conflicting-attributes", attribute.span, message)
                    .help(format!("only {} counts; remove one", first.name.local))
                    .related(first.span, "this one counts");
                reader.problems.push(problem);
            } else {
                first = Some(attribute);
            }
        }
        first
    }

    /// An expression; ORS also writes it with a leading `_`.
    pub(super) fn expression(&mut self, reader: &mut Reader) -> Option<Text> {
        let names: &[&str] = if reader.is_ors() { &["expr", "_expr"] } else { &["expr"] };
        self.one_of(names, reader).map(|attribute| attribute.value.clone())
    }

    /// What `plain` attributes say (in ORS an expression, too), or what the expression in one of `expressions` yields.
    pub(super) fn value(
        &mut self,
        plain: &[&'static str],
        expressions: &[&'static str],
        reader: &mut Reader,
    ) -> Option<Value> {
        let names = [plain, expressions].concat();
        let attribute = self.one_of(&names, reader)?;
        let literal = reader.profile == Profile::W3c && plain.contains(&&*attribute.name.local);
        let text = attribute.value.clone();
        Some(if literal { Value::Literal(text) } else { Value::Expression(text) })
    }

    /// All others: those that extend SCXML, which are kept. Others are told of.
    pub(super) fn rest(self, reader: &mut Reader) -> Vec<Attribute> {
        let mut extensions = Vec::new();
        for attribute in &self.element.attributes {
            if &*attribute.name.namespace == MERGE_NAMESPACE {
                continue;
            }
            let local = &*attribute.name.local;
            if !attribute.name.namespace.is_empty() {
                extensions.push(attribute.clone());
            } else if self.known.contains(&local) {
            } else if local.starts_with('_') {
                extensions.push(attribute.clone());
                let message = format!("{local}=\"{}\" has no effect", attribute.value);
                reader.problems.push(Problem::note("extension-attribute", attribute.span, message));
            } else {
                let message = format!("<{}> has no attribute {local}", self.element.written_name());
                let problem = Problem::warning("unknown-attribute", attribute.span, message);
                let help = match known_near(local, &self.known) {
                    Some(near) => format!("write {near}, or remove it"),
                    None => "it is left out; remove it".to_owned(),
                };
                reader.problems.push(problem.help(help));
            }
        }
        extensions
    }
}

/// A known name that differs in upper and lower case, or in one character.
fn known_near(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().copied().find(|known| {
        let lower = name.to_ascii_lowercase();
        lower == *known || lower.trim_end_matches('s') == known.trim_end_matches('s')
    })
}
