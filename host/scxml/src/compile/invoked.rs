//! Documents that a document invokes: those it names as they are, and those named in a text of one of its expressions,
//! which a `srcexpr` may come to mean.

use jackfield_scxml_program as program;

use super::{Builder, Compiler, MOST_DOCUMENTS};
use crate::ecmascript::strings;
use crate::merge::{Address, MergeLimits, merge, resolve};
use crate::model::read;
use crate::problem::{Problem, any_error};
use crate::source::{Span, Text};

impl Compiler<'_> {
    /// A place for one more document; none when there are too many.
    pub(super) fn new_document(&mut self, addresses: &[String]) -> Option<usize> {
        if self.documents.len() >= MOST_DOCUMENTS {
            return None;
        }
        self.documents.push(program::Document { addresses: addresses.to_vec(), ..program::Document::default() });
        Some(self.documents.len() - 1)
    }

    /// What could not be compiled has no address, and tables that end at once.
    fn give_up(&mut self, number: usize) {
        if let Some(document) = self.documents.get_mut(number) {
            let root = program::State {
                kind: program::Kind::Compound,
                last: 1,
                children: vec![1],
                initial: Some(0),
                ..program::State::default()
            };
            let end = program::State { kind: program::Kind::Final, last: 1, ..program::State::default() };
            let begin = program::Transition { targets: vec![1], ..program::Transition::default() };
            let tables =
                program::Program { states: vec![root, end], transitions: vec![begin], ..program::Program::default() };
            *document = program::Document { addresses: Vec::new(), program: tables };
        }
    }

    fn address(&mut self, number: usize, address: &str) {
        if let Some(document) = self.documents.get_mut(number)
            && !document.addresses.iter().any(|known| known == address)
        {
            document.addresses.push(address.to_owned());
        }
    }
}

impl Builder<'_, '_, '_> {
    /// The documents whose addresses are texts within an expression.
    pub(super) fn named_documents(&mut self, expression: &Text) {
        let text = expression.as_str();
        if !text.contains(".scxml") {
            return;
        }
        for part in strings(text).into_iter().filter(|part| part.ends_with(".scxml")) {
            // A text that only looks like an address is none, and no problem.
            let _is_there = self.load(part);
        }
    }

    /// The document at an address that is written as it is.
    pub(super) fn named_document(&mut self, address: &str, span: Span) {
        if let Err(message) = self.load(address) {
            let problem = Problem::warning("invoked-document", span, format!("{address}: {message}"));
            self.problems.push(problem.help("invoking it will fail; name a document of the project"));
        }
    }

    fn load(&mut self, address: &str) -> Result<(), String> {
        let Address::Inside(path) = resolve(self.path, address) else {
            return Err("it leads to no file of the project".to_owned());
        };
        if let Some(number) = self.compiler.by_path.get(&path).copied() {
            self.compiler.address(number, address);
            return Ok(());
        }
        let merged = merge(self.compiler.files, &path, &MergeLimits::default());
        let first = |problems: &[Problem]| {
            let error = problems.iter().find(|problem| any_error(std::slice::from_ref(problem)));
            error.map(|problem| problem.message.clone()).unwrap_or_default()
        };
        let root = merged.root.filter(|_| !any_error(&merged.problems)).ok_or_else(|| first(&merged.problems))?;
        let reading = read(&root, Some(self.document.profile));
        let document = reading.document.filter(|_| !any_error(&reading.problems));
        let document = document.ok_or_else(|| first(&reading.problems))?;
        let number = self.compiler.new_document(&[address.to_owned()]);
        let number = number.ok_or_else(|| format!("there are more than {MOST_DOCUMENTS} documents"))?;
        self.compiler.by_path.insert(path.clone(), number);
        let mut problems = Vec::new();
        self.compiler.document(number, &document, &merged.sources, &path, &mut problems);
        if any_error(&problems) {
            self.compiler.give_up(number);
            return Err(first(&problems));
        }
        Ok(())
    }
}
