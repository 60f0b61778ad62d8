//! Skill expressions, such as `Billing >= 5 & (English > 3 | Spanish > 3)`.
//!
//! A comparison is a skill name, one of `= != < <= > >=`, and an integer. Comparisons are joined by
//! `&` and `|`, read from left to right with no precedence between them; parentheses group
//! (reference page, *URS routing for multimedia*). A name with anything but letters, digits and
//! `_ - .` in it is written in double quotes. A skill an agent does not have counts as level 0.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use crate::directory::AgentSet;

/// Bytes a skill expression may have.
pub const SKILL_EXPRESSION_BYTES: usize = 4_096;
/// How deep its parentheses may nest.
pub const SKILL_EXPRESSION_DEPTH: usize = 32;

/// A skill expression that was read and can be asked. Printed, it is an expression that means the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillExpression(Chain);

/// Why a text is no skill expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillError {
    /// What is wrong, and what would be right.
    pub message: String,
    /// The bytes of the text it is about; empty at its end.
    pub span: Range<usize>,
}

impl fmt::Display for SkillError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (at byte {})", self.message, self.span.start)
    }
}

impl std::error::Error for SkillError {}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    first: Box<Term>,
    rest: Vec<(Joint, Term)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Compare { skill: String, comparison: Comparison, level: i32 },
    Group(Chain),
}

/// How a level is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl SkillExpression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says what was expected and where.
    pub fn parse(text: &str) -> Result<SkillExpression, SkillError> {
        if text.len() > SKILL_EXPRESSION_BYTES {
            let message = format!("a skill expression has at most {SKILL_EXPRESSION_BYTES} bytes");
            return Err(SkillError { message, span: SKILL_EXPRESSION_BYTES..text.len() });
        }
        let mut parser = Parser { tokens: Tokens::new(text).peekable(), end: text.len() };
        let chain = parser.chain(SKILL_EXPRESSION_DEPTH)?;
        match parser.next()? {
            (Token::End, _) => Ok(SkillExpression(chain)),
            (token, span) => Err(expected("`&`, `|` or the end", &token, span)),
        }
    }

    /// Whether somebody with these levels satisfies it.
    pub fn matches(&self, level: impl Fn(&str) -> i32) -> bool {
        self.0.matches(&level)
    }

    /// The skills it names.
    pub(crate) fn skills<'a>(&'a self, all: &mut BTreeSet<&'a str>) {
        self.0.skills(all);
    }

    /// Everybody who satisfies it. `comparing` answers with those whose level of a skill compares so with another.
    pub(crate) fn select(&self, comparing: &impl Fn(&str, Comparison, i32) -> AgentSet) -> AgentSet {
        self.0.select(comparing)
    }
}

impl fmt::Display for SkillExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(formatter)?;
        self.rest.iter().try_for_each(|(joint, term)| write!(formatter, " {} {term}", joint.sign()))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Group(chain) => write!(formatter, "({chain})"),
            Term::Compare { skill, comparison, level } => {
                // What begins otherwise may read as a number.
                let plain = skill.starts_with(|first: char| first.is_alphabetic() || first == '_');
                let quote = if plain && skill.chars().all(is_name) { "" } else { "\"" };
                write!(formatter, "{quote}{skill}{quote} {} {level}", comparison.sign())
            }
        }
    }
}

impl Joint {
    fn sign(self) -> &'static str {
        match self {
            Joint::And => "&",
            Joint::Or => "|",
        }
    }
}

impl Comparison {
    /// Whether somebody who has this level satisfies `wanted`.
    pub(crate) fn holds(self, has: i32, wanted: i32) -> bool {
        match self {
            Comparison::Equal => has == wanted,
            Comparison::NotEqual => has != wanted,
            Comparison::Less => has < wanted,
            Comparison::LessOrEqual => has <= wanted,
            Comparison::Greater => has > wanted,
            Comparison::GreaterOrEqual => has >= wanted,
        }
    }

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

impl Chain {
    fn skills<'a>(&'a self, all: &mut BTreeSet<&'a str>) {
        for term in std::iter::once(&*self.first).chain(self.rest.iter().map(|(_, term)| term)) {
            match term {
                Term::Compare { skill, .. } => {
                    all.insert(skill);
                }
                Term::Group(chain) => chain.skills(all),
            }
        }
    }

    fn matches(&self, level: &dyn Fn(&str) -> i32) -> bool {
        self.rest.iter().fold(self.first.matches(level), |left, (joint, term)| match joint {
            Joint::And => left && term.matches(level),
            Joint::Or => left || term.matches(level),
        })
    }

