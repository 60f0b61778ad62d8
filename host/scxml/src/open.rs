//! A file with all it includes, as the document it is, and all that is wrong with it.

use crate::check::{CheckOptions, check};
use crate::merge::{Files, MergeLimits, merge};
use crate::model::{Document, FoundProfile, Profile, read};
use crate::problem::{Problem, any_error};
use crate::source::Sources;

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// The dialect; none: the one that it is in.
    pub profile: Option<Profile>,
    /// How it is checked.
    pub check: CheckOptions,
    /// What it may have at most.
    pub limits: MergeLimits,
}

/// A file that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// All files it is made of; the first is the one that was asked for.
    pub sources: Sources,
    /// The document; none when it could not be read at all. It is whole when [`Opened::is_loadable`].
    pub document: Option<Document>,
    /// How its dialect was found; none when that was given, or nothing could be read.
    pub profile: Option<FoundProfile>,
    /// All that is wrong with it, by file and place.
    pub problems: Vec<Problem>,
}

impl Opened {
    /// True when nothing keeps the document from being loaded.
    pub fn is_loadable(&self) -> bool {
        self.document.is_some() && !any_error(&self.problems)
    }
}

/// Open, merge, read and check the document at `path` of `files`.
pub fn open(files: &dyn Files, path: &str, options: OpenOptions) -> Opened {
    let merged = merge(files, path, &options.limits);
    let mut problems = merged.problems;
    let reading = merged.root.as_ref().map(|root| read(root, options.profile));
    let (document, profile) = match reading {
        Some(reading) => {
            problems.extend(reading.problems);
            (reading.document, reading.profile)
        }
        None => (None, None),
    };
    // What is not whole has problems that follow from that alone.
    if let Some(document) = document.as_ref().filter(|_| !any_error(&problems)) {
        problems.extend(check(document, options.check));
    }
    problems.sort_by_key(|problem| (problem.span.file, problem.span.start, problem.span.end, problem.rule));
    // A page that is included twice has its problems twice.
    problems.dedup_by(|second, first| second.rule == first.rule && second.span == first.span);
    Opened { sources: merged.sources, document, profile, problems }
}
