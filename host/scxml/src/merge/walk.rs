//! The walk over a tree that replaces what includes by what is included.

use super::address::{Address, resolve};
use super::files::FileError;
use super::{Merger, PLACEHOLDER, my_prefix, pointer};
use crate::model::{INCLUDE_NAMESPACE, SCXML_NAMESPACE};
use crate::problem::Problem;
use crate::source::{FileId, Span, Text};
use crate::xml::{self, Element, Node};

/// Where the walk is.
pub(super) struct Place {
    /// The file whose elements are walked over.
    pub path: String,
    /// Prefix of the ids of states.
    pub prefix: Option<String>,
    /// The includes that led here: file and id.
    pub chain: Vec<(String, String)>,
}

impl Merger<'_> {
    /// Put in all that is included in `element`, which is `depth` elements deep.
    pub(super) fn walk(&mut self, element: &mut Element, place: &Place, depth: usize) {
        if !self.within_limits(element.span) {
            return;
        }
        if depth >= self.limits.file.depth {
            self.stopped = true;
            let message = format!("more than {} elements within each other, with what is included", depth);
            let problem = Problem::error("document-size", element.span, message);
            self.tell(problem.help("include less deeply"));
            return;
        }
        self.prefix_ids(element, place);
        if &*element.name.namespace == SCXML_NAMESPACE && matches!(&*element.name.local, "script" | "data") {
            self.fetch_source(element, place);
        }
        if !element.elements().any(|child| child.name.is(INCLUDE_NAMESPACE, "include")) {
            for child in &mut element.children {
                match child {
                    Node::Element(inner) => self.walk(inner, place, depth + 1),
                    Node::Text(text) => self.replace(text, place),
                }
            }
            return;
        }
        for child in std::mem::take(&mut element.children) {
            match child {
                Node::Element(include) if include.name.is(INCLUDE_NAMESPACE, "include") => {
                    let nodes = self.include(include, place, depth);
                    element.children.extend(nodes);
                }
                Node::Element(mut inner) => {
                    self.walk(&mut inner, place, depth + 1);
                    element.children.push(Node::Element(inner));
                }
                Node::Text(mut text) => {
                    self.replace(&mut text, place);
                    element.children.push(Node::Text(text));
                }
            }
        }
        join_texts(&mut element.children);
    }

    /// Placeholders in its attributes, and the id of a state.
    fn prefix_ids(&mut self, element: &mut Element, place: &Place) {
        let is_state = is_state(element);
        for attribute in &mut element.attributes {
            let written = attribute.value.as_str().contains(PLACEHOLDER);
            self.replace(&mut attribute.value, place);
            if let Some(prefix) = &place.prefix
                && is_state
                && !written
                && attribute.name.is("", "id")
            {
                self.bytes += prefix.len() + 1;
                attribute.value = attribute.value.prefixed(&format!("{prefix}."));
            }
        }
    }

    /// The placeholder becomes the prefix. In a page that is not included it and its dot are left out, so that the
    /// page can be looked at by itself.
    fn replace(&mut self, text: &mut Text, place: &Place) {
        let Some(at) = text.as_str().find(PLACEHOLDER) else { return };
        if let Some(prefix) = &place.prefix {
            self.bytes += text.as_str().matches(PLACEHOLDER).count() * prefix.len();
            if self.bytes > self.limits.bytes {
                return;
            }
            *text = text.replaced(PLACEHOLDER, prefix);
            return;
        }
        if !std::mem::replace(&mut self.placeholder_seen, true) {
            let span = text.span_of(at..at + PLACEHOLDER.len());
            let message = format!("{PLACEHOLDER} in a page that is not included");
            let problem = Problem::warning("not-included", span, message);
            self.tell(problem.help("it is read as if it had no prefix; give the page that includes this one"));
        }
        *text = text.replaced(&format!("{PLACEHOLDER}."), "").replaced(PLACEHOLDER, "");
    }

    /// `src` of `<script>` and `<data>`: what is there becomes the text of the element.
    fn fetch_source(&mut self, element: &mut Element, place: &Place) {
        let is_data = &*element.name.local == "data";
        let Some(at) = element.attributes.iter().position(|attribute| attribute.name.is("", "src")) else { return };
        let Some(attribute) = element.attributes.get(at) else { return };
        if is_data && (element.attribute("expr").is_some() || !element.children.is_empty()) {
            // A value is given besides: reading the document tells of that.
            return;
        }
        if !self.within_limits(element.span) {
            return;
        }
        match self.file(&attribute.value, attribute.span, place) {
            Ok((_, file)) => {
                element.attributes.remove(at);
                element.children = self.whole_text(file);
            }
            // Its place in the document's life to fail is when it runs.
            Err(problem) if is_data => {
                let severity = crate::problem::Severity::Warning;
                self.tell(Problem { severity, ..problem });
            }
            Err(problem) => self.tell(problem),
        }
    }

    /// What an `<xi:include>` stands for.
    fn include(&mut self, mut include: Element, place: &Place, depth: usize) -> Vec<Node> {
        if !self.within_limits(include.span) {
            return Vec::new();
        }
        for attribute in &mut include.attributes {
            self.replace(&mut attribute.value, place);
        }
        match self.included(&include, place, depth) {
            Ok(nodes) => nodes,
            Err(problem) => {
                let fallback = include.children.into_iter().find_map(|child| match child {
                    Node::Element(element) if element.name.is(INCLUDE_NAMESPACE, "fallback") => Some(element),
                    _ => None,
                });
                let Some(mut fallback) =
                    fallback.filter(|_| matches!(problem.rule, "missing-file" | "unreachable-address"))
                else {
                    self.tell(problem);
                    return Vec::new();
                };
                self.walk(&mut fallback, place, depth + 1);
                fallback.children
            }
        }
    }

    fn included(&mut self, include: &Element, place: &Place, depth: usize) -> Result<Vec<Node>, Problem> {
        let form = |message: &str, help: &str| Problem::error("include-form", include.span, message).help(help);
        let href = include.attribute("href");
        let Some(href) = href else {
            return Err(form("<xi:include> without href", "name the file that is included"));
        };
        let (path, file) = self.file(&href.value, href.span, place)?;
        match include.attribute("parse").map(|parse| parse.value.as_str()) {
            None | Some("xml") => {}
            Some("text") => return Ok(self.whole_text(file)),
            Some(other) => return Err(form(&format!("parse=\"{other}\" is not known"), "write xml or text")),
        }
        let pointer = include.attribute("xpointer");
        let id = match pointer {
            None => "",
            Some(pointer) => pointer::id_in(pointer.value.as_str()).ok_or_else(|| {
                Problem::error("include-pointer", pointer.span, format!("`{}` names no id", pointer.value))
                    .help("write the id of a state, such as xpointer=\"_composer_entry\"")
            })?,
        };
        let mut chain = place.chain.clone();
        let link = (path.clone(), id.to_owned());
        if chain.contains(&link) {
            return Err(Problem::error("include-cycle", include.span, format!("{path} includes itself"))
                .help("what is included cannot include it again; use a transition"));
        }
        chain.push(link);
        if chain.len() > self.limits.includes {
            self.stopped = true;
            let message = format!("more than {} includes within each other", self.limits.includes);
            return Err(Problem::error("document-size", include.span, message).help("include less deeply"));
        }
        let Some(tree) = self.tree(&path, file) else { return Ok(Vec::new()) };
        let found = match pointer {
            None => Some(&*tree),
            Some(_) => pointer::find(&tree, id),
        };
        let Some(found) = found else {
            let span = pointer.map_or(include.span, |pointer| pointer.span);
            return Err(Problem::error("include-pointer", span, format!("{path} has no element with the id {id}"))
                .help("name an id as it is written in that file"));
        };
        if found.name.is(SCXML_NAMESPACE, "scxml") {
            return Err(form("a whole document is included", "say which of its states with xpointer=\"...\""));
        }
        self.spend(found);
        if !self.within_limits(include.span) {
            return Ok(Vec::new());
        }
        let mut inserted = found.clone();
        let resolve_id = include.attribute("resolveid").filter(|attribute| !attribute.value.is_blank());
        let prefix = match resolve_id {
            Some(resolve_id) => Some(below(place.prefix.as_deref(), resolve_id.value.as_str().trim())),
            None => place.prefix.clone(),
        };
        let inner = Place { path, prefix, chain };
        self.walk(&mut inserted, &inner, depth + 1);
        if let (Some(prefix), Some(resolve_id)) = (&inner.prefix, resolve_id)
            && is_state(&inserted)
        {
            inserted.attributes.retain(|attribute| &*attribute.name.namespace != crate::model::MERGE_NAMESPACE);
            inserted.attributes.push(my_prefix(prefix, resolve_id.span));
        }
        Ok(vec![Node::Element(inserted)])
    }

    /// The file that `written` leads to: its path, and its place among the sources.
    fn file(&mut self, written: &Text, span: Span, place: &Place) -> Result<(String, FileId), Problem> {
        let outside = |message: String| {
            Problem::error("outside-project", span, message)
                .help("copy the file into the folder of the project, or name a folder above both as the project")
        };
        let path = match resolve(&place.path, written.as_str()) {
            Address::Inside(path) => path,
            Address::Outside => return Err(outside(format!("`{written}` leads out of the project's folder"))),
            Address::Scheme(scheme) => {
                return Err(Problem::error(
                    "unreachable-address",
                    span,
                    format!("`{written}`: {scheme} is not fetched"),
                )
                .help("put the file into the project, and write its path"));
            }
            Address::Nowhere => {
                return Err(Problem::error("missing-file", span, format!("`{written}` is no file")).help("name a file"));
            }
        };
        if let Some(file) = self.texts.get(&path) {
            return Ok((path, *file));
        }
        match self.files.read(&path) {
            Ok(text) => {
                let file = self.sources.add(path.clone(), text);
                self.texts.insert(path.clone(), file);
                Ok((path, file))
            }
            Err(FileError::Outside) => Err(outside(format!("{path} leads out of the project's folder"))),
            Err(error) => Err(Problem::error("missing-file", span, format!("{path}: {error}"))
                .help("addresses count from the file they are written in")),
        }
    }

    /// All of a file as text, without the mark of its encoding, and with line feeds alone; nothing of an empty one.
    fn whole_text(&mut self, file: FileId) -> Vec<Node> {
        let Some(source) = self.sources.file(file) else { return Vec::new() };
        let content = std::sync::Arc::clone(&source.text);
        self.bytes += content.len();
        if self.bytes > self.limits.bytes {
            return Vec::new();
        }
        if let Err(problem) = xml::check_characters(&content, file) {
            self.tell(*problem);
            return Vec::new();
        }
        let end = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut text = Text::empty(Span { file, start: 0, end });
        let mut at = if content.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        for line in content.get(at..).unwrap_or("").split_inclusive('\n') {
            match line.strip_suffix("\r\n") {
                Some(bare) => {
                    text.push(bare, file, at);
                    text.push("\n", file, at + bare.len() + 1);
                }
                None => text.push(line, file, at),
            }
            at += line.len();
        }
        if text.as_str().is_empty() { Vec::new() } else { vec![Node::Text(text)] }
    }
}

fn is_state(element: &Element) -> bool {
    &*element.name.namespace == SCXML_NAMESPACE
        && matches!(&*element.name.local, "state" | "parallel" | "final" | "history")
}

/// The prefix `inner` within `outer`; one that is written with the outer one before it is not put there twice.
fn below(outer: Option<&str>, inner: &str) -> String {
    match outer {
        Some(outer) if inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.')) => inner.to_owned(),
        Some(outer) => format!("{outer}.{inner}"),
        None => inner.to_owned(),
    }
}

/// Texts that follow each other become one.
fn join_texts(nodes: &mut Vec<Node>) {
    let mut joined: Vec<Node> = Vec::with_capacity(nodes.len());
    for node in nodes.drain(..) {
        match (joined.last_mut(), node) {
            (Some(Node::Text(before)), Node::Text(text)) => before.join(&text),
            (_, node) => joined.push(node),
        }
    }
    *nodes = joined;
}
