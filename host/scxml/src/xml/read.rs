//! Text in, tree out; what is not well-formed is refused with its place.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};
use quick_xml::reader::NsReader;

use super::decode::{Place, decode, is_character};
use super::{Attribute, Element, Name, Node};
use crate::problem::Problem;
use crate::source::{FileId, Sources, Span};

/// What a document may have at most. The defaults are far above what tools generate, and small enough that nothing
/// that reads a tree has to fear for its stack.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file.
    pub bytes: usize,
    /// Elements within each other.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Elements of one file.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 16 << 20, depth: 100, attributes: 200, elements: 200_000 }
    }
}

/// The rules of this part.
pub const RULES: &[(&str, &str)] =
    &[("not-well-formed", "the file is XML 1.0 in UTF-8, with its namespaces declared, and within the limits")];

/// The one element that `file` holds.
///
/// # Errors
/// The file is no well-formed XML, is not in UTF-8, or is beyond a limit.
pub fn read(sources: &Sources, file: FileId, limits: Limits) -> Result<Element, Box<Problem>> {
    let text = sources.file(file).map_or_else(|| Arc::from(""), |file| Arc::clone(&file.text));
    let start = Span { file, start: 0, end: 0 };
    if text.len() > limits.bytes {
        return Err(fail(start, format!("the file has more than {} bytes", limits.bytes), "divide it into several"));
    }
    check_characters(&text, file)?;
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = text.get(mark..).unwrap_or("");
    Reading { text: body, base: mark, file, limits, open: Vec::new(), root: None, elements: 0, names: HashSet::new() }
        .run()
}

/// See that `text`, all of `file`, has no characters but those that XML allows.
///
/// # Errors
/// It has.
pub fn check_characters(text: &str, file: FileId) -> Result<(), Box<Problem>> {
    let Some((at, character)) = text.char_indices().find(|(_, character)| !is_character(*character)) else {
        return Ok(());
    };
    let message = format!("the character U+{:04X}, which XML does not allow", u32::from(character));
    Err(fail(span(file, at, at + character.len_utf8()), message, "remove it"))
}

pub(super) fn fail(span: Span, message: impl Into<String>, help: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::error("not-well-formed", span, message).help(help))
}

fn span(file: FileId, start: usize, end: usize) -> Span {
    let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file, start: narrow(start), end: narrow(end) }
}

struct Reading<'a> {
    text: &'a str,
    /// Bytes of the file before `text`.
    base: usize,
    file: FileId,
    limits: Limits,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    names: HashSet<Arc<str>>,
}

