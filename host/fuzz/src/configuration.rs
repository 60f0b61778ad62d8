//! `jackfield.toml`.

use std::path::Path;

use jackfield::check_text;

pub(crate) const WORDS: &[&str] = &[
    "[application]\n",
    "[application.options.orchestration]\n",
    "[[server]]\n",
    "[[queue]]\n",
    "[[view]]\n",
    "[[submitter]]\n",
    "[[strategy]]\n",
    "[[plugin]]\n",
    "[[agent]]\n",
    "[[custom-property]]\n",
    "[[trusted-key]]\n",
    "[list.a.b]\n",
    "name = ",
    "id = ",
    "port = ",
    "condition = ",
    "order = ",
    "skills = { ",
    "capacity = { ",
    "\"\"\"",
    "'''",
    "\"\\u00e4\"",
    "= 9223372036854775807\n",
    "= -1\n",
    "= 1e9\n",
    "= 1979-05-27T07:32:00Z\n",
    "= [",
    "= {",
    "= true\n",
    "😀",
    "\r\n",
    "\t",
    "\u{feff}",
];

/// It is taken, or every problem has a place within the text and a report that can be read; and it is judged the
/// same again.
pub fn configuration(bytes: &[u8]) {
    // What is not UTF-8 is refused before it is looked at.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = Path::new("/nowhere/jackfield.toml");
    let first = check_text(file, text);
    for place in &first.places {
        assert!(text.get(place.clone()).is_some(), "{place:?} is no place in the text of {} bytes", text.len());
    }
    assert!(first.is_right || !first.places.is_empty(), "refused, and nothing is wrong");
    let headings = first.report.lines().filter(|line| line.starts_with("/nowhere/jackfield.toml:")).count();
    assert!(headings > 0 || first.places.is_empty(), "{} places, and no problem is reported", first.places.len());
    assert_eq!(first, check_text(file, text), "the second time it is judged otherwise");
}
