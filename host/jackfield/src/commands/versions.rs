//! Versions of plugins that recorded sessions ran, loaded from the journal, each once.

use std::collections::HashMap;

use jackfield_journal::{JournalFile, SessionRow};
use jackfield_strategy::{Engine, Plugin};

use crate::config::{self, Site};

/// Instances at once that may be looked at: as many as there are processors, and some for those that
/// are just being dropped.
const SPARE: usize = 4;

/// The versions that were asked for so far, by digest; or why one cannot be had.
pub struct Versions {
    engine: Engine,
    loaded: HashMap<String, Result<Plugin, String>>,
}

impl Versions {
    /// With an engine of the site's limits and policies: a version these forbid cannot be had here either.
    ///
    /// # Errors
    /// The engine cannot be set up.
    pub fn new(site: &Site) -> anyhow::Result<Versions> {
        Ok(Versions { engine: config::engine_beside(site, at_once() + SPARE)?, loaded: HashMap::new() })
    }

    /// The engine they were loaded with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The version this session runs.
    ///
    /// # Errors
    /// Says why it cannot be had.
    pub async fn of(&mut self, file: &JournalFile, row: &SessionRow) -> Result<Plugin, String> {
        if let Some(loaded) = self.loaded.get(&row.digest) {
            return loaded.clone();
        }
        let loaded = match file.component(&row.digest) {
            Ok(Some(bytes)) => {
                let origin = format!("{} {} of the journal", row.plugin, row.version);
                self.engine.load_bytes(&origin, &bytes).await.map_err(|error| error.to_string())
            }
            Ok(None) => Err(format!("the journal does not have {} {}", row.plugin, row.version)),
            Err(error) => Err(error.to_string()),
        };
        self.loaded.insert(row.digest.clone(), loaded.clone());
        loaded
    }
}

/// Instances to run at once.
pub fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
