//! Documents made of pieces: what they include is fetched and put in, so that the rest of this crate sees one
//! self-contained document (reference page *SCXML*, *Documents made of pieces*).
//!
//! * `<xi:include href parse="xml" xpointer resolveid>` becomes the element of the other file with that id. With a
//!   `resolveid`, ids of states in it get that prefix and a dot, `$$_MY_PREFIX_$$` becomes the prefix wherever it is
//!   written, and the element remembers it (attribute `my-prefix` of [`MERGE_NAMESPACE`]) for the variable
//!   `_my_prefix`. Includes within it have prefixes below its own: `A.B`.
//! * `<xi:include parse="text">` becomes the text of the other file, as it is. `<script src>` and `<data src>` likewise.
//! * Addresses count from the file they are written in, and stay within the project.
//!
//! Every part still points at the file it was written in. How much all of it may be is bounded, also where files
//! include each other many times.

mod address;
mod files;
mod pointer;
mod walk;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub use address::{Address, resolve};
pub use files::{FileError, Files, Folder};

use crate::model::MERGE_NAMESPACE;
use crate::problem::Problem;
use crate::source::{FileId, Sources, Span};
use crate::xml::{self, Element, Limits};

/// Stands for the prefix in an included file.
pub const PLACEHOLDER: &str = "$$_MY_PREFIX_$$";

/// The rules of this part.
pub const RULES: &[(&str, &str)] = &[
    ("missing-file", "each file that is included is there and can be read"),
    ("outside-project", "files that are included are in the folder of the project"),
    ("unreachable-address", "files that are included are files, and not on a server"),
    ("include-cycle", "no file includes itself, also not by way of others"),
    ("include-pointer", "an xpointer names the id of an element that is there"),
    ("include-form", "an <xi:include> says what it includes, and how"),
    ("document-size", "a document with all it includes is within the limits"),
    ("not-included", "a page that uses $$_MY_PREFIX_$$ is included with a resolveid"),
];

/// What a merged document may have at most.
#[derive(Clone, Copy, Debug)]
pub struct MergeLimits {
    /// Of each file.
    pub file: Limits,
    /// Elements in all.
    pub elements: usize,
    /// Bytes of text and attributes in all.
    pub bytes: usize,
    /// Includes within each other.
    pub includes: usize,
    /// Files.
    pub files: usize,
}

impl Default for MergeLimits {
    fn default() -> Self {
        MergeLimits { file: Limits::default(), elements: 500_000, bytes: 64 << 20, includes: 16, files: 1_000 }
    }
}

/// A document with all it includes.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// None when the first file is not there or not well-formed. When there are errors among the problems it is not
    /// whole.
    pub root: Option<Element>,
    /// All files that were read; the first is the document's.
    pub sources: Sources,
    /// In the order they were found.
    pub problems: Vec<Problem>,
}

/// The document at `path` of `files`, with all it includes.
pub fn merge(files: &dyn Files, path: &str, limits: &MergeLimits) -> Merged {
    let mut merger = Merger {
        files,
        limits,
        sources: Sources::default(),
        problems: Vec::new(),
        told: HashSet::new(),
        texts: HashMap::new(),
        trees: HashMap::new(),
        elements: 0,
        bytes: 0,
        stopped: false,
        placeholder_seen: false,
    };
    // Also a file that cannot be read has a name to be called by.
    let root = match merger.files.read(path) {
        Ok(text) => {
            let file = merger.sources.add(path, text);
            merger.texts.insert(path.to_owned(), file);
            merger.tree(path, file)
        }
        Err(error) => {
            let file = merger.sources.add(path, "");
            let problem = Problem::error("missing-file", Span { file, start: 0, end: 0 }, format!("{path}: {error}"));
            merger.problems.push(problem.help("name a document that is there"));
            None
        }
    };
    let root = root.map(|root| {
        let mut root = (*root).clone();
        let place = walk::Place { path: path.to_owned(), prefix: None, chain: Vec::new() };
        merger.spend(&root);
        merger.walk(&mut root, &place, 0);
        merger.within_limits(root.span);
        root
    });
    Merged { root, sources: merger.sources, problems: merger.problems }
}

struct Merger<'a> {
    files: &'a dyn Files,
    limits: &'a MergeLimits,
    sources: Sources,
    problems: Vec<Problem>,
    told: HashSet<(&'static str, Span)>,
    /// Files that were read.
    texts: HashMap<String, FileId>,
    /// Files that were read as XML; none for those that are not well-formed.
    trees: HashMap<String, Option<Rc<Element>>>,
    elements: usize,
    bytes: usize,
    /// A limit was reached, and told of.
    stopped: bool,
    placeholder_seen: bool,
}

impl Merger<'_> {
    /// The file at `path` as XML; what is wrong with it is told once.
    fn tree(&mut self, path: &str, file: FileId) -> Option<Rc<Element>> {
        if let Some(known) = self.trees.get(path) {
            return known.clone();
        }
        let tree = match xml::read(&self.sources, file, self.limits.file) {
            Ok(tree) => Some(Rc::new(tree)),
            Err(problem) => {
                self.tell(*problem);
                None
            }
        };
        self.trees.insert(path.to_owned(), tree.clone());
        tree
    }

    /// A page that is included twice has its problems once.
    fn tell(&mut self, problem: Problem) {
        if self.told.insert((problem.rule, problem.span)) {
            self.problems.push(problem);
        }
    }

    /// Count what is put into the document.
    fn spend(&mut self, element: &Element) {
        self.elements += 1;
        for attribute in &element.attributes {
            self.bytes += attribute.value.as_str().len();
        }
        for child in &element.children {
            match child {
                xml::Node::Element(inner) => self.spend(inner),
                xml::Node::Text(text) => self.bytes += text.as_str().len(),
            }
        }
    }

    /// False, and a problem at `span` the first time, once the document is beyond a limit.
    fn within_limits(&mut self, span: Span) -> bool {
        if self.stopped {
            return false;
        }
        let message = if self.elements > self.limits.elements {
            format!("the document has more than {} elements with what it includes", self.limits.elements)
        } else if self.bytes > self.limits.bytes {
            format!("the document has more than {} bytes of text with what it includes", self.limits.bytes)
        } else if self.sources.files().len() > self.limits.files {
            format!("the document is made of more than {} files", self.limits.files)
        } else {
            return true;
        };
        self.stopped = true;
        self.problems
            .push(Problem::error("document-size", span, message).help("include less, or divide the application"));
        false
    }
}

/// The attribute that tells of the prefix of an included element.
fn my_prefix(prefix: &str, span: Span) -> xml::Attribute {
    xml::Attribute {
        name: xml::Name { namespace: MERGE_NAMESPACE.into(), local: "my-prefix".into() },
        prefix: "merge".into(),
        value: crate::source::Text::made(prefix, span),
        span,
    }
}
