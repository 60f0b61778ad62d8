//! Reading one table of the file key by key. A [`Section`] hands out typed values, notes each problem
//! with its place, and at the end names every key that nobody asked for.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, nearest_word};

/// Text with its place.
pub type Text = Spanned<String>;

/// Where problems are noted while a file is read.
#[derive(Debug, Default)]
pub struct Notes(RefCell<Vec<Problem>>);

impl Notes {
    /// Note one.
    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// All that were noted.
    pub fn into_problems(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// The tables of a text, as far as they can be read; what is no TOML is noted.
pub fn document<'t>(text: &'t str, notes: &Notes) -> Spanned<DeTable<'t>> {
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    for error in syntax_errors {
        let span = error.span().unwrap_or(0..0);
        notes.push(Problem::new(span, format!("not valid TOML: {}", error.message()), "here"));
    }
    document
}

/// One table being read.
pub struct Section<'n, 't> {
    notes: &'n Notes,
    /// How messages call it, such as `[[queue]]`.
    what: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'n, 't> Section<'n, 't> {
    /// Begin to read `table`.
    pub fn new(notes: &'n Notes, what: &'static str, span: Range<usize>, table: &'t DeTable<'t>) -> Section<'n, 't> {
        Section { notes, what, span, table, asked: Vec::new() }
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The raw value of a key, where it is there.
    pub fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// Text that may be left out.
    pub fn text(&mut self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        self.as_text(key, value)
    }

    /// Text that must be there and not be empty.
    pub fn required_text(&mut self, key: &'static str) -> Option<Text> {
        let Some(value) = self.value(key) else {
            self.missing(key, "text");
            return None;
        };
        let text = self.as_text(key, value)?;
        if text.get_ref().trim().is_empty() {
            self.notes.push(Problem::new(value.span(), format!("`{key}` is empty"), "must be some text"));
            return None;
        }
        Some(text)
    }

    /// A whole number from `min` to `max` that may be left out.
    pub fn integer(&mut self, key: &'static str, min: i64, max: i64) -> Option<Spanned<i64>> {
        let value = self.value(key)?;
        let number = integer_of(value);
        match number {
            Some(number) if (min..=max).contains(&number) => Some(Spanned::new(value.span(), number)),
            Some(number) => {
                let message = format!("`{key}` is out of range");
                let label = format!("{number} is not within {min} to {max}");
                self.notes.push(Problem::new(value.span(), message, label));
                None
            }
            None => {
                self.wrong_type(key, value, "a whole number");
                None
            }
        }
    }

    /// A whole number that must be there.
    pub fn required_integer(&mut self, key: &'static str, min: i64, max: i64) -> Option<Spanned<i64>> {
        if !self.table.iter().any(|(name, _)| name.get_ref() == key) {
            self.asked.push(key);
            self.missing(key, "a whole number");
            return None;
        }
        self.integer(key, min, max)
    }

    /// `true` or `false`; `default` where it is left out.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(key, value, "true or false");
            default
        })
    }

    /// A list of texts; empty where it is left out.
    pub fn texts(&mut self, key: &'static str) -> Vec<Text> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of texts, such as [\"one\", \"two\"]");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.as_text(key, item)).collect()
    }

    /// A table of whole numbers by name, such as `{ Billing = 7 }`; empty where it is left out.
    pub fn integers(&mut self, key: &'static str, min: i64, max: i64) -> Vec<(Text, i64)> {
        let mut integers = Vec::new();
        for (name, value) in self.entries(key) {
            match integer_of(value) {
                Some(number) if (min..=max).contains(&number) => {
                    integers.push((Spanned::new(name.span(), name.get_ref().to_string()), number));
                }
                Some(number) => self.notes.push(Problem::new(
                    value.span(),
                    format!("`{key}.{}` is out of range", name.get_ref()),
                    format!("{number} is not within {min} to {max}"),
                )),
                None => self.wrong_type(key, value, "a whole number"),
            }
        }
        integers
    }

    /// A table of texts by name; numbers and switches count as their text. Empty where it is left out.
    pub fn map(&mut self, key: &'static str) -> Vec<(Text, String)> {
        let mut map = Vec::new();
        for (name, value) in self.entries(key) {
            match scalar_text(value.get_ref()) {
                Some(text) => map.push((Spanned::new(name.span(), name.get_ref().to_string()), text)),
                None => self.wrong_type(key, value, "text, a number, true or false"),
            }
        }
        map
    }

    /// The entries of a table inside this one; none where it is left out.
    pub fn entries(
        &mut self,
        key: &'static str,
    ) -> Vec<(&'t Spanned<toml::de::DeString<'t>>, &'t Spanned<DeValue<'t>>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        match value.get_ref().as_table() {
            Some(table) => table.iter().collect(),
            None => {
                self.wrong_type(key, value, "a table");
                Vec::new()
            }
        }
    }

    /// Note each key nobody asked for.
    pub fn finish(self) {
        for (key, _) in self.table.iter() {
            let word: &str = key.get_ref();
            if !self.asked.contains(&word) {
                self.notes.push(
                    Problem::new(
                        key.span(),
                        format!("unknown key `{word}` in {}", self.what),
                        "not a key of this object",
                    )
                    .help(nearest_word(word, self.asked.iter().copied())),
                );
            }
        }
    }

    fn as_text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Text> {
        match value.get_ref().as_str() {
            Some(text) => Some(Spanned::new(value.span(), text.to_owned())),
            None => {
                self.wrong_type(key, value, "text");
                None
            }
        }
    }

    fn missing(&self, key: &str, wanted: &str) {
        self.notes.push(
            Problem::new(self.span.clone(), format!("{} has no `{key}`", self.what), "this one")
                .help(format!("add `{key}`: {wanted}")),
        );
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        wrong_type(self.notes, key, value, wanted);
    }
}

/// Note that `value` is of a type that `key` does not take.
pub fn wrong_type(notes: &Notes, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
    let label = format!("this is {}", type_words(value.get_ref()));
    notes.push(Problem::new(value.span(), format!("`{key}` must be {wanted}"), label));
}

/// A TOML integer, whatever its base, when 64 bits hold it.
pub fn integer_of(value: &Spanned<DeValue<'_>>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A text, number or switch as text.
pub fn scalar_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) => Some(integer.to_string()),
        DeValue::Float(float) => Some(float.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
