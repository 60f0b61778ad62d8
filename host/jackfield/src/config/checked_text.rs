//! A configuration that is at hand as text, judged as `jackfield check` judges a file.

use std::ops::Range;
use std::path::Path;

use jackfield_link::Endpoint;

use super::{
    ConfigurationError, Problems, Site, engine_settings, folder_settings, gather, journal_settings, node_settings,
    server_settings,
};

/// What there is to say of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedText {
    /// Whether a site can run with it; there may be warnings then.
    pub is_right: bool,
    /// Bytes of the text that errors and warnings are about, in the order of the text; second places of a
    /// problem come after the first.
    pub places: Vec<Range<usize>>,
    /// The errors and warnings, for people; empty: there is none.
    pub report: String,
}

/// Checks a text as `jackfield check` does a file, views included, and makes of a site that is right all that the
/// parts of the program are told. `path` is where it would be: what it names is looked for from there, and only
/// public keys are read.
pub fn check_text(path: &Path, text: &str) -> CheckedText {
    match gather(path, text, true) {
        Ok((site, warnings)) => {
            tell_all(&site);
            CheckedText::new(true, &warnings)
        }
        Err(ConfigurationError::Invalid(problems)) => CheckedText::new(false, &problems),
        Err(ConfigurationError::Unreadable { reason, .. }) => {
            CheckedText { is_right: false, places: Vec::new(), report: reason }
        }
    }
}

impl CheckedText {
    fn new(is_right: bool, problems: &Problems) -> CheckedText {
        let places = problems.all().iter().flat_map(|problem| {
            std::iter::once(problem.span.clone()).chain(problem.related.iter().map(|(span, _)| span.clone()))
        });
        CheckedText { is_right, places: places.collect(), report: problems.report(false) }
    }
}

/// As a start does.
fn tell_all(site: &Site) {
    for server in &site.servers {
        let _ = server_settings(site, server);
    }
    let _ = node_settings(site, |server| Endpoint::Tcp(server.address()));
    let _ = (engine_settings(site), folder_settings(site, false), journal_settings(site));
}
