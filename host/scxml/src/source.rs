//! Where everything was written: the files of one reading, places in them, and texts that know where each of their
//! characters came from.
//!
//! A merged document has parts of many files, and an attribute's value differs from its bytes in the file (`&lt;`);
//! still each message points at what a person typed. Nothing here reads a disk.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A file of one reading: its place in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// In which file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `last`, which is in the same file; otherwise `self`.
    pub fn to(self, last: Span) -> Span {
        if self.file == last.file { Span { end: last.end.max(self.start), ..self } } else { self }
    }
}

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// One file that was read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// As it was named: a path below the project's folder, or an address.
    pub name: String,
    /// Its whole text.
    pub text: Arc<str>,
    /// Where each line begins, in bytes.
    lines: Vec<u32>,
}

/// The files of one reading.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Take in a file. Its text must be shorter than 4 GiB, which [`crate::xml`] sees to.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        let after_breaks = text.match_indices('\n').filter_map(|(at, _)| u32::try_from(at + 1).ok());
        let lines = std::iter::once(0).chain(after_breaks).collect();
        self.files.push(SourceFile { name: name.into(), text, lines });
        FileId(u32::try_from(self.files.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// All files, in the order they were read.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// One of them.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Name of a file; empty for one that is not here.
    pub fn name(&self, id: FileId) -> &str {
        self.file(id).map_or("", |file| &file.name)
    }

    /// Line and column of the start of `span`.
    pub fn position(&self, span: Span) -> Position {
        self.position_at(span.file, span.start)
    }

    /// Line and column of the end of `span`.
    pub fn end_position(&self, span: Span) -> Position {
        self.position_at(span.file, span.end)
    }

    fn position_at(&self, file: FileId, at: u32) -> Position {
        let Some(file) = self.file(file) else { return Position { line: 1, column: 1 } };
        let line = file.lines.partition_point(|start| *start <= at).max(1);
        let start = file.lines.get(line - 1).copied().unwrap_or(0);
        let before = file.text.get(start as usize..at as usize).unwrap_or("");
        Position { line: narrow(line), column: narrow(before.chars().count() + 1) }
    }

    /// What was written at `span`.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize)).unwrap_or("")
    }

    /// `file:line:column` of the start of `span`.
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}", self.name(span.file), self.position(span))
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A piece of a [`Text`]: from byte `at` of its value on, the bytes are those at `source` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    at: u32,
    file: FileId,
    source: u32,
}

/// A text as a document means it (references resolved, pieces joined), and where it was written.
#[derive(Clone, Debug)]
pub struct Text {
    value: String,
    span: Span,
    pieces: Vec<Piece>,
}

impl Text {
    /// A text of which nothing was written; more may be joined to it.
    pub fn empty(span: Span) -> Text {
        Text { value: String::new(), span, pieces: Vec::new() }
    }

    /// A text that stands for the whole of `span`, such as one that was made up.
    pub fn made(value: impl Into<String>, span: Span) -> Text {
        Text { value: value.into(), span, pieces: vec![Piece { at: 0, file: span.file, source: span.start }] }
    }

    /// What it says.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Where it was written, from its first character to its last. For a text joined from several files, the part
    /// in the first of them.
    pub fn span(&self) -> Span {
        self.span
    }

