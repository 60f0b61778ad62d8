//! How deeply a text is nested, known without reading it: what reads it would call itself once for each level.

use std::ops::Range;

use super::SyntaxError;

/// Brackets within each other. One takes about 2 KiB of stack; an operator that takes what follows it a fourth of that.
pub const NESTING: usize = 250;

/// What a bracket counts, in operators.
const BRACKET: usize = 4;

/// See that `text` is not nested more than [`NESTING`] deep.
///
/// # Errors
/// It is.
pub fn check_nesting(text: &str) -> Result<(), SyntaxError> {
    // For each open bracket, and for the text itself, what waits for what follows.
    let mut open = vec![Waiting::default()];
    let mut scanner = Scanner::of(text);
    // Of the brackets and all that waits around the innermost of them.
    let mut outside = 0_usize;
    while let Some((token, range)) = scanner.next() {
        match token {
            Token::Open => {
                outside += BRACKET + open.last().map_or(0, Waiting::depth);
                open.push(Waiting::default());
            }
            Token::Close => {
                if open.len() > 1 {
                    open.pop();
                    outside = outside.saturating_sub(BRACKET + open.last().map_or(0, Waiting::depth));
                }
            }
            _ => {
                if let Some(waiting) = open.last_mut() {
                    waiting.take(&token);
                }
            }
        }
        if outside + open.last().map_or(0, Waiting::depth) > NESTING * BRACKET {
            let message = format!("nested more than {NESTING} deep");
            return Err(SyntaxError { message, range });
        }
    }
    Ok(())
}

/// What waits for what follows it, in one pair of brackets.
#[derive(Default)]
struct Waiting {
    /// Operators.
    operators: usize,
    /// Words such as `if`.
    statements: usize,
    /// Words such as `if` of the statement that has just ended: an `else` goes on with it.
    ended: usize,
}

impl Waiting {
    fn depth(&self) -> usize {
        self.operators + self.statements
    }

    fn take(&mut self, token: &Token) {
        let ended = std::mem::take(&mut self.ended);
        match token {
            Token::Comma => self.operators = 0,
            Token::Semicolon | Token::Begin(_) => {
                self.operators = 0;
                let statements = std::mem::take(&mut self.statements);
                if let Token::Semicolon = token {
                    self.ended = statements;
                }
            }
            Token::Else => self.statements += ended + 1,
            _ => {}
        }
        match token {
            Token::Word(Word::Operator) | Token::Begin(Word::Operator) => self.operators += 1,
            Token::Word(Word::Statement) | Token::Begin(Word::Statement) => self.statements += 1,
            _ => {}
        }
    }
}

/// What is written in the strings of `text`, without their quotes, and with escapes as they are.
pub fn strings(text: &str) -> Vec<&str> {
    let mut scanner = Scanner::of(text);
    let mut strings = Vec::new();
    while let Some((_, range)) = scanner.next() {
        let token = text.get(range).unwrap_or("");
        let quote = token.chars().next().filter(|quote| "'\"".contains(*quote));
        let inner = quote.and_then(|quote| token.strip_prefix(quote)?.strip_suffix(quote));
        strings.extend(inner);
    }
    strings
}

enum Token {
    Open,
    Close,
    Comma,
    Semicolon,
    Else,
    /// The first word of a statement, which ends what is before it.
    Begin(Word),
    Word(Word),
    Other,
}

/// Whether a word or sign takes what follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// It takes an operand.
    Operator,
    /// It takes a statement.
    Statement,
    /// It does not.
    Operand,
}

impl Word {
    fn of(name: &str) -> Word {
        match name {
            "typeof" | "void" | "delete" | "new" | "await" | "yield" | "function" | "class" | "throw" | "return"
            | "in" | "of" | "instanceof" => Word::Operator,
            "if" | "for" | "while" | "do" | "with" | "try" | "switch" | "case" => Word::Statement,
            _ => Word::Operand,
        }
    }
}

/// Divides a text in pieces well enough to know what is nested: strings, comments and regular expressions are passed
/// over.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// A value is before this place, so that `/` divides.
    after_operand: bool,
    /// A `}` is right before this place.
    after_block: bool,
    /// A `)` is right before this place: what follows may belong to an `if`.
    after_parenthesis: bool,
    /// A line has ended since the last token.
    line_ended: bool,
    /// For each template that is open: brackets open in its `${}`.
    templates: Vec<usize>,
}

