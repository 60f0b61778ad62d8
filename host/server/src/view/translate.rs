//! From the author's expression to SQL of our own writing.
//!
//! Only what is listed here passes: properties, literals, comparisons, `and or not`, `+ - * / %`,
//! `in`, `between`, `like` (case counts, as everywhere), `is null`, and the functions of
//! [`super::function`]. What is written out is our own column names, our own keywords and `?`; the
//! author's literals are bound. Kinds are checked, so that a comparison that could never be true is
//! an error and not an empty view.
//!
//! Times: `current_timestamp` (or `now()`) and the literals `'2026-11-22T14:30:00Z'` compare with
//! time properties. A time plus or minus a number is so many **seconds** later or earlier, and the
//! difference of two times is a number of seconds: `received_at < current_timestamp - 3600`.

use std::time::UNIX_EPOCH;

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, OrderByExpr, OrderBySort, UnaryOperator, Value};
use sqlparser::tokenizer::Location;

use super::property::{Kind, Properties, Property};
use super::text::{Problem, place};

/// How deep an expression may nest, chains of `and` and of `or` counted once.
const DEPTH: usize = 64;
/// Bytes of the pattern of a `like`; SQLite refuses very long ones when it runs them.
const PATTERN_BYTES: usize = 1_024;

/// A value to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Text(String),
    Integer(i64),
    /// The time of the pull.
    Now,
}

/// SQL and what is bound to its `?`, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) sql: String,
    pub(super) bound: Vec<Bound>,
}

impl Rendered {
    /// Whether it depends on the time of the pull.
    pub(super) fn is_timed(&self) -> bool {
        self.bound.contains(&Bound::Now)
    }

    fn all(parts: Vec<Rendered>, between: &str) -> Rendered {
        let sql: Vec<String> = parts.iter().map(|part| part.sql.clone()).collect();
        let bound = parts.into_iter().flat_map(|part| part.bound).collect();
        Rendered { sql: format!("({})", sql.join(between)), bound }
    }
}

/// One term of an order.
pub(super) struct OrderTerm {
    pub(super) rendered: Rendered,
    /// It is a column, ascending or descending: an index can keep it.
    pub(super) is_column: bool,
}

/// An expression and what it holds.
pub(super) struct Term {
    pub(super) rendered: Rendered,
    pub(super) kind: Kind,
    pub(super) place: Location,
    literal: bool,
}

impl Term {
    pub(super) fn new(sql: String, bound: Vec<Bound>, kind: Kind, place: Location) -> Term {
        Term { rendered: Rendered { sql, bound }, kind, place, literal: false }
    }

    /// The text, where it is a text literal.
    pub(super) fn literal_text(&self) -> Option<&str> {
        match self.rendered.bound.as_slice() {
            [Bound::Text(text)] if self.literal => Some(text),
            _ => None,
        }
    }

    pub(super) fn expect(self, kind: Kind, what: &str) -> Result<Term, Problem> {
        if self.kind == kind || self.kind == Kind::Null {
            return Ok(self);
        }
        Err(Problem::at(self.place, format!("{what} must be {}, this is {}", kind.noun(), self.kind.noun())))
    }
}

/// Reads expressions for one server, and notes which properties they name.
pub(super) struct Translator<'p> {
    properties: &'p Properties,
    used: Vec<Property>,
}

