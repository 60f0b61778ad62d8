//! W3C's tests of SCXML. They stay outside of this repository: beside it in `../shared/w3c-irp`, or where
//! `JACKFIELD_W3C` says.

use std::path::{Path, PathBuf};

/// The documents with the ECMAScript data model, in order; none, and a line that says so, where they are missing.
pub fn documents() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/w3c-irp");
    let folder = std::env::var_os("JACKFIELD_W3C").map_or(beside, PathBuf::from).join("ecma");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!(
            "W3C's documents are not looked at: there is no {}; JACKFIELD_W3C may name their folder",
            folder.display()
        );
        return Vec::new();
    };
    let mut documents: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scxml"))
        .collect();
    documents.sort();
    assert!(documents.len() >= 200, "{} holds {} documents", folder.display(), documents.len());
    documents
}
