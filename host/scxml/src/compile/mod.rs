//! From the typed model to the tables that the runtime reads ([`jackfield_scxml_program`]).
//!
//! Expressions of the common part of ECMAScript are compiled; the rest stays text for the engine. A document whose
//! expressions are no ECMAScript at all compiles too: they fail when they are evaluated, as the Recommendation asks.
//! Documents that one invokes are compiled with it, as far as they are named in it.

mod content;
mod expressions;
mod invoked;
mod scripts;
mod states;
mod xml;

use std::collections::{HashMap, HashSet};

use jackfield_scxml_program as program;
use jackfield_scxml_program::expression::{Expression, Form};
use jackfield_scxml_program::{Bundle, Index, Place};

use crate::merge::Files;
use crate::model;
use crate::problem::{Problem, any_error};
use crate::source::{Sources, Span, Text};

/// The rules of this part. Those of checking that a document must keep to be compiled are told here too.
pub const RULES: &[(&str, &str)] = &[
    ("too-deep", "states, content and expressions nest no deeper than the runtime allows"),
    ("invoked-document", "documents that are invoked can be read and compiled"),
];

/// What compiling yields.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// None when there are errors among the problems.
    pub bundle: Option<Bundle>,
    /// In the order they were found. Their places are in the sources that were given, also where a document that is
    /// invoked is wrong: then it is the place of its address.
    pub problems: Vec<Problem>,
}

/// The tables of `document`, which was read at `path` of `files`, and of what it invokes.
pub fn compile(document: &model::Document, sources: &Sources, files: &dyn Files, path: &str) -> Compiled {
    let mut compiler = Compiler { files, documents: vec![program::Document::default()], by_path: HashMap::new() };
    compiler.by_path.insert(path.to_owned(), 0);
    let mut problems = Vec::new();
    compiler.document(0, document, sources, path, &mut problems);
    let bundle = Bundle { documents: compiler.documents };
    if !any_error(&problems)
        && let Err(error) = bundle.check()
    {
        problems.push(Problem::error("too-deep", document.span, format!("the document cannot be run: {error}")));
    }
    Compiled { bundle: (!any_error(&problems)).then_some(bundle), problems }
}

/// How many documents one may bring with it.
const MOST_DOCUMENTS: usize = 100;

struct Compiler<'a> {
    files: &'a dyn Files,
    documents: Vec<program::Document>,
    /// Those that were read from files, or are about to be.
    by_path: HashMap<String, usize>,
}

impl Compiler<'_> {
    fn document(
        &mut self,
        number: usize,
        document: &model::Document,
        sources: &Sources,
        path: &str,
        problems: &mut Vec<Problem>,
    ) {
        let mut builder = Builder {
            document,
            sources,
            path,
            compiler: self,
            program: program::Program::default(),
            problems: Vec::new(),
            texts: HashMap::new(),
            lexical: scripts::lexical_names(document),
            declares: HashSet::new(),
            state: program::ROOT,
        };
        builder.build();
        let Builder { program, problems: found, .. } = builder;
        problems.extend(found);
        if let Some(slot) = self.documents.get_mut(number) {
            slot.program = program;
        }
    }
}

/// One document while its tables are built.
struct Builder<'a, 'c, 'f> {
    document: &'a model::Document,
    sources: &'a Sources,
    path: &'a str,
    compiler: &'c mut Compiler<'f>,
    program: program::Program,
    problems: Vec<Problem>,
    texts: HashMap<String, Index>,
    /// Names that scripts declare by `let`, `const` and `class` in the global scope: no property of anything.
    lexical: HashSet<String>,
    /// States whose scripts declare something (profile `ors`).
    declares: HashSet<Index>,
    /// The state whose content is compiled.
    state: Index,
}

fn index(length: usize) -> Index {
    Index::try_from(length).unwrap_or(Index::MAX)
}

impl Builder<'_, '_, '_> {
    fn is_ors(&self) -> bool {
        self.document.profile == model::Profile::Ors
    }

    fn place(&self, span: Span) -> Place {
        let position = self.sources.position(span);
        Place { file: span.file.0, line: position.line, column: position.column }
    }

    /// The number of a text.
    fn text(&mut self, text: &str) -> Index {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let number = index(self.program.texts.len());
        self.program.texts.push(text.to_owned());
        self.texts.insert(text.to_owned(), number);
        number
    }

    /// The number of an expression.
    fn expression(&mut self, text: &Text) -> Index {
        let at = self.place(text.span());
        let (form, code) = expressions::compile(self, text.as_str());
        self.named_documents(text);
        self.program.expressions.push(Expression { text: text.as_str().to_owned(), at, form, state: self.state, code });
        index(self.program.expressions.len() - 1)
    }

    fn is_expression(&mut self, text: &Text) -> bool {
        matches!(expressions::compile(self, text.as_str()).0, Form::Expression)
    }
}
