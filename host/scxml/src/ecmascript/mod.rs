//! ECMAScript in documents: whether it can be read, and where not.
//!
//! Everything is read as sloppy-mode script code, as old engines did. The reader calls itself for what is nested, so
//! [`check_nesting`] comes before it: a text that no person writes cannot exhaust the stack.

mod nesting;

use std::ops::Range;

use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, Program};
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::SourceType;

pub use nesting::{NESTING, check_nesting, strings};

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// In lower case.
    pub message: String,
    /// Where, in bytes of the text.
    pub range: Range<usize>,
}

fn options() -> ParseOptions {
    ParseOptions { preserve_parens: false, ..ParseOptions::default() }
}

/// One expression, with nothing after it.
///
/// # Errors
/// It is none, or is nested too deeply.
pub fn parse_expression<'a>(allocator: &'a Allocator, text: &'a str) -> Result<Expression<'a>, SyntaxError> {
    check_nesting(text)?;
    if text.trim().is_empty() {
        return Err(SyntaxError { message: "no expression".to_owned(), range: 0..text.len() });
    }
    let parser = Parser::new(allocator, text, SourceType::script()).with_options(options());
    parser.parse_expression().map_err(|errors| first(&errors, text))
}

/// A program.
///
/// # Errors
/// It is none, or is nested too deeply.
pub fn parse_program<'a>(allocator: &'a Allocator, text: &'a str) -> Result<Program<'a>, SyntaxError> {
    check_nesting(text)?;
    let read = Parser::new(allocator, text, SourceType::script()).with_options(options()).parse();
    if read.panicked || read.diagnostics.has_errors() {
        return Err(first(&read.diagnostics, text));
    }
    Ok(read.program)
}

/// What can be assigned to: a name, or a member of something.
///
/// # Errors
/// It is something else, or cannot be read.
pub fn parse_location<'a>(allocator: &'a Allocator, text: &'a str) -> Result<Expression<'a>, SyntaxError> {
    let expression = parse_expression(allocator, text)?;
    match expression {
        Expression::Identifier(_) | Expression::StaticMemberExpression(_) | Expression::ComputedMemberExpression(_) => {
            Ok(expression)
        }
        _ => Err(SyntaxError { message: "nothing can be assigned to this".to_owned(), range: 0..text.len() }),
    }
}

/// True for the name of a variable.
pub fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || "_$".contains(first))
        && characters.all(|character| character.is_alphanumeric() || "_$".contains(character))
}

fn first(errors: &[OxcDiagnostic], text: &str) -> SyntaxError {
    let Some(error) = errors.first() else {
        return SyntaxError { message: "it cannot be read".to_owned(), range: 0..text.len() };
    };
    let mut message = error.message.trim_end_matches('.').to_owned();
    if let Some(start) = message.get(0..1) {
        let start = start.to_ascii_lowercase();
        message.replace_range(0..1, &start);
    }
    let range = error.labels.first().map_or(0..text.len(), |label| {
        let start = (label.span().start as usize).min(text.len());
        start..(label.span().end as usize).clamp(start, text.len())
    });
    SyntaxError { message, range }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Result<(), SyntaxError> {
        parse_expression(&Allocator::default(), text).map(|_| ())
    }

    #[test]
    fn what_is_no_expression_is_told_with_its_place() {
        assert_eq!(expression("a.b['c'] + In('x')"), Ok(()));
        assert_eq!(expression("return").unwrap_err().range, 0..6);
        assert_eq!(expression("a = 1;").unwrap_err().range, 5..6);
        assert_eq!(expression("'x").unwrap_err().message, "unterminated string");
        assert_eq!(expression(" ").unwrap_err().message, "no expression");
        assert!(parse_program(&Allocator::default(), "caller: a.b; {}").is_ok());
        assert!(parse_program(&Allocator::default(), "for each (var x in y) {}").is_err());
    }

    #[test]
    fn only_names_and_members_can_be_assigned_to() {
        for (text, can) in
            [("a", true), ("a.b['c']", true), ("(a)", true), ("a()", false), ("'a'", false), ("a + b", false)]
        {
            assert_eq!(parse_location(&Allocator::default(), text).is_ok(), can, "{text}");
        }
    }
}