impl<'t> Scanner<'t> {
    fn of(text: &'t str) -> Scanner<'t> {
        Scanner {
            text,
            at: 0,
            after_operand: false,
            after_block: false,
            after_parenthesis: false,
            line_ended: false,
            templates: Vec::new(),
        }
    }

    fn next(&mut self) -> Option<(Token, Range<usize>)> {
        loop {
            let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
            let start = self.at;
            let first = rest.chars().next()?;
            if first.is_whitespace() {
                self.at += first.len_utf8();
                self.line_ended |= matches!(first, '\n' | '\r' | '\u{2028}' | '\u{2029}');
                continue;
            }
            if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(rest.len());
                continue;
            }
            if rest.starts_with("/*") {
                self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
                continue;
            }
            let (token, length, operand) = match first {
                '\'' | '"' => (Token::Other, quoted(rest, first), true),
                '`' => self.template(rest, 1),
                '}' if self.templates.last() == Some(&0) => {
                    self.templates.pop();
                    let (_, length, operand) = self.template(rest, 1);
                    (Token::Close, length, operand)
                }
                '(' | '[' | '{' => {
                    if let (Some(open), '{') = (self.templates.last_mut(), first) {
                        *open += 1;
                    }
                    (Token::Open, 1, false)
                }
                ')' | ']' | '}' => {
                    if let (Some(open), '}') = (self.templates.last_mut(), first) {
                        *open = open.saturating_sub(1);
                    }
                    (Token::Close, 1, true)
                }
                ',' => (Token::Comma, 1, false),
                ';' => (Token::Semicolon, 1, false),
                '/' if !self.after_operand => (Token::Other, regular_expression(rest), true),
                '0'..='9' => (Token::Other, word(rest), true),
                _ if first.is_alphabetic() || "_$\\".contains(first) => {
                    let length = word(rest);
                    let name = rest.get(..length).unwrap_or("");
                    let word = Word::of(name);
                    let goes_on = matches!(name, "while" | "catch" | "finally" | "in" | "of" | "instanceof");
                    let begins = self.after_block || (self.line_ended && self.after_operand && !self.after_parenthesis);
                    let token = match name {
                        "else" => Token::Else,
                        _ if begins && !goes_on => Token::Begin(word),
                        _ => Token::Word(word),
                    };
                    (token, length, word == Word::Operand && name != "else")
                }
                // `a ? b : c` waits at `?` and at `:`, as a label does.
                '!' | '~' | '?' | ':' | '=' => (Token::Word(Word::Operator), 1, false),
                '*' if rest.starts_with("**") => (Token::Word(Word::Operator), 2, false),
                '+' | '-' if !self.after_operand => (Token::Word(Word::Operator), 1, false),
                '+' | '-' if rest.starts_with("++") || rest.starts_with("--") => (Token::Other, 2, self.after_operand),
                _ => (Token::Other, first.len_utf8(), false),
            };
            self.after_operand = operand;
            self.after_block = first == '}';
            self.after_parenthesis = first == ')';
            self.line_ended = false;
            self.at += length;
            return Some((token, start..self.at));
        }
    }

    /// The rest of a template from byte `from` of `rest` on: up to its end, or to a `${` in it.
    fn template(&mut self, rest: &str, from: usize) -> (Token, usize, bool) {
        let mut escaped = false;
        let mut dollar = false;
        for (at, character) in rest.char_indices().skip_while(|(at, _)| *at < from) {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '`' => return (Token::Other, at + 1, true),
                '{' if dollar => {
                    self.templates.push(0);
                    return (Token::Open, at + 1, false);
                }
                _ => {}
            }
            dollar = character == '$' && !escaped;
        }
        (Token::Other, rest.len(), true)
    }
}

/// Bytes of the string that `rest` begins with.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // An unterminated string ends with its line.
            '\n' | '\r' => return at,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of the regular expression that `rest` begins with.
fn regular_expression(rest: &str) -> usize {
    let (mut escaped, mut class) = (false, false);
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '\n' | '\r' => return 1,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '/' if !class => return at + 1,
            _ => {}
        }
    }
    1
}

/// Bytes of the name or number that `rest` begins with.
fn word(rest: &str) -> usize {
    let end = rest.char_indices().find(|(at, character)| {
        *at > 0 && !(character.is_alphanumeric() || "_$\\\u{200c}\u{200d}".contains(*character))
    });
    end.map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use oxc_allocator::Allocator;

    use super::super::parse_program;
    use super::*;

    #[test]
    fn no_text_is_nested_so_deeply_that_reading_it_exhausts_the_stack() {
        let deep = |open: &str, middle: &str, close: &str| {
            let text = format!("{}{middle}{}", open.repeat(20_000), close.repeat(20_000));
            let error = parse_program(&Allocator::default(), &text).map(|_| ()).unwrap_err();
            assert!(error.message.contains("nested"), "{open}: {error}");
        };
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{", "", "}"),
            ("x={a:", "1", "}"),
            ("`${", "1", "}`"),
            ("!", "1", ""),
            ("- ", "1", ""),
            ("typeof ", "1", ""),
            ("a?b:", "1", ""),
            ("a=", "1", ""),
            ("a=>", "1", ""),
            ("(a)=>(", "1", ")"),
            ("1**", "1", ""),
            ("new ", "a", ""),
            ("if(1)", "1", ""),
            ("if(1);else ", "1", ""),
            ("if(1)a,b;else ", "1", ""),
            ("if(1){}else ", "1", ""),
            ("for(;;)", "1", ""),
            ("x=function(){", "1", "}"),
            ("')' + (", "1", ")"),
            ("/)/.test(", "1", ")"),
            ("/* ) */ (", "1", ")"),
            ("async x => ", "1", ""),
            ("if (a)\n", "1", ""),
            ("if (a) {}\nelse\n", "1", ""),
        ] {
            deep(open, middle, close);
        }
    }

    #[test]
    fn long_texts_that_are_not_nested_are_read() {
        for text in [
            format!("1{}", " + 'a(' + b.c[1]".repeat(5_000)),
            format!("[{}]", "{a: -1, b: !c}, ".repeat(5_000)),
            "if (a) { b(); } else if (!c) { d = e ? 1 : 2; }\n".repeat(5_000),
            "a = b / c; d = /[/(]/.test(e); // ((\n".repeat(5_000),
            "a = function (x) { return `${x}` };".repeat(5_000),
            "a = b\nc = typeof d\n".repeat(5_000),
            "function f() { }\nif (a) { } else { }\nwhile (b) { }\n".repeat(5_000),
            "if (a) { b } else ".repeat(300) + "{ }",
        ] {
            check_nesting(&text).unwrap();
        }
    }
}
