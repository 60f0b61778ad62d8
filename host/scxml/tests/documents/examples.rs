//! The applications under `examples/` are right, and merging one gives what it should.

use std::path::{Path, PathBuf};

use jackfield_scxml::merge::{Folder, MergeLimits, merge};
use jackfield_scxml::model::Profile;
use jackfield_scxml::{OpenOptions, open, xml};

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path)
}

#[test]
fn the_examples_have_no_problems_but_notes_on_attributes_that_have_no_effect() {
    for path in ["composer/src-gen/IPD_default_Mail.scxml", "miniature/miniature.scxml"] {
        let (root, name) = Folder::project_of(&example(path));
        let opened = open(&Folder::new(&root, 1 << 20).unwrap(), &name, OpenOptions::default());
        assert!(opened.is_loadable(), "{path}");
        assert_eq!(opened.document.unwrap().profile, Profile::Ors, "{path}");
        let told: Vec<_> = opened.problems.iter().map(|problem| problem.line(&opened.sources)).collect();
        let other: Vec<_> = told.iter().filter(|line| !line.contains(": note[extension-attribute]: _")).collect();
        assert!(other.is_empty(), "{other:#?}");
    }
}

#[test]
fn a_page_checked_by_itself_tells_that_it_is_not_included() {
    let (root, name) = Folder::project_of(&example("composer/src-gen/Mail.scxml"));
    let opened = open(&Folder::new(&root, 1 << 20).unwrap(), &name, OpenOptions::default());
    let mut rules: Vec<_> = opened.problems.iter().map(|problem| problem.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(rules, ["extension-attribute", "not-included", "unreachable-state"]);
}

/// With `JACKFIELD_WRITE=1` in the environment the file is written anew; look at the difference then.
#[test]
fn the_merged_application_is_what_it_was() {
    let (root, name) = Folder::project_of(&example("composer/src-gen/IPD_default_Mail.scxml"));
    let merged = merge(&Folder::new(&root, 1 << 20).unwrap(), &name, &MergeLimits::default());
    let files: Vec<_> = merged.sources.files().iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        files,
        [
            "src-gen/IPD_default_Mail.scxml",
            "include/common.js",
            "include/mail.js",
            "src-gen/Mail.scxml",
            "src/subRoutines/OfferTo.scxml"
        ]
    );
    let text = xml::write(&merged.root.unwrap());
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/composer-merged.scxml");
    if std::env::var_os("JACKFIELD_WRITE").is_some() {
        std::fs::write(&kept, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&kept).unwrap_or_default();
    let different = text.lines().zip(expected.lines()).find(|(now, before)| now != before);
    assert_eq!(different, None, "write it anew with JACKFIELD_WRITE=1, and look at the difference");
    assert_eq!(text, expected);
}
