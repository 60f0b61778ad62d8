//! A folder, and components in many versions.

#[path = "../../../strategy/tests/guest/mod.rs"]
mod guest;
#[path = "../../../strategy/tests/guest/versioned.rs"]
mod versions;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jackfield_plugins::{FileState, FileStatus, Folder, FolderSettings, PluginStatus, VersionStatus};
use jackfield_strategy::{Engine, Settings};

pub use versions::{of_another_contract, version};

/// Longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Settings { live: 64, ..Settings::default() }).expect("an engine"))
}

/// The component of a test strategy.
pub fn component(name: &str) -> Vec<u8> {
    std::fs::read(guest::guest(name)).expect("a guest")
}

/// The plugin `versioned` in this version.
pub fn versioned(number: u32) -> Vec<u8> {
    versions::versioned(number, "good")
}

/// A plugins folder, and what a node keeps beside it.
pub struct Home {
    folder: tempfile::TempDir,
    pub settings: FolderSettings,
}

impl Home {
    pub fn new() -> Home {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = FolderSettings::new(folder.path().join("plugins"), folder.path().join("data/plugins"));
        std::fs::create_dir(&settings.folder).expect("a folder");
        Home { folder, settings }
    }

    /// A path in the plugins folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.settings.folder.join(name)
    }

    /// A path beside it, on the same disk.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder in place.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("a file");
    }

    /// Puts a file into the folder as a whole.
    pub fn move_in(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.beside("part"), bytes).expect("a file");
        std::fs::rename(self.beside("part"), self.path(name)).expect("a rename");
    }

    pub async fn open(&self) -> Folder {
        Folder::open(engine().clone(), self.settings.clone()).await.expect("a folder")
    }
}

/// Waits until something is so.
pub async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Waits until new sessions of `versioned` get this version.
pub async fn serves(folder: &Folder, number: u32) {
    let is_it = || folder.plugins().get("versioned").filter(|plugin| plugin.version() == version(number)).map(drop);
    until(&format!("version {number}"), is_it).await;
}

pub fn plugin(folder: &Folder, name: &str) -> Option<PluginStatus> {
    folder.status().0.into_iter().find(|plugin| plugin.name == name)
}

pub fn the_version(folder: &Folder, number: u32) -> Option<VersionStatus> {
    plugin(folder, "versioned")?.versions.into_iter().find(|status| status.version == version(number))
}

/// What became of a file.
pub fn file(folder: &Folder, path: &Path) -> Option<FileStatus> {
    folder.status().1.into_iter().find(|file| Path::new(&file.file) == path)
}

/// Waits until a file is refused, and says why.
pub async fn refused(folder: &Folder, path: &Path) -> String {
    let problem = || file(folder, path).filter(|file| file.state == FileState::Refused)?.problem;
    until(&format!("{} is refused", path.display()), problem).await
}
