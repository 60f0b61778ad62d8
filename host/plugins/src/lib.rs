//! The plugins folder: which strategies there are, in which versions, and which one a new session gets.
//!
//! ```text
//! files ──▶ Folder ──▶ Plugins ◀── start, ended ── node
//!             ▲  │         (deployment, breaker: pure rules for one plugin)
//!  commands ──┘  └──▶ choices.json, versions/
//! ```
//!
//! [`Folder`] notices files, waits until they are whole, has them checked and compiled, and carries out what
//! operators want. [`Plugins`] is what it comes to: the node asks it for each session, and tells it how each
//! ended. Running sessions keep the version they began with, whatever changes here.

#![cfg(unix)]

mod archive;
mod breaker;
mod choice;
mod command;
mod deployment;
mod file;
mod folder;
mod status;
mod table;
mod watch;

pub use breaker::{BreakerSettings, WINDOW_MOST};
pub use choice::{Canary, Choice, ChoiceError, Choices, Known};
pub use command::{Command, CommandError};
pub use deployment::{Arrival, Comparison, Rollout};
pub use folder::{Converter, Folder, FolderError, FolderSettings};
pub use status::{ComparedStatus, DifferenceStatus, FileState, FileStatus, PluginState, PluginStatus, VersionStatus};
pub use table::{Plugins, Rollouts};
pub use watch::Watch;
