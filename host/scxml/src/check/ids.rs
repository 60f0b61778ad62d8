//! Ids.

use std::collections::HashMap;

use super::Check;
use crate::ecmascript;
use crate::problem::Problem;
use crate::source::Span;

impl Check<'_> {
    pub(super) fn ids(&mut self) {
        let document = self.document;
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for id in document.states.iter().filter_map(|state| state.id.as_ref()) {
            if let Some(first) = seen.get(id.as_str()) {
                let problem = Problem::error("duplicate-id", id.span(), format!("a second state is called {id}"));
                self.tell(problem.help("give one of them another id").related(*first, "the first is here"));
                continue;
            }
            seen.insert(id.as_str(), id.span());
            if id.as_str().is_empty() || id.as_str().contains(char::is_whitespace) {
                let problem = Problem::error("malformed-id", id.span(), format!("`{id}` cannot be named as a target"));
                self.tell(problem.help("write an id without spaces"));
            } else if !is_id(id.as_str()) {
                let problem = Problem::warning("malformed-id", id.span(), format!("`{id}` is no XML name"));
                self.tell(problem.help("begin with a letter or _, and go on with these, digits, `-` and `.`"));
            }
        }
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for data in document.states.iter().flat_map(|state| &state.data) {
            let id = &data.id;
            if let Some(first) = seen.insert(id.as_str(), id.span()) {
                let problem = Problem::warning("duplicate-id", id.span(), format!("{id} is declared twice"));
                let help = "data are variables of the whole session; give one of them another id";
                self.tell(problem.help(help).related(first, "it is declared here, too"));
            }
            if !ecmascript::is_name(id.as_str()) {
                let message = format!("`{id}` is no name of a variable");
                let problem = if self.is_ors() {
                    Problem::error("malformed-id", id.span(), message)
                } else {
                    Problem::warning("malformed-id", id.span(), message)
                };
                self.tell(problem.help("write letters, digits, _ and $ alone, and no digit first"));
            }
        }
    }
}

fn is_id(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || "-._:".contains(character))
}
