//! The author's text: read into an expression, with the place of whatever is wrong.

use sqlparser::ast::{Expr, OrderByExpr, Spanned};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, Tokenizer};

/// Bytes of a condition or an order.
pub(super) const VIEW_TEXT_BYTES: usize = 16 << 10;

/// Operators, keywords and opening parentheses in a condition or an order. An expression nests no
/// deeper than that, so whatever walks it has the stack to do so.
const CONNECTIVES: usize = 500;

/// What is wrong with a text, and where: line and column count from 1, 0 is nowhere in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Problem {
    pub(super) fn at(location: Location, message: impl Into<String>) -> Problem {
        Problem { message: message.into(), line: location.line, column: location.column }
    }
}

/// Where an expression begins, or the first operand of one.
pub(super) fn place(expression: &Expr) -> Location {
    let mut first = expression;
    loop {
        first = match first {
            Expr::BinaryOp { left, .. } => left,
            Expr::UnaryOp { expr, .. }
            | Expr::Nested(expr)
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::InList { expr, .. }
            | Expr::Between { expr, .. }
            | Expr::Like { expr, .. } => expr,
            Expr::Function(function) => return function.name.span().start,
            other => return other.span().start,
        }
    }
}

/// Reads a condition; `None` where it is empty.
pub(super) fn condition(text: &str) -> Result<Option<Expr>, Problem> {
    read(text, |parser| parser.parse_expr())
}

/// Reads an order; `None` where it is empty.
pub(super) fn order(text: &str) -> Result<Option<Vec<OrderByExpr>>, Problem> {
    read(text, |parser| parser.parse_comma_separated(|parser| parser.parse_order_by_expr()))
}

fn read<T>(text: &str, parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>) -> Result<Option<T>, Problem> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.len() > VIEW_TEXT_BYTES {
        let message = format!("it is {} bytes long, {VIEW_TEXT_BYTES} at most", text.len());
        return Err(Problem::at(Location::empty(), message));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| Problem::at(error.location, lower_first(&error.message)))?;
    let connectives = tokens.iter().filter(|token| connects(&token.token)).nth(CONNECTIVES);
    if let Some(one_too_many) = connectives {
        let message = format!("more than {CONNECTIVES} operators and keywords; use `in (…)` for long lists");
        return Err(Problem::at(one_too_many.span.start, message));
    }
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|error| problem(error, text))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Problem::at(rest.span.start, format!("expected the end of the text, found {}", rest.token)));
    }
    Ok(Some(parsed))
}

/// Whether an expression can nest deeper by this token.
fn connects(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma | Token::RParen | Token::Whitespace(_) => false,
        _ => true,
    }
}

/// The parser writes the place at the end of its message, but for the end of the text.
fn problem(error: ParserError, text: &str) -> Problem {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return Problem::at(Location::empty(), "it nests too deep; write it flatter");
        }
    };
    let found = message.rsplit_once(" at Line: ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some(Problem { message: lower_first(what), line: line.parse().ok()?, column: column.parse().ok()? })
    });
    found.unwrap_or_else(|| {
        let (before, last) = text.rsplit_once('\n').map_or((None, text), |(before, last)| (Some(before), last));
        let line = before.map_or(1, |before| before.split('\n').count() + 1);
        Problem::at(Location::new(line as u64, last.chars().count() as u64 + 1), lower_first(&message))
    })
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
