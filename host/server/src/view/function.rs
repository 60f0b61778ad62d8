//! The functions a condition or an order may call: harmless, and the same for the same arguments,
//! but for the time.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};
use sqlparser::tokenizer::Location;

use super::property::{Kind, nearest};
use super::text::Problem;
use super::translate::{Bound, Rendered, Term, Translator, alike};

/// Their names.
const FUNCTIONS: [&str; 10] =
    ["lower", "upper", "length", "substr", "substring", "coalesce", "abs", "min", "max", "now"];

/// A call.
pub(super) fn call(
    translator: &mut Translator<'_>,
    function: &Function,
    at: Location,
    depth: usize,
) -> Result<Term, Problem> {
    let written = function.name.to_string();
    let name = written.to_ascii_lowercase();
    if name == "current_timestamp" && is_plain(function) && matches!(function.args, FunctionArguments::None) {
        return Ok(Term::new("?".into(), vec![Bound::Now], Kind::Time, at));
    }
    if !FUNCTIONS.contains(&name.as_str()) {
        let hint = match nearest(&name, FUNCTIONS.into_iter().chain(["current_timestamp"])) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("views have {}, current_timestamp", FUNCTIONS.join(", ")),
        };
        return Err(Problem::at(at, format!("unknown function `{written}`; {hint}")));
    }
    let mut terms = Vec::new();
    for argument in arguments(function, &name, at)? {
        terms.push(translator.term(argument, depth)?);
    }
    let count = terms.len();
    let wrong_count = |needs: &str| Problem::at(at, format!("`{name}` takes {needs}, here are {count}"));
    match name.as_str() {
        "now" if terms.is_empty() => Ok(Term::new("?".into(), vec![Bound::Now], Kind::Time, at)),
        "now" => Err(wrong_count("no arguments")),
        "lower" | "upper" | "length" => {
            let kind = if name == "length" { Kind::Integer } else { Kind::Text };
            match (terms.pop(), terms.is_empty()) {
                (Some(only), true) => {
                    let only = only.expect(Kind::Text, "the argument")?.rendered;
                    Ok(Term::new(format!("{name}({})", only.sql), only.bound, kind, at))
                }
                _ => Err(wrong_count("one argument")),
            }
        }
        "abs" => match (terms.pop(), terms.is_empty()) {
            (Some(only), true) => {
                let only = only.expect(Kind::Integer, "the argument")?.rendered;
                // SQLite's abs of the least 64-bit integer is an error, that of a float is none.
                Ok(Term::new(format!("cast(abs(0.0 + {}) as integer)", only.sql), only.bound, Kind::Integer, at))
            }
            _ => Err(wrong_count("one argument")),
        },
        "substr" | "substring" => {
            let mut terms = terms.into_iter();
            match (terms.next(), terms.next(), terms.next(), terms.next()) {
                (Some(text), Some(from), length, None) => cut(text, from, length, at),
                _ => Err(wrong_count("a text, a position and perhaps a length")),
            }
        }
        // With one argument SQLite would take min and max as aggregates.
        _ if count < 2 => Err(wrong_count("two arguments or more")),
        _ => {
            let (kind, parts) = alike(terms)?;
            let bound = parts.iter().flat_map(|part| part.bound.clone()).collect();
            let sql: Vec<String> = parts.into_iter().map(|part| part.sql).collect();
            Ok(Term::new(format!("{name}({})", sql.join(", ")), bound, kind, at))
        }
    }
}

/// `substring(text from position for length)`, or the same as a call.
pub(super) fn substring(
    translator: &mut Translator<'_>,
    text: &Expr,
    (from, length): (Option<&Expr>, Option<&Expr>),
    at: Location,
    depth: usize,
) -> Result<Term, Problem> {
    let text = translator.term(text, depth)?;
    let from = match from {
        Some(from) => translator.term(from, depth)?,
        None => Term::new("1".into(), Vec::new(), Kind::Integer, at),
    };
    let length = length.map(|length| translator.term(length, depth)).transpose()?;
    cut(text, from, length, at)
}

fn cut(text: Term, from: Term, length: Option<Term>, at: Location) -> Result<Term, Problem> {
    let mut parts: Vec<Rendered> =
        vec![text.expect(Kind::Text, "what is cut")?.rendered, from.expect(Kind::Integer, "the position")?.rendered];
    if let Some(length) = length {
        parts.push(length.expect(Kind::Integer, "the length")?.rendered);
    }
    let bound = parts.iter().flat_map(|part| part.bound.clone()).collect();
    let sql: Vec<String> = parts.into_iter().map(|part| part.sql).collect();
    Ok(Term::new(format!("substr({})", sql.join(", ")), bound, Kind::Text, at))
}

/// No windows, filters, orders within, or other decorations.
fn is_plain(function: &Function) -> bool {
    !function.uses_odbc_syntax
        && matches!(function.parameters, FunctionArguments::None)
        && function.within_group.is_empty()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.over.is_none()
}

fn arguments<'f>(function: &'f Function, name: &str, at: Location) -> Result<Vec<&'f Expr>, Problem> {
    let refused = || Problem::at(at, format!("`{name}` takes plain arguments only, in parentheses"));
    let FunctionArguments::List(list) = &function.args else { return Err(refused()) };
    if !is_plain(function) || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(refused());
    }
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(expression),
            _ => Err(refused()),
        })
        .collect()
}
