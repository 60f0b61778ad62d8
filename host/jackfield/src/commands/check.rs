//! `jackfield check`: the configuration, checked; nothing is started.

use serde_json::json;

use crate::cli::{Check, Global};
use crate::config;
use crate::exit::Exit;
use crate::output;

/// Check the configuration.
///
/// # Errors
/// It is wrong (all errors are in the error), or cannot be read.
pub fn check(global: &Global, arguments: &Check) -> anyhow::Result<Exit> {
    let (site, warnings) = config::load(&global.site)?;
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
            "{} is right: {} servers, {} queues, {} views, {} submitters, {} strategies, {} agents; {} warnings",
            global.site.display(),
            site.servers.len(),
            site.queues.len(),
            site.views.len(),
            site.submitters.len(),
            site.strategies.len(),
            site.agents.len(),
            warnings.all().len(),
        ))?;
    }
    Ok(if arguments.strict && !warnings.is_empty() { Exit::Configuration } else { Exit::Done })
}
