//! The site, from `jackfield.toml`.
//!
//! Reading has three steps: every object by itself (`objects`), then what objects say about each other
//! (`check`, and about pulling `pulling`), then the settings each crate is given (`settings`). Problems of all steps are gathered
//! and reported together, each with its place in the file. Options are defined once, in `options`, and what
//! objects set of them is in `values`.

mod calendar;
mod changes;
mod check;
mod checked_text;
mod connections;
mod day;
mod media;
mod model;
mod objects;
pub mod options;
mod problem;
mod pulling;
mod section;
mod settings;
mod values;
mod views;

use std::path::{Path, PathBuf};

pub use changes::{Change, changes};
pub use checked_text::{CheckedText, check_text};
pub use day::load_day;
pub use media::MediaKind;
pub use model::{Server, Site};
pub use problem::{Problems, nearest_word};
pub use pulling::Form;
pub use settings::{
    engine_beside, engine_settings, folder_settings, journal_settings, node_settings, policies, server_settings,
    vouching,
};

use section::Notes;

/// Largest file that is read, in bytes.
const FILE_BYTES: u64 = 16 << 20;

/// Why there is no site.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file cannot be read at all.
    #[error("cannot read {path}: {reason}; name the configuration file with --site")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was read, and is wrong.
    #[error(transparent)]
    Invalid(Problems),
}

/// Read and check the file at `path`. The warnings that come with a site do not keep it from running.
///
/// # Errors
/// The file cannot be read, or has errors: all of them, not only the first.
pub fn load(path: &Path) -> Result<(Site, Problems), ConfigurationError> {
    parse(path, &read(path)?)
}

/// The same, and views that servers could not use are errors, too: a server goes on without a bad view, and
/// warns.
///
/// # Errors
/// As [`load`].
pub fn load_with_views(path: &Path) -> Result<(Site, Problems), ConfigurationError> {
    gather(path, &read(path)?, true)
}

/// What the file says, without a look at it.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<String, ConfigurationError> {
    let unreadable = |reason: String| ConfigurationError::Unreadable { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_BYTES {
        return Err(unreadable(format!("{size} bytes are more than the {FILE_BYTES} a configuration may have")));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes)
        .map_err(|error| unreadable(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to())))
}

/// [`load`] for a text that is at hand.
///
/// # Errors
/// All errors of the text.
pub fn parse(path: &Path, text: &str) -> Result<(Site, Problems), ConfigurationError> {
    gather(path, text, false)
}

fn gather(path: &Path, text: &str, with_views: bool) -> Result<(Site, Problems), ConfigurationError> {
    let notes = Notes::default();
    let site = objects::read(path, text, &notes);
    check::check(&site, &notes);
    pulling::check(&site, &notes);
    if with_views {
        views::check(&site, text, &notes);
    }
    let problems = Problems::new(path, text, notes.into_problems());
    if problems.errors() > 0 { Err(ConfigurationError::Invalid(problems)) } else { Ok((site, problems)) }
}