impl<'a> Reading<'a> {
    fn run(mut self) -> Result<Element, Box<Problem>> {
        let text = self.text;
        let mut reader = NsReader::from_str(text);
        let mut at = 0;
        loop {
            let event = reader.read_event();
            let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
            let event = event.map_err(|error| {
                let from = usize::try_from(reader.error_position()).unwrap_or(at).min(text.len());
                fail(self.span(from, end.max(from)), error.to_string(), "the file has to be well-formed XML")
            })?;
            match event {
                Event::Start(start) => self.start(&reader, &start, at, end)?,
                Event::Empty(start) => {
                    self.start(&reader, &start, at, end)?;
                    self.end(end);
                }
                Event::End(_) => self.end(end),
                Event::Text(_) | Event::GeneralRef(_) => self.characters(at, end, Place::Content)?,
                Event::CData(_) => self.characters(at + "<![CDATA[".len(), end - "]]>".len(), Place::Cdata)?,
                Event::Decl(declaration) => {
                    if let Some(Ok(encoding)) = declaration.encoding() {
                        self.check_encoding(&encoding, at, end)?;
                    }
                }
                Event::DocType(declaration) => {
                    if declaration.contains('[') {
                        let help = "remove the declarations, and write what their entities stand for";
                        return Err(fail(self.span(at, end), "a document type that declares something", help));
                    }
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
            at = end;
        }
        if let Some(open) = self.open.last() {
            let message = format!("<{}> has no end tag", open.written_name());
            return Err(fail(open.span, message, format!("write </{}>", open.written_name())));
        }
        self.root.take().ok_or_else(|| fail(self.span(0, 0), "the file holds no element", "write a document into it"))
    }

    fn span(&self, start: usize, end: usize) -> Span {
        span(self.file, self.base + start, self.base + end)
    }

    /// Text was decoded as UTF-8 already; a file that says something else and is more than ASCII was changed by that.
    fn check_encoding(&self, encoding: &str, at: usize, end: usize) -> Result<(), Box<Problem>> {
        let known = ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
        if known || self.text.is_ascii() {
            return Ok(());
        }
        let message = format!("the file says that it is in {encoding}");
        Err(fail(self.span(at, end), message, "save it in UTF-8, and write encoding=\"UTF-8\""))
    }

    fn interned(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        self.names.insert(Arc::clone(&new));
        new
    }

    /// The namespace a name was resolved to; `at` is where the name is.
    fn namespace(&mut self, resolved: ResolveResult<'_>, at: Span) -> Result<Arc<str>, Box<Problem>> {
        match resolved {
            ResolveResult::Unbound => Ok(self.interned("")),
            // It is given as it is written.
            ResolveResult::Bound(namespace) => {
                let meant = decode(namespace.into_inner(), self.file, 0, Place::Attribute);
                // Where it is declared is not known here.
                let meant = meant.map_err(|problem| Box::new(Problem { span: at, ..*problem }))?;
                Ok(self.interned(meant.as_str()))
            }
            ResolveResult::Unknown(prefix) => Err(undeclared(&prefix, at)),
        }
    }

    fn start(
        &mut self,
        reader: &NsReader<&'a [u8]>,
        start: &BytesStart<'a>,
        at: usize,
        end: usize,
    ) -> Result<(), Box<Problem>> {
        let tag = self.span(at, end);
        self.elements += 1;
        if self.open.len() >= self.limits.depth {
            let message = format!("more than {} elements within each other", self.limits.depth);
            return Err(fail(tag, message, "divide the document"));
        }
        if self.elements > self.limits.elements {
            let message = format!("the file has more than {} elements", self.limits.elements);
            return Err(fail(tag, message, "divide it into several"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(fail(tag, "a second element beside the root element", "a file holds one element"));
        }
        let name = start.name();
        let written: &str = name.as_ref();
        if !is_name(written) {
            return Err(fail(tag, format!("`{written}` is no name of an element"), "names begin with a letter"));
        }
        let (resolved, local) = reader.resolver().resolve_element(name);
        let namespace = self.namespace(resolved, tag)?;
        let name = Name { namespace, local: self.interned(local.as_ref()) };
        let prefix = start.name().prefix().map_or("", |prefix| prefix.into_inner()).to_owned();
        let prefix = self.interned(&prefix);
        let attributes = self.attributes(reader, start, tag)?;
        self.open.push(Element { name, prefix, attributes, children: Vec::new(), span: tag, whole: tag });
        Ok(())
    }

    fn attributes(
        &mut self,
        reader: &NsReader<&'a [u8]>,
        start: &BytesStart<'a>,
        tag: Span,
    ) -> Result<Vec<Attribute>, Box<Problem>> {
        let mut attributes: Vec<Attribute> = Vec::new();
        for (count, attribute) in start.attributes().enumerate() {
            let attribute =
                attribute.map_err(|error| fail(tag, error.to_string(), "write attributes as name=\"value\""))?;
            if count >= self.limits.attributes {
                let message = format!("more than {} attributes of one element", self.limits.attributes);
                return Err(fail(tag, message, "divide the element"));
            }
            let written: &str = attribute.key.as_ref();
            let key_at = self.offset_of(written).unwrap_or(tag.start as usize - self.base);
            let value_at = match &attribute.value {
                Cow::Borrowed(value) => self.offset_of(value),
                Cow::Owned(_) => None,
            };
            let value_at = value_at.unwrap_or(key_at);
            let whole = self.span(key_at, value_at + attribute.value.len() + 1);
            if !is_name(written) {
                return Err(fail(
                    whole,
                    format!("`{written}` is no name of an attribute"),
                    "names begin with a letter",
                ));
            }
            if let Some(declared) = attribute.key.as_namespace_binding() {
                if attribute.value.is_empty() && matches!(declared, PrefixDeclaration::Named(_)) {
                    return Err(fail(whole, "a prefix cannot be bound to no namespace", "name a namespace"));
                }
                continue;
            }
            let (resolved, local) = reader.resolver().resolve_attribute(attribute.key);
            let namespace = self.namespace(resolved, whole)?;
            let name = Name { namespace, local: self.interned(local.as_ref()) };
            if let Some(first) = attributes.iter().find(|other| other.name == name) {
                let problem = fail(whole, format!("the attribute {written} is here twice"), "remove one");
                return Err(Box::new(problem.related(first.span, "the first is here")));
            }
            let value = decode(&attribute.value, self.file, self.base + value_at, Place::Attribute)?;
            let prefix = attribute.key.prefix().map_or("", |prefix| prefix.into_inner()).to_owned();
            attributes.push(Attribute { name, prefix: self.interned(&prefix), value, span: whole });
        }
        Ok(attributes)
    }

    /// Where `part`, which is a part of the text, begins in it.
    fn offset_of(&self, part: &str) -> Option<usize> {
        let offset = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        (offset + part.len() <= self.text.len()).then_some(offset)
    }

    fn end(&mut self, end: usize) {
        let Some(mut element) = self.open.pop() else { return };
        element.whole = element.span.to(self.span(end, end));
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    fn characters(&mut self, start: usize, end: usize, place: Place) -> Result<(), Box<Problem>> {
        let text = decode(self.text.get(start..end).unwrap_or(""), self.file, self.base + start, place)?;
        let Some(parent) = self.open.last_mut() else {
            if text.is_blank() && place == Place::Content {
                return Ok(());
            }
            return Err(fail(text.span(), "text outside of the root element", "remove it"));
        };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.join(&text),
            _ if text.as_str().is_empty() => {}
            _ => parent.children.push(Node::Text(text)),
        }
        Ok(())
    }
}

fn undeclared(prefix: &str, at: Span) -> Box<Problem> {
    let help = format!("declare it with xmlns:{prefix}=\"...\" here or on the root element");
    fail(at, format!("the prefix {prefix} stands for no namespace"), help)
}

/// True for a name with at most one prefix.
fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        let mut characters = part.chars();
        characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && characters.all(|character| character.is_alphanumeric() || "-._\u{b7}".contains(character))
    };
    match text.split_once(':') {
        Some((prefix, local)) => part(prefix) && part(local),
        None => part(text),
    }
}