    /// True when it holds nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.value.trim().is_empty()
    }

    /// Where the bytes `range` of its value were written.
    pub fn span_of(&self, range: Range<usize>) -> Span {
        let start = self.source_of(range.start);
        let end = self.source_of(range.end.max(range.start));
        match (start, end) {
            (Some((file, start)), Some((last, end))) if file == last => Span { file, start, end: end.max(start) },
            (Some((file, start)), _) => Span { file, start, end: start },
            (None, _) => self.span,
        }
    }

    fn source_of(&self, at: usize) -> Option<(FileId, u32)> {
        let at = narrow(at);
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.at <= at).checked_sub(1)?)?;
        Some((piece.file, piece.source.saturating_add(at - piece.at)))
    }

    /// Add what is written, as it is, at byte `source` of `file`.
    pub fn push(&mut self, value: &str, file: FileId, source: usize) {
        let piece = Piece { at: narrow(self.value.len()), file, source: narrow(source) };
        let follows = self
            .pieces
            .last()
            .is_some_and(|last| last.file == file && last.source.checked_add(piece.at - last.at) == Some(piece.source));
        if !follows {
            self.pieces.push(piece);
        }
        self.value.push_str(value);
    }

    /// Join `other` to the end.
    pub fn join(&mut self, other: &Text) {
        let by = narrow(self.value.len());
        self.pieces.extend(other.pieces.iter().map(|piece| Piece { at: piece.at.saturating_add(by), ..*piece }));
        self.value.push_str(&other.value);
        self.span = if self.value.len() == other.value.len() { other.span } else { self.span.to(other.span) };
    }

    /// The part `range` of its value; empty where that is no range of whole characters.
    pub fn slice(&self, range: Range<usize>) -> Text {
        let mut part = Text::empty(self.span_of(range.clone()));
        part.value = self.value.get(range.clone()).unwrap_or("").to_owned();
        let start = narrow(range.start);
        if let Some((file, source)) = self.source_of(range.start) {
            part.pieces.push(Piece { at: 0, file, source });
        }
        let within = self.pieces.iter().filter(|piece| piece.at > start && (piece.at as usize) < range.end);
        part.pieces.extend(within.map(|piece| Piece { at: piece.at - start, ..*piece }));
        part
    }

    /// Without white space at its ends.
    pub fn trimmed(&self) -> Text {
        let start = self.value.len() - self.value.trim_start().len();
        self.slice(start..start + self.value.trim().len())
    }

    /// Its words, which white space divides.
    pub fn words(&self) -> Vec<Text> {
        let mut words = Vec::new();
        let mut start = None;
        for (at, character) in self.value.char_indices() {
            match (character.is_ascii_whitespace(), start) {
                (true, Some(from)) => {
                    words.push(self.slice(from..at));
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
        }
        words.extend(start.map(|from| self.slice(from..self.value.len())));
        words
    }

    /// The same with each `placeholder` replaced. What replaces it points at the placeholder.
    pub fn replaced(&self, placeholder: &str, by: &str) -> Text {
        let mut new = Text::empty(self.span);
        let mut from = 0;
        for (at, found) in self.value.match_indices(placeholder) {
            new.append_part(&self.slice(from..at));
            new.append_part(&Text::made(by, self.span_of(at..at + found.len())));
            from = at + found.len();
        }
        new.append_part(&self.slice(from..self.value.len()));
        new
    }

    /// The same with `prefix` before it, which points at its start.
    pub fn prefixed(&self, prefix: &str) -> Text {
        let mut new = Text::made(prefix, Span { end: self.span.start, ..self.span });
        new.append_part(self);
        new.span = self.span;
        new
    }

    fn append_part(&mut self, other: &Text) {
        let by = narrow(self.value.len());
        self.pieces.extend(other.pieces.iter().map(|piece| Piece { at: piece.at.saturating_add(by), ..*piece }));
        self.value.push_str(&other.value);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.value == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.value == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> (Sources, FileId) {
        let mut sources = Sources::default();
        let file = sources.add("a.scxml", text);
        (sources, file)
    }

    #[test]
    fn lines_and_columns_count_from_one_and_columns_in_characters() {
        let (sources, file) = sources("größe\nöx\n");
        let position = |start| sources.position(Span { file, start, end: start }).to_string();
        assert_eq!(position(0), "1:1");
        assert_eq!(position(8), "2:1");
        assert_eq!(position(10), "2:2");
        assert_eq!(position(12), "3:1");
    }

    #[test]
    fn a_replaced_placeholder_keeps_the_places_around_it() {
        let (sources, file) = sources("<a to='$$.One'/>");
        let mut text = Text::empty(Span { file, start: 7, end: 13 });
        text.push("$$.One", file, 7);
        let text = text.replaced("$$", "Main.Sub");
        assert_eq!(text, "Main.Sub.One");
        assert_eq!(sources.text(text.span_of(9..12)), "One");
        assert_eq!(sources.text(text.slice(9..12).span()), "One");
    }

    #[test]
    fn words_know_where_they_are() {
        let (sources, file) = sources("  one\ttwo ");
        let mut text = Text::empty(Span { file, start: 0, end: 10 });
        text.push("  one\ttwo ", file, 0);
        let words = text.words();
        assert_eq!(words.iter().map(Text::as_str).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(
            words.iter().map(|word| sources.place(word.span())).collect::<Vec<_>>(),
            ["a.scxml:1:3", "a.scxml:1:7"]
        );
    }
}
