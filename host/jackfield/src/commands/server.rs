//! `jackfield server`: one Interaction Server in a process of its own.

use serde_json::json;

use crate::cli::{Global, ServerArguments};
use crate::exit::Exit;
use crate::reload::{Owners, Reload};
use crate::{connect, embedded, output, signals};

/// Run the server until a signal.
///
/// # Errors
/// It does not start.
pub async fn server(global: &Global, arguments: ServerArguments) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let of = connect::server(&site, &arguments.name)?;
    let stop = signals::stop_token(global.with_parent)?;
    let running = embedded::start(&site, of).await?;
    if global.json {
        output::line(json!({ "step": "ready", "server": of.name.get_ref(), "address": of.address() }).to_string())?;
    } else {
        output::line(format!("server `{}` listens at {}; Ctrl-C stops it", of.name.get_ref(), of.address()))?;
    }
    let owners = Owners { servers: vec![(of.name.get_ref().clone(), running.clone())], node: None };
    let reload = Reload::start(site.clone(), owners)?;
    stop.cancelled().await;
    reload.close().await?;
    tracing::info!(server = %of.name.get_ref(), "stopping");
    running.shutdown().await;
    Ok(Exit::Done)
}