impl<'p> Translator<'p> {
    pub(super) fn new(properties: &'p Properties) -> Translator<'p> {
        Translator { properties, used: Vec::new() }
    }

    /// The properties named so far.
    pub(super) fn used(self) -> Vec<Property> {
        self.used
    }

    /// A condition, as the parts that must all be true.
    pub(super) fn condition(&mut self, expression: &Expr) -> Result<Vec<Rendered>, Problem> {
        chain(expression, &BinaryOperator::And).into_iter().map(|part| Ok(self.truth(part, 0)?.rendered)).collect()
    }

    /// One term of an order.
    pub(super) fn order_term(&mut self, term: &OrderByExpr) -> Result<OrderTerm, Problem> {
        let Term { mut rendered, place, .. } = self.term(&term.expr, 0)?;
        if term.with_fill.is_some() {
            return Err(Problem::at(place, "`with fill` cannot be used in an order"));
        }
        match &term.options.sort {
            None => {}
            Some(OrderBySort::Asc) => rendered.sql.push_str(" asc"),
            Some(OrderBySort::Desc) => rendered.sql.push_str(" desc"),
            Some(OrderBySort::Using(_)) => {
                return Err(Problem::at(place, "`using` cannot be used in an order; write asc or desc"));
            }
        }
        match term.options.nulls_first {
            None => {}
            Some(true) => rendered.sql.push_str(" nulls first"),
            Some(false) => rendered.sql.push_str(" nulls last"),
        }
        let is_column = matches!(term.expr, Expr::Identifier(_)) && term.options.nulls_first.is_none();
        Ok(OrderTerm { rendered, is_column })
    }

    /// An expression that must be true or false.
    fn truth(&mut self, expression: &Expr, depth: usize) -> Result<Term, Problem> {
        let term = self.term(expression, depth)?;
        match term.kind {
            // The flags: is_online, is_held, is_locked.
            Kind::Boolean | Kind::Integer | Kind::Null => Ok(term),
            Kind::Text | Kind::Time => {
                let message = format!("expected a condition, this is {}; compare it with something", term.kind.noun());
                Err(Problem::at(term.place, message))
            }
        }
    }

    /// Any expression.
    pub(super) fn term(&mut self, expression: &Expr, depth: usize) -> Result<Term, Problem> {
        let at = place(expression);
        if depth > DEPTH {
            return Err(Problem::at(at, format!("it nests more than {DEPTH} deep; write it flatter")));
        }
        let deeper = depth + 1;
        match expression {
            Expr::Identifier(name) => self.property(name),
            Expr::Value(value) => literal(&value.value, value.span.start),
            Expr::TypedString(typed) if matches!(typed.data_type, DataType::Timestamp(..)) => {
                let term = literal(&typed.value.value, typed.value.span.start)?;
                if term.literal_text().is_some() { time_literal(term) } else { Err(not_allowed(expression, at)) }
            }
            Expr::Nested(inner) => self.term(inner, deeper),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                let inner = self.truth(expr, deeper)?.rendered;
                Ok(Term::new(format!("(not {})", inner.sql), inner.bound, Kind::Boolean, at))
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                let inner = self.term(expr, deeper)?.expect(Kind::Integer, "what `-` stands before")?.rendered;
                Ok(Term::new(format!("(- {})", inner.sql), inner.bound, Kind::Integer, at))
            }
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => {
                self.term(expr, deeper)?.expect(Kind::Integer, "what `+` stands before")
            }
            Expr::BinaryOp { left, op, right } => self.binary(expression, (left, op, right), deeper),
            Expr::IsNull(inner) => self.null_test(inner, "is null", deeper),
            Expr::IsNotNull(inner) => self.null_test(inner, "is not null", deeper),
            Expr::InList { expr, list, negated } => {
                let mut terms = vec![self.term(expr, deeper)?];
                for item in list {
                    terms.push(self.term(item, deeper)?);
                }
                let (_, mut parts) = alike(terms)?;
                if parts.len() < 2 {
                    return Err(Problem::at(at, "`in` needs at least one value"));
                }
                let list = Rendered::all(parts.split_off(1), ", ");
                let tested = parts.pop().unwrap_or_else(|| Rendered { sql: String::new(), bound: Vec::new() });
                let word = if *negated { "not in" } else { "in" };
                let sql = format!("({} {word} {})", tested.sql, list.sql);
                Ok(Term::new(sql, [tested.bound, list.bound].concat(), Kind::Boolean, at))
            }
            Expr::Between { expr, negated, low, high } => {
                let terms = vec![self.term(expr, deeper)?, self.term(low, deeper)?, self.term(high, deeper)?];
                let (_, parts) = alike(terms)?;
                let [tested, low, high] = parts.as_slice() else { return Err(not_allowed(expression, at)) };
                let word = if *negated { "not between" } else { "between" };
                let sql = format!("({} {word} {} and {})", tested.sql, low.sql, high.sql);
                let bound = parts.iter().flat_map(|part| part.bound.clone()).collect();
                Ok(Term::new(sql, bound, Kind::Boolean, at))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let escape = escape_char.as_deref();
                self.like(*negated, (expr, pattern, escape), at, deeper)
            }
            Expr::Function(function) => super::function::call(self, function, at, deeper),
            Expr::Substring { expr, substring_from, substring_for, .. } => super::function::substring(
                self,
                expr,
                (substring_from.as_deref(), substring_for.as_deref()),
                at,
                deeper,
            ),
            _ => Err(not_allowed(expression, at)),
        }
    }

