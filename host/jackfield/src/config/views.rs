//! Conditions and orders of views, tried out as a server would: each mistake gets its place in the file.
//!
//! A server that is opened with a bad view goes on without it, so only `jackfield check` asks for this.

use std::ops::Range;

use jackfield_server::{ViewProblem, view_problems};

use super::model::Site;
use super::problem::Problem;
use super::section::{Notes, Text};
use super::settings::server_settings;

/// Note each view that the Interaction Servers of `site` could not use; `text` is the file.
pub fn check(site: &Site, text: &str, notes: &Notes) {
    let mut known: Vec<ViewProblem> = Vec::new();
    for server in &site.servers {
        let mut settings = server_settings(site, server);
        // A server looks no further into a view with a bad condition; its order is looked at without it.
        for _part in ["condition", "order"] {
            let problems = match view_problems(&settings) {
                Ok(problems) => problems,
                Err(error) => {
                    let message = format!("the views of server `{}` cannot be checked: {error}", server.name.get_ref());
                    notes.push(Problem::new(server.name.span(), message, "on this one"));
                    return;
                }
            };
            for problem in problems {
                let bad = settings.views.iter_mut().find(|view| view.name == problem.view);
                if let Some(view) = bad.filter(|_| problem.part == "condition") {
                    view.condition.clear();
                }
                // A view of several servers is wrong on each of them in the same way.
                if !known.contains(&problem) {
                    note(site, text, &problem, notes);
                    known.push(problem);
                }
            }
        }
    }
}

fn note(site: &Site, text: &str, problem: &ViewProblem, notes: &Notes) {
    let Some(view) = site.views.iter().find(|view| view.name.get_ref() == &problem.view) else { return };
    let value = match problem.part {
        "condition" => &view.condition,
        "order" => &view.order,
        // Already found to be unknown.
        _ => return,
    };
    // Servers say what to do in the same line.
    let (what, help) = match problem.message.split_once("; ") {
        Some((what, help)) => (what, Some(help)),
        None => (problem.message.as_str(), None),
    };
    let message = format!("view `{}` has a bad {}: {what}", problem.view, problem.part);
    let mut note = Problem::new(place(value, text, problem), message, "here");
    note.help = help.map(str::to_owned);
    notes.push(note);
}

/// The word that `problem` is about; the whole value where it cannot be told, because the problem has no
/// one place or the value is written with escapes.
fn place(value: &Text, text: &str, problem: &ViewProblem) -> Range<usize> {
    let whole = value.span();
    let found = || {
        let written = text.get(whole.clone())?;
        let start = whole.start + content_start(written, value.get_ref())?;
        let offset = offset(value.get_ref(), problem.line, problem.column)?;
        let rest = value.get_ref().get(offset..)?;
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let word = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
        Some(start + offset..start + offset + length)
    };
    found().unwrap_or(whole)
}

/// Where in `written`, a TOML string with its quotes, `content` begins; none where escapes change it.
fn content_start(written: &str, content: &str) -> Option<usize> {
    ["\"\"\"\r\n", "\"\"\"\n", "\"\"\"", "'''\r\n", "'''\n", "'''", "\"", "'"].iter().find_map(|opening| {
        let closing = opening.trim_end();
        let inner = written.strip_prefix(opening)?.strip_suffix(closing)?;
        (inner == content).then_some(opening.len())
    })
}

/// Byte of a line and a column (in characters), both from 1.
fn offset(content: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let begin: usize = content.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = content.get(begin..)?;
    let ends = rest.char_indices().map(|(byte, _)| byte).chain([rest.len()]);
    ends.into_iter().nth(column).map(|byte| begin + byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_string_is_found_where_nothing_is_escaped() {
        assert_eq!(content_start("\"a b\"", "a b"), Some(1));
        assert_eq!(content_start("'a b'", "a b"), Some(1));
        assert_eq!(content_start("\"\"\"\na\nb\"\"\"", "a\nb"), Some(4));
        assert_eq!(content_start("'''a'''", "a"), Some(3));
        assert_eq!(content_start("\"a\\tb\"", "a\tb"), None);
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        assert_eq!(offset("äb\ncd", 1, 2), Some(2));
        assert_eq!(offset("äb\ncd", 2, 2), Some(5));
        assert_eq!(offset("äb", 1, 3), Some(3), "the end is a place");
        assert_eq!((offset("äb", 0, 0), offset("äb", 1, 9)), (None, None));
    }
}