    fn select(&self, comparing: &impl Fn(&str, Comparison, i32) -> AgentSet) -> AgentSet {
        self.rest.iter().fold(self.first.select(comparing), |mut left, (joint, term)| {
            let right = term.select(comparing);
            match joint {
                Joint::And => left.intersect_with(&right),
                Joint::Or => left.union_with(&right),
            }
            left
        })
    }
}

impl Term {
    fn matches(&self, level: &dyn Fn(&str) -> i32) -> bool {
        match self {
            Term::Group(chain) => chain.matches(level),
            Term::Compare { skill, comparison, level: wanted } => comparison.holds(level(skill), *wanted),
        }
    }

    fn select(&self, comparing: &impl Fn(&str, Comparison, i32) -> AgentSet) -> AgentSet {
        match self {
            Term::Group(chain) => chain.select(comparing),
            Term::Compare { skill, comparison, level } => comparing(skill, *comparison, *level),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Integer(i32),
    Comparison(Comparison),
    Joint(Joint),
    Open,
    Close,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Name(name) => write!(formatter, "`{name}`"),
            Token::Integer(integer) => write!(formatter, "`{integer}`"),
            Token::Comparison(comparison) => write!(formatter, "`{}`", comparison.sign()),
            Token::Joint(joint) => write!(formatter, "`{}`", joint.sign()),
            Token::Open => formatter.write_str("`(`"),
            Token::Close => formatter.write_str("`)`"),
            Token::End => formatter.write_str("the end"),
        }
    }
}

fn expected(what: &str, found: &Token, span: Range<usize>) -> SkillError {
    SkillError { message: format!("expected {what}, found {found}"), span }
}

struct Parser<'a> {
    tokens: Peekable<Tokens<'a>>,
    end: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<(Token, Range<usize>), SkillError> {
        self.tokens.next().unwrap_or(Ok((Token::End, self.end..self.end)))
    }

    fn chain(&mut self, depth: usize) -> Result<Chain, SkillError> {
        let first = Box::new(self.term(depth)?);
        let mut rest = Vec::new();
        while let Some(Ok((Token::Joint(joint), _))) = self.tokens.peek() {
            let joint = *joint;
            self.next()?;
            rest.push((joint, self.term(depth)?));
        }
        Ok(Chain { first, rest })
    }

    fn term(&mut self, depth: usize) -> Result<Term, SkillError> {
        match self.next()? {
            (Token::Open, span) => {
                let Some(depth) = depth.checked_sub(1) else {
                    let message = format!("parentheses nest at most {SKILL_EXPRESSION_DEPTH} deep");
                    return Err(SkillError { message, span });
                };
                let chain = self.chain(depth)?;
                match self.next()? {
                    (Token::Close, _) => Ok(Term::Group(chain)),
                    (token, span) => Err(expected("`&`, `|` or `)`", &token, span)),
                }
            }
            (Token::Name(skill), _) => {
                let comparison = match self.next()? {
                    (Token::Comparison(comparison), _) => comparison,
                    (token, span) => return Err(expected("one of `= != < <= > >=`", &token, span)),
                };
                match self.next()? {
                    (Token::Integer(level), _) => Ok(Term::Compare { skill, comparison, level }),
                    (token, span) => Err(expected("an integer", &token, span)),
                }
            }
            (token, span) => Err(expected("a skill name or `(`", &token, span)),
        }
    }
}

