//! `jackfield check`: the configuration, checked; nothing is started.

use serde_json::json;

use crate::cli::{Check, Global};
use crate::config;
use crate::exit::Exit;
use crate::{output, text};

/// Check the configuration.
///
/// # Errors
/// It is wrong (all errors are in the error), or cannot be read.
pub fn check(global: &Global, arguments: &Check) -> anyhow::Result<Exit> {
    let (site, warnings) = config::load_with_views(&global.site)?;
    if global.json {
        output::line(
            json!({
                "file": global.site.display().to_string(),
                "servers": site.servers.len(),
                "queues": site.queues.len(),
                "strategies": site.strategies.len(),
                "agents": site.agents.len(),
                "problems": warnings.to_json(),
            })
            .to_string(),
        )?;
    } else {
        if !warnings.is_empty() {
            output::complain(warnings.report(output::is_terminal_error()).trim_end());
        }
        output::line(format!(
            "{} is right: {}, {}, {}, {}, {}, {}; {}",
            global.site.display(),
            text::count(site.servers.len(), "server"),
            text::count(site.queues.len(), "queue"),
            text::count(site.views.len(), "view"),
            text::count(site.submitters.len(), "submitter"),
            text::counted(site.strategies.len(), "strategy", "strategies"),
            text::count(site.agents.len(), "agent"),
            text::count(warnings.all().len(), "warning"),
        ))?;
    }
    Ok(if arguments.strict && !warnings.is_empty() { Exit::Configuration } else { Exit::Done })
}
