//! The plugins a node has, by name. Running sessions keep the plugin they began with, whatever
//! changes here.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use crate::engine::Engine;
use crate::load::LoadError;
use crate::plugin::Plugin;

/// Plugins by the name in their manifest.
#[derive(Debug, Default)]
pub struct Plugins {
    by_name: RwLock<BTreeMap<String, Plugin>>,
}

impl Plugins {
    /// Loads every `.wasm` file of a folder, in the order of their names. A file that is refused
    /// changes nothing for the others; of two plugins with one name the first is kept.
    ///
    /// # Errors
    /// When the folder cannot be read. Files that are refused are told beside the plugins.
    pub async fn from_folder(engine: &Engine, folder: &Path) -> io::Result<(Plugins, Vec<LoadError>)> {
        let (plugins, mut errors) = (Plugins::default(), Vec::new());
        for path in wasm_files(folder)? {
            match engine.load(&path).await {
                Ok(plugin) => match plugins.get(plugin.name()) {
                    Some(other) => errors.push(LoadError::Duplicate {
                        origin: plugin.origin().into(),
                        name: plugin.name().into(),
                        other: other.origin().into(),
                    }),
                    None => plugins.insert(plugin),
                },
                Err(error) => errors.push(error),
            }
        }
        Ok((plugins, errors))
    }

    /// Takes a plugin in; one of the same name is replaced, for sessions still to start.
    pub fn insert(&self, plugin: Plugin) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(plugin.name().into(), plugin);
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<Plugin> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Plugin> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

fn wasm_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