struct Tokens<'a> {
    text: &'a str,
    characters: Peekable<CharIndices<'a>>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Tokens { text, characters: text.char_indices().peekable() }
    }

    /// Moves past every character that satisfies `test`; answers where that ends.
    fn skip(&mut self, test: impl Fn(char) -> bool) -> usize {
        while self.characters.next_if(|&(_, character)| test(character)).is_some() {}
        self.characters.peek().map_or(self.text.len(), |&(at, _)| at)
    }

    fn token(&mut self, start: usize, first: char) -> Result<Token, SkillError> {
        let equals_follows = |tokens: &mut Self| tokens.characters.next_if(|&(_, c)| c == '=').is_some();
        Ok(match first {
            '(' => Token::Open,
            ')' => Token::Close,
            '&' => Token::Joint(Joint::And),
            '|' => Token::Joint(Joint::Or),
            '=' => Token::Comparison(Comparison::Equal),
            '<' if equals_follows(self) => Token::Comparison(Comparison::LessOrEqual),
            '<' => Token::Comparison(Comparison::Less),
            '>' if equals_follows(self) => Token::Comparison(Comparison::GreaterOrEqual),
            '>' => Token::Comparison(Comparison::Greater),
            '!' if equals_follows(self) => Token::Comparison(Comparison::NotEqual),
            '"' => {
                let end = self.skip(|character| character != '"');
                if self.characters.next().is_none() {
                    let message = "this quoted skill name has no closing `\"`".to_owned();
                    return Err(SkillError { message, span: start..end });
                }
                Token::Name(self.text.get(start + 1..end).unwrap_or_default().to_owned())
            }
            character if character.is_ascii_digit() || character == '-' => {
                let end = self.skip(is_name);
                let written = self.text.get(start..end).unwrap_or_default();
                match written.parse() {
                    Ok(integer) => Token::Integer(integer),
                    // A name may begin with a digit: `2nd_level`.
                    Err(_) if written.chars().any(char::is_alphabetic) => Token::Name(written.to_owned()),
                    Err(_) => {
                        let message = format!("`{written}` is not an integer of 32 bits");
                        return Err(SkillError { message, span: start..end });
                    }
                }
            }
            character if is_name(character) => {
                let end = self.skip(is_name);
                Token::Name(self.text.get(start..end).unwrap_or_default().to_owned())
            }
            character => {
                let message = format!("`{character}` has no meaning in a skill expression");
                return Err(SkillError { message, span: start..start + character.len_utf8() });
            }
        })
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

impl Iterator for Tokens<'_> {
    type Item = Result<(Token, Range<usize>), SkillError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(char::is_whitespace);
        let (start, first) = self.characters.next()?;
        let token = self.token(start, first);
        let end = self.characters.peek().map_or(self.text.len(), |&(at, _)| at);
        Some(token.map(|token| (token, start..end)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(text: &str, levels: &[(&str, i32)]) -> bool {
        SkillExpression::parse(text)
            .expect(text)
            .matches(|skill| levels.iter().find(|(name, _)| *name == skill).map_or(0, |(_, level)| *level))
    }

    #[test]
    fn each_comparison_compares() {
        for (text, below, same, above) in [
            ("Billing = 5", false, true, false),
            ("Billing != 5", true, false, true),
            ("Billing < 5", true, false, false),
            ("Billing <= 5", true, true, false),
            ("Billing > 5", false, false, true),
            ("Billing>=5", false, true, true),
        ] {
            let results = [4, 5, 6].map(|level| asked(text, &[("Billing", level)]));
            assert_eq!(results, [below, same, above], "{text}");
        }
    }

    #[test]
    fn joints_are_read_from_left_to_right_and_parentheses_group() {
        let levels = [("a", 1)];
        assert!(!asked("a = 1 | a = 1 & a = 2", &levels));
        assert!(asked("a = 1 | (a = 1 & a = 2)", &levels));
        assert!(asked("(a = 2 | a = 1) & a = 1", &levels));
    }

    #[test]
    fn an_expression_is_printed_as_it_is_read() {
        for text in ["Billing >= 5 & (English > 3 | Spanish > 3)", "\"Tech Support\" != -1", "\"2\" < 0 | _a.b-c = 1"] {
            assert_eq!(SkillExpression::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(SkillExpression::parse("2nd=007").expect("a name").to_string(), "\"2nd\" = 7");
    }

    #[test]
    fn a_missing_skill_is_level_nought_and_names_may_be_quoted() {
        assert!(asked("\"Tech Support\" < 1", &[]));
        assert!(asked("\"Tech Support\" = 7 & 2nd_level > -3", &[("Tech Support", 7), ("2nd_level", -2)]));
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, span, says) in [
            ("", 0..0, "expected a skill name or `(`, found the end"),
            ("Billing", 7..7, "expected one of `= != < <= > >=`, found the end"),
            ("Billing >= five", 11..15, "expected an integer, found `five`"),
            ("Billing >= 5 English > 3", 13..20, "expected `&`, `|` or the end, found `English`"),
            ("(Billing >= 5", 13..13, "expected `&`, `|` or `)`, found the end"),
            ("Billing >= 99999999999", 11..22, "`99999999999` is not an integer of 32 bits"),
            ("Billing ; 5", 8..9, "`;` has no meaning in a skill expression"),
            ("\"Billing > 5", 0..12, "this quoted skill name has no closing `\"`"),
        ] {
            let error = SkillExpression::parse(text).expect_err(text);
            assert_eq!((error.span, error.message.as_str()), (span, says), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{}a=1{}", "(".repeat(SKILL_EXPRESSION_DEPTH), ")".repeat(SKILL_EXPRESSION_DEPTH));
        assert!(SkillExpression::parse(&deep).is_ok());
        assert!(SkillExpression::parse(&format!("({deep})")).is_err());
        assert!(SkillExpression::parse(&"a".repeat(SKILL_EXPRESSION_BYTES + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_inside_its_bounds(text in "[ab\"()&|<>=!0-9 é;-]{0,40}") {
            if let Err(error) = SkillExpression::parse(&text) {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}