    fn property(&mut self, name: &Ident) -> Result<Term, Problem> {
        let at = name.span.start;
        let Some(property) = self.properties.find(&name.value) else {
            let hint = match self.properties.nearest(&name.value) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "use a system property, or declare a custom property for the user data key".into(),
            };
            return Err(Problem::at(at, format!("unknown property `{}`; {hint}", name.value)));
        };
        if !self.used.iter().any(|used| used.column == property.column) {
            self.used.push(property.clone());
        }
        Ok(Term::new(property.column.clone(), Vec::new(), property.kind, at))
    }

    fn binary(
        &mut self,
        expression: &Expr,
        (left, op, right): (&Expr, &BinaryOperator, &Expr),
        depth: usize,
    ) -> Result<Term, Problem> {
        let at = place(expression);
        let word = match op {
            BinaryOperator::And | BinaryOperator::Or => {
                let mut parts = Vec::new();
                for operand in chain(expression, op) {
                    parts.push(self.truth(operand, depth)?.rendered);
                }
                let all = Rendered::all(parts, if *op == BinaryOperator::And { " and " } else { " or " });
                return Ok(Term::new(all.sql, all.bound, Kind::Boolean, at));
            }
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            BinaryOperator::Plus => return self.add(left, right, '+', depth),
            BinaryOperator::Minus => return self.add(left, right, '-', depth),
            BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo => {
                let left = self.term(left, depth)?.expect(Kind::Integer, "an operand of arithmetic")?;
                let right = self.term(right, depth)?.expect(Kind::Integer, "an operand of arithmetic")?;
                let sign = match op {
                    BinaryOperator::Multiply => '*',
                    BinaryOperator::Divide => '/',
                    _ => '%',
                };
                return Ok(joined(&left, sign, &right, Kind::Integer));
            }
            _ => return Err(not_allowed(expression, at)),
        };
        let (_, parts) = alike(vec![self.term(left, depth)?, self.term(right, depth)?])?;
        let all = Rendered::all(parts, &format!(" {word} "));
        Ok(Term::new(all.sql, all.bound, Kind::Boolean, at))
    }

    /// Numbers, or times and seconds.
    fn add(&mut self, left: &Expr, right: &Expr, sign: char, depth: usize) -> Result<Term, Problem> {
        // Text in quotes makes sense here only as a time.
        let left = time_literal(self.term(left, depth)?)?;
        let right = time_literal(self.term(right, depth)?)?;
        match (left.kind, sign, right.kind) {
            (Kind::Integer | Kind::Null, _, Kind::Integer | Kind::Null) => {
                Ok(joined(&left, sign, &right, Kind::Integer))
            }
            (Kind::Time, _, Kind::Integer | Kind::Null) => Ok(joined(&left, sign, &seconds(right), Kind::Time)),
            (Kind::Integer | Kind::Null, '+', Kind::Time) => Ok(joined(&seconds(left), sign, &right, Kind::Time)),
            (Kind::Time, '-', Kind::Time) => {
                let difference = joined(&left, sign, &right, Kind::Integer);
                let sql = format!("({} / 1000)", difference.rendered.sql);
                Ok(Term::new(sql, difference.rendered.bound, Kind::Integer, difference.place))
            }
            (left_kind, _, right_kind) => {
                let message =
                    format!("cannot work out {} {sign} {}; a time takes seconds", left_kind.noun(), right_kind.noun());
                Err(Problem::at(left.place, message))
            }
        }
    }

    fn null_test(&mut self, inner: &Expr, word: &str, depth: usize) -> Result<Term, Problem> {
        let inner = self.term(inner, depth)?;
        Ok(Term::new(format!("({} {word})", inner.rendered.sql), inner.rendered.bound, Kind::Boolean, inner.place))
    }

    fn like(
        &mut self,
        negated: bool,
        (tested, pattern, escape): (&Expr, &Expr, Option<&Expr>),
        at: Location,
        depth: usize,
    ) -> Result<Term, Problem> {
        let tested = self.term(tested, depth)?.expect(Kind::Text, "what `like` tests")?.rendered;
        let pattern = self.term(pattern, depth)?;
        if pattern.literal_text().is_none_or(|text| text.len() > PATTERN_BYTES) {
            let message = format!("the pattern of `like` must be text in quotes, {PATTERN_BYTES} bytes at most");
            return Err(Problem::at(pattern.place, message));
        }
        let word = if negated { "not like" } else { "like" };
        let mut sql = format!("({} {word} {}", tested.sql, pattern.rendered.sql);
        let mut bound = [tested.bound, pattern.rendered.bound].concat();
        if let Some(escape) = escape {
            let escape = self.term(escape, depth)?;
            if escape.literal_text().is_none_or(|text| text.chars().count() != 1 || text == "\0") {
                return Err(Problem::at(escape.place, "the escape of `like` must be one character in quotes"));
            }
            sql.push_str(" escape ");
            sql.push_str(&escape.rendered.sql);
            bound.extend(escape.rendered.bound);
        }
        sql.push(')');
        Ok(Term::new(sql, bound, Kind::Boolean, at))
    }
}

