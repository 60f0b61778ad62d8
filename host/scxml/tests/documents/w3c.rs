//! All of W3C's documents are read, and nothing that is wrong with them keeps them from loading.

use std::path::Path;

use jackfield_scxml::merge::Folder;
use jackfield_scxml::model::Profile;
use jackfield_scxml::problem::Severity;
use jackfield_scxml::{OpenOptions, open};

use crate::w3c_folder::documents;

/// Documents that hold ECMAScript which cannot be read, on purpose.
const UNREADABLE: &[&str] = &[
    "test152", "test156", "test277", "test307", "test309", "test312", "test313", "test314", "test344", "test457",
    "test487", "test488", "test528", "test553", "test554",
];

#[test]
fn every_document_of_the_w3c_loads_as_w3c_and_what_is_unreadable_in_it_is_a_warning() {
    let mut wrong = Vec::new();
    let mut unreadable = Vec::new();
    for path in documents() {
        let files = Folder::new(path.parent().unwrap_or(Path::new(".")), 1 << 20).unwrap();
        let opened = open(&files, &path.file_name().unwrap().to_string_lossy(), OpenOptions::default());
        assert_eq!(opened.document.unwrap().profile, Profile::W3c, "{}", path.display());
        for problem in &opened.problems {
            let line = problem.line(&opened.sources);
            // Its script is on a disk that is not there: it has to be rejected.
            if problem.severity == Severity::Error && !line.starts_with("test301.scxml:3:10: error[outside-project]") {
                wrong.push(line.clone());
            }
            println!("{line}");
            if matches!(problem.rule, "syntax" | "location") {
                unreadable.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    unreadable.dedup();
    if !unreadable.is_empty() {
        assert_eq!(unreadable, UNREADABLE);
    }
}
