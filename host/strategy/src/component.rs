//! What a plugin's file is, before anything is compiled: a component in binary or in text, whole and valid,
//! or something else, which is refused with what is wrong with it.
//!
//! A file that ends too early is told apart from one that is wrong: somebody may still be writing it. What
//! frames a component, the lengths of its sections, tells the two apart nearly always. Cut exactly between
//! two sections it is a shorter component, which lacks its exports.

use std::borrow::Cow;

use wasmparser::{BinaryReader, Validator, WasmFeatures};
use wast::lexer::{LexError, Lexer, TokenKind};
use wast::parser::{ParseBuffer, parse};

use crate::load::LoadError;
use crate::session::shortened;

/// Bytes of a component written as text: reading it takes many times as much memory.
const TEXT_BYTES: usize = 4 << 20;
/// How Wasm files begin.
const MAGIC: &[u8] = b"\0asm";
/// Bytes before the first section.
pub(crate) const HEADER: usize = 8;

/// What the beginning of a file says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Binary,
    Text,
}

/// Looks at the beginning only.
pub(crate) fn kind_of(origin: &str, bytes: &[u8]) -> Result<Kind, LoadError> {
    let origin = || origin.to_owned();
    match bytes {
        [] => Err(LoadError::Incomplete { origin: origin(), reason: "it is empty".into() }),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(Kind::Binary),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::CoreModule { origin: origin() }),
        _ if bytes.len() < HEADER && (MAGIC.starts_with(bytes) || bytes.starts_with(MAGIC)) => {
            Err(LoadError::Incomplete { origin: origin(), reason: format!("it has {} bytes", bytes.len()) })
        }
        _ if is_text(bytes) => Ok(Kind::Text),
        _ => Err(LoadError::NotWasm { origin: origin() }),
    }
}

/// Text begins with a parenthesis, or with a comment.
fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"(") || text.starts_with(b";;")
}

/// The component in binary, whole and valid.
///
/// # Errors
/// Says what is wrong with it, and where.
pub(crate) fn checked<'a>(
    origin: &str,
    bytes: &'a [u8],
    kind: Kind,
    features: WasmFeatures,
) -> Result<Cow<'a, [u8]>, LoadError> {
    let binary = match kind {
        Kind::Binary => Cow::Borrowed(bytes),
        Kind::Text => Cow::Owned(assembled(origin, bytes)?),
    };
    // Once more: what was assembled may be a core module.
    kind_of(origin, &binary)?;
    if let Err(reason) = is_whole(&binary) {
        return Err(LoadError::Incomplete { origin: origin.into(), reason });
    }
    let Err(error) = Validator::new_with_features(features).validate_all(&binary) else { return Ok(binary) };
    let (origin, reason) = (origin.to_owned(), shown(error.message()));
    if Validator::new_with_features(WasmFeatures::all()).validate_all(&binary).is_ok() {
        return Err(LoadError::Unsupported { origin, reason });
    }
    Err(LoadError::Invalid { origin, reason, at: u64::try_from(error.offset()).unwrap_or(u64::MAX) })
}

/// Whether the file goes on to the end of its last section.
fn is_whole(bytes: &[u8]) -> Result<(), String> {
    let mut reader = BinaryReader::new(bytes.get(HEADER..).unwrap_or_default(), 0);
    while !reader.eof() {
        let begins = HEADER + reader.original_position();
        let mut section = || {
            let _kind = reader.read_u8()?;
            let length = reader.read_var_u32()?;
            reader.read_bytes(usize::try_from(length).unwrap_or(usize::MAX))
        };
        if section().is_err() {
            return Err(format!("it ends at byte {}, within the section that begins at byte {begins}", bytes.len()));
        }
    }
    Ok(())
}

/// From text to binary.
fn assembled(origin: &str, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    if bytes.len() > TEXT_BYTES {
        let (bytes, most) = (len(bytes), u64::try_from(TEXT_BYTES).unwrap_or(u64::MAX));
        return Err(LoadError::TooLarge { origin: origin.into(), bytes, most });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        let (line, column) = end_of(&before);
        // A character may be cut in two, at the end.
        let at_end = error.error_len().is_none();
        LoadError::Text { origin: origin.into(), line, column, reason: "this is not UTF-8".into(), at_end }
    })?;
    let wrong = |error: wast::Error| {
        let (line, column) = error.span().linecol_in(text);
        let at_end = is_cut(text);
        let reason = shown(&error.message());
        LoadError::Text { origin: origin.into(), line: line + 1, column: column + 1, reason, at_end }
    };
    let buffer = ParseBuffer::new(text).map_err(wrong)?;
    let mut component = parse::<wast::Wat<'_>>(&buffer).map_err(wrong)?;
    component.encode().map_err(wrong)
}

/// Whether text ends before what it has begun: a parenthesis, a string or a comment.
fn is_cut(text: &str) -> bool {
    let mut open = 0_i64;
    for token in Lexer::new(text).iter(0) {
        match token.map(|token| token.kind) {
            Ok(TokenKind::LParen) => open += 1,
            Ok(TokenKind::RParen) => open -= 1,
            Ok(_) => {}
            Err(error) => {
                return matches!(error.lex_error(), Some(LexError::UnexpectedEof | LexError::DanglingBlockComment));
            }
        }
    }
    open > 0
}

/// A text that may repeat what a file holds, in one line and short enough to be read: it must do nothing to the
/// terminal or the log it is shown in.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push_str("; "),
            control if control.is_control() => line.extend(control.escape_default()),
            other => line.push(other),
        }
    }
    shortened(line)
}

/// Line and column, from 1, of what follows this text.
fn end_of(text: &str) -> (usize, usize) {
    let last = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() + 1, last.chars().count() + 1)
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_is_shown_in_one_line() {
        assert_eq!(shown("`a\u{1b}[2J` is no name\nexpected `/`"), "`a\\u{1b}[2J` is no name; expected `/`");
    }
}