/// Terms that are compared with each other: of one kind, text in quotes taken as a time beside times.
pub(super) fn alike(terms: Vec<Term>) -> Result<(Kind, Vec<Rendered>), Problem> {
    let timed = terms.iter().any(|term| term.kind == Kind::Time);
    let mut kind = Kind::Null;
    let mut parts = Vec::with_capacity(terms.len());
    for term in terms {
        let term = if timed { time_literal(term)? } else { term };
        // `is_online = true`
        let own = if term.kind == Kind::Boolean { Kind::Integer } else { term.kind };
        if kind == Kind::Null {
            kind = own;
        } else if own != Kind::Null && own != kind {
            let mut message = format!("cannot compare {} with {}", kind.noun(), own.noun());
            if timed {
                message.push_str("; write a time as 'YYYY-MM-DDTHH:MM:SSZ', or current_timestamp - seconds");
            }
            return Err(Problem::at(term.place, message));
        }
        parts.push(term.rendered);
    }
    Ok((kind, parts))
}

fn literal(value: &Value, at: Location) -> Result<Term, Problem> {
    let (bound, kind) = match value {
        Value::Number(digits, false) => match digits.parse() {
            Ok(number) => (Bound::Integer(number), Kind::Integer),
            Err(_) => return Err(Problem::at(at, format!("`{digits}` is not a whole number of 64 bits"))),
        },
        Value::SingleQuotedString(text) => (Bound::Text(text.clone()), Kind::Text),
        Value::Boolean(truth) => (Bound::Integer(i64::from(*truth)), Kind::Boolean),
        Value::Null => return Ok(Term::new("null".into(), Vec::new(), Kind::Null, at)),
        _ => {
            let message =
                "this kind of literal cannot be used in a view; write text in single quotes, or a whole number";
            return Err(Problem::at(at, message));
        }
    };
    Ok(Term { literal: true, ..Term::new("?".into(), vec![bound], kind, at) })
}

/// Text in quotes becomes a time; anything else stays.
fn time_literal(term: Term) -> Result<Term, Problem> {
    let Some(text) = term.literal_text() else { return Ok(term) };
    let milliseconds = humantime::parse_rfc3339_weak(text)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok());
    match milliseconds {
        Some(milliseconds) => Ok(Term::new("?".into(), vec![Bound::Integer(milliseconds)], Kind::Time, term.place)),
        None => {
            let message = format!("'{text}' is not a time; write it as 'YYYY-MM-DDTHH:MM:SSZ'");
            Err(Problem::at(term.place, message))
        }
    }
}

fn seconds(term: Term) -> Term {
    Term::new(format!("({} * 1000)", term.rendered.sql), term.rendered.bound, Kind::Time, term.place)
}

fn joined(left: &Term, sign: char, right: &Term, kind: Kind) -> Term {
    let sql = format!("({} {sign} {})", left.rendered.sql, right.rendered.sql);
    Term::new(sql, [left.rendered.bound.as_slice(), &right.rendered.bound].concat(), kind, left.place)
}

/// The operands of a chain of one operator, however it nests to the left.
fn chain<'e>(expression: &'e Expr, operator: &BinaryOperator) -> Vec<&'e Expr> {
    let mut operands = Vec::new();
    let mut rest = expression;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == operator
    {
        operands.push(right.as_ref());
        rest = left;
    }
    operands.push(rest);
    operands.reverse();
    operands
}

fn not_allowed(expression: &Expr, at: Location) -> Problem {
    /// Characters of the author's text worth repeating.
    const SHOWN: usize = 60;
    let mut shown: String = expression.to_string().chars().take(SHOWN + 1).collect();
    if shown.chars().count() > SHOWN {
        shown.pop();
        shown.push('…');
    }
    let message = format!(
        "`{shown}` cannot be used in a view; use comparisons, and, or, not, + - * / %, in, between, like, is null"
    );
    Problem::at(at, message)
}
