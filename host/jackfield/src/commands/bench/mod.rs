//! Placeholder.
use crate::cli::{self, Global};
use crate::exit::Exit;
#[allow(missing_docs)]
pub async fn bench(_global: &Global, _arguments: cli::Bench) -> anyhow::Result<Exit> { anyhow::bail!("not built yet") }
