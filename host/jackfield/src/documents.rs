//! SCXML documents: opened with all they include, and made plugins of: compiled, and put into the runtime that this program
//! carries.
//!
//! One way, whoever asks: `jackfield scxml`, `jackfield convert`, the plugins folder, and every command that takes the file
//! of a plugin.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jackfield_plugins::Converter;
use jackfield_scxml::check::CheckOptions;
use jackfield_scxml::compile;
use jackfield_scxml::merge::{Folder, MergeLimits};
use jackfield_scxml::model::Profile;
use jackfield_scxml::plugin::{Manifest, name_of, plugin};
use jackfield_scxml::problem::{Problem, Severity};
use jackfield_scxml::report;
use jackfield_scxml::{OpenOptions, Opened};
use jackfield_strategy::{self as strategy, Engine, LoadError, digest_of};

use crate::exit::Usage;

/// The component that converted documents run in, built from `sdk/scxml-runtime/component`.
pub static RUNTIME: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/scxml-runtime.wasm"));

/// Digits of a digest that make a version.
const VERSION_DIGITS: usize = 12;

/// How documents are read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The dialect; none: the one that follows from what is written in it.
    pub profile: Option<Profile>,
    /// The folder that all included files are in; none: that of the document, or the one above its `src-gen`.
    pub project: Option<PathBuf>,
    /// Actions that are not supported raise an error event when they are reached.
    pub allow_unsupported: bool,
}

/// A document that was opened.
pub struct Document {
    /// What it is, and what is wrong with it.
    pub opened: Opened,
    /// What names of its files have before them to be paths from here.
    pub base: String,
    folder: Folder,
    /// Its path in its project.
    own: String,
}

impl Document {
    /// What is wrong with it, for people; empty where nothing is.
    pub fn report(&self, problems: &[Problem], colours: bool) -> String {
        report::for_people(problems, &self.opened.sources, &self.base, colours)
    }

    /// A plugin made of it: none, and what is wrong, where that cannot be. Without a name it has that of the document, or
    /// of its file; without a version one made of its content.
    pub fn plugin(&self, name: Option<&str>, version: Option<&str>) -> (Option<Plugin>, Vec<Problem>) {
        let Some(document) = self.opened.document.as_ref().filter(|_| self.opened.is_loadable()) else {
            return (None, Vec::new());
        };
        let compiled = compile::compile(document, &self.opened.sources, &self.folder, &self.own);
        let made = compiled.bundle.map(|bundle| {
            let stem = Path::new(&self.own).file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let named = name.map(str::to_owned).or_else(|| document.name.as_ref().map(|name| name.as_str().to_owned()));
            let digest = digest_of(&bundle.encode());
            let manifest = Manifest {
                name: name_of(&named.or(stem).unwrap_or_default()),
                version: version.map_or_else(|| digest.chars().take(VERSION_DIGITS).collect(), str::to_owned),
                description: format!("converted from {}", self.own),
            };
            Plugin { bytes: plugin(RUNTIME, &manifest, &bundle), manifest }
        });
        (made, compiled.problems)
    }
}

/// A plugin made of a document.
pub struct Plugin {
    /// Who it is.
    pub manifest: Manifest,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Whether a file is a document, by its name.
pub fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "scxml")
}

/// Opens the document at this path with all it includes. What is wrong with it is a result.
///
/// # Errors
/// Its folder cannot be read, or it is not in the project that was named.
pub fn open(path: &Path, reading: &Reading) -> anyhow::Result<Document> {
    let limits = MergeLimits::default();
    let (root, own) = match &reading.project {
        Some(project) => (project.clone(), None),
        None => {
            let (root, own) = Folder::project_of(path);
            (root, Some(own))
        }
    };
    let folder = Folder::new(&root, limits.file.bytes as u64)
        .with_context(|| format!("cannot look into the folder {}", root.display()))?;
    let own = match own {
        Some(own) => own,
        None => folder
            .path_of(path)
            .map_err(|error| Usage(format!("{}: {error}; --project names a folder above it", path.display())))?,
    };
    let check = CheckOptions { allow_unsupported: reading.allow_unsupported };
    let options = OpenOptions { profile: reading.profile, check, limits };
    let base = if root == Path::new(".") { String::new() } else { format!("{}/", root.display()) };
    Ok(Document { opened: jackfield_scxml::open(&folder, &own, options), base, folder, own })
}

/// For the plugins folder: errors are told, a line each; what is none is for `jackfield scxml check`.
pub fn converter() -> Converter {
    Converter::new(|path, _| bytes_of(path))
}

/// The bytes of a plugin made of the document at this path.
fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let document = open(path, &Reading::default()).map_err(|error| format!("{}: {error:#}", path.display()))?;
    let (made, problems) = document.plugin(None, None);
    made.map(|made| made.bytes).ok_or_else(|| {
        let all = document.opened.problems.iter().chain(&problems);
        let errors = all.filter(|problem| problem.severity == Severity::Error);
        let lines = errors.map(|problem| format!("{}{}", document.base, problem.line(&document.opened.sources)));
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Loads the plugin of this file: a component, or a document.
///
/// # Errors
/// Says what is wrong with it, and what to do.
pub async fn load(engine: &Engine, path: &Path) -> Result<strategy::Plugin, LoadError> {
    if !is_document(path) {
        return engine.load(path).await;
    }
    let origin = path.display().to_string();
    match bytes_of(path) {
        Ok(bytes) => engine.load_bytes(&origin, &bytes).await,
        Err(reason) => Err(LoadError::Document { origin, reason }),
    }
}
