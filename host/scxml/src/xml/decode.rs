//! What written text means: references replaced, line ends made one.

use super::read::fail;
use crate::problem::Problem;
use crate::source::{FileId, Span, Text};

/// Where text stands: white space counts differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Every white space is a space.
    Attribute,
    /// Line ends are line feeds.
    Content,
    /// As content, and nothing is a reference.
    Cdata,
}

/// The meaning of `raw`, which is at byte `start` of `file`.
pub(super) fn decode(raw: &str, file: FileId, start: usize, place: Place) -> Result<Text, Box<Problem>> {
    let mut text = Text::empty(span(file, start, start + raw.len()));
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let special = rest.find(|character| match character {
            '\r' => true,
            '&' => place != Place::Cdata,
            '\n' | '\t' | '<' => place == Place::Attribute,
            _ => false,
        });
        let (plain, rest) = rest.split_at(special.unwrap_or(rest.len()));
        if !plain.is_empty() {
            text.push(plain, file, start + at);
            at += plain.len();
        }
        let length = match rest.as_bytes() {
            [] => break,
            [b'&', ..] => {
                let (character, length) = reference(rest, file, start + at)?;
                text.push(character.encode_utf8(&mut [0; 4]), file, start + at);
                length
            }
            [b'<', ..] => {
                return Err(fail(
                    span(file, start + at, start + at + 1),
                    "`<` in the value of an attribute",
                    "write &lt;",
                ));
            }
            [b'\r', b'\n', ..] => {
                text.push(if place == Place::Attribute { " " } else { "\n" }, file, start + at);
                2
            }
            [..] => {
                text.push(if place == Place::Attribute { " " } else { "\n" }, file, start + at);
                1
            }
        };
        at += length;
    }
    Ok(text)
}

fn span(file: FileId, start: usize, end: usize) -> Span {
    let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file, start: narrow(start), end: narrow(end) }
}

/// The character that the reference at the start of `text` means, and the bytes it takes.
fn reference(text: &str, file: FileId, at: usize) -> Result<(char, usize), Box<Problem>> {
    let end = text.find(';').filter(|end| *end <= 16);
    let Some((name, end)) = end.and_then(|end| Some((text.get(1..end)?, end + 1))) else {
        return Err(fail(span(file, at, at + 1), "`&` that begins no reference", "write &amp;"));
    };
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let character = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#') {
            Some(digits) if digits.contains(['+', '-']) => None,
            Some(digits) => match digits.strip_prefix('x') {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            },
            None => None,
        },
    };
    character.filter(|character| is_character(*character)).map(|character| (character, end)).ok_or_else(|| {
        fail(
            span(file, at, at + end),
            format!("`&{name};` means nothing"),
            "only &lt; &gt; &amp; &quot; &apos; and numbers of characters are known; write & as &amp;",
        )
    })
}

/// True for what XML 1.0 calls a character.
pub(super) fn is_character(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}
