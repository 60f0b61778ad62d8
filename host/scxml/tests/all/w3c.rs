//! All of W3C's documents are read without an error, as what they are.

use jackfield_scxml::model::{Profile, read};
use jackfield_scxml::problem::Severity;
use jackfield_scxml::source::Sources;
use jackfield_scxml::xml;

use crate::w3c_folder::documents;

#[test]
fn every_document_of_the_w3c_is_read_without_an_error_and_as_w3c() {
    let mut wrong = Vec::new();
    for path in documents() {
        let mut sources = Sources::default();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = sources.add(name, std::fs::read_to_string(&path).unwrap());
        let reading = read(&xml::read(&sources, file, xml::Limits::default()).unwrap(), None);
        assert_eq!(reading.document.unwrap().profile, Profile::W3c, "{}", path.display());
        let worse = reading.problems.iter().filter(|problem| problem.severity > Severity::Note);
        wrong.extend(worse.map(|problem| problem.line(&sources)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
