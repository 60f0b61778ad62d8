//! SCXML documents become plugins: read, merged, checked, compiled, and put into the runtime that this program carries.
//!
//! One way, whoever asks: `jackfield convert`, the plugins folder, and every command that takes the file of a plugin.

use std::path::Path;

use jackfield_plugins::Converter;
use jackfield_scxml::merge::{Folder, MergeLimits};
use jackfield_scxml::plugin::{Manifest, name_of, plugin};
use jackfield_scxml::problem::{Problem, Severity};
use jackfield_scxml::source::Sources;
use jackfield_scxml::{OpenOptions, compile, open};
use jackfield_strategy::{self as strategy, Engine, LoadError, digest_of};

/// The component that converted documents run in, built from `sdk/scxml-runtime/component`.
pub static RUNTIME: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/scxml-runtime.wasm"));

/// Digits of a digest that make a version.
const VERSION_DIGITS: usize = 12;

/// How documents are made plugins of.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// How they are opened.
    pub open: OpenOptions,
    /// What routing scripts call it; none: the name of the document, or of its file.
    pub name: Option<String>,
    /// None: made of its content.
    pub version: Option<String>,
}

/// What came of it.
pub struct Made {
    /// None: it has errors.
    pub plugin: Option<Plugin>,
    /// All that is wrong with it, by place.
    pub problems: Vec<Problem>,
    /// Its files.
    pub sources: Sources,
}

/// A plugin made of a document.
pub struct Plugin {
    /// Who it is.
    pub manifest: Manifest,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Made {
    /// The errors, or all there are, a line each.
    pub fn lines(&self, only_errors: bool) -> Vec<String> {
        let counts = |problem: &&Problem| !only_errors || problem.severity == Severity::Error;
        self.problems.iter().filter(counts).map(|problem| problem.line(&self.sources)).collect()
    }
}

/// Whether a file is a document, by its name.
pub fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "scxml")
}

/// Makes a plugin of the document at this path.
///
/// # Errors
/// Its folder cannot be read. What is wrong with the document is a result.
pub fn make(path: &Path, making: &Making) -> std::io::Result<Made> {
    let (folder, file) = Folder::project_of(path);
    let files = Folder::new(&folder, MergeLimits::default().file.bytes as u64)?;
    let opened = open(&files, &file, making.open);
    let is_loadable = opened.is_loadable();
    let (mut problems, sources) = (opened.problems, opened.sources);
    let mut plugin_made = None;
    if let Some(document) = opened.document.filter(|_| is_loadable) {
        let compiled = compile::compile(&document, &sources, &files, &file);
        problems.extend(compiled.problems);
        plugin_made = compiled.bundle.map(|bundle| {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let named = making.name.clone().or_else(|| document.name.as_ref().map(|name| name.as_str().to_owned()));
            let digest = digest_of(&bundle.encode());
            let manifest = Manifest {
                name: name_of(&named.unwrap_or(stem)),
                version: making.version.clone().unwrap_or_else(|| digest.chars().take(VERSION_DIGITS).collect()),
                description: format!("converted from {file}"),
            };
            Plugin { bytes: plugin(RUNTIME, &manifest, &bundle), manifest }
        });
    }
    Ok(Made { plugin: plugin_made, problems, sources })
}

/// For the plugins folder: errors are told, a line each; what is no error is for `jackfield scxml check`.
pub fn converter() -> Converter {
    Converter::new(|path, _| bytes_of(path))
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

/// The bytes of a plugin made of the document at this path.
///
/// # Errors
/// What is wrong with it, a line each.
pub fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let made = make(path, &Making::default()).map_err(|error| format!("{}: {error}", path.display()))?;
    match &made.plugin {
        Some(_) => Ok(made.plugin.map(|plugin| plugin.bytes).unwrap_or_default()),
        None => Err(made.lines(true).join("\n")),
    }
}
