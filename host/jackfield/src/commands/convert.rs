//! `jackfield convert`: SCXML documents become plugins.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::cli::{Convert, Global};
use crate::documents;
use crate::exit::{Exit, Usage};
use crate::output;

/// Convert them, one after the other.
///
/// # Errors
/// A file cannot be read or written. A document with errors is a result.
pub fn convert(global: &Global, arguments: &Convert) -> anyhow::Result<Exit> {
    let is_one = arguments.files.len() == 1;
    if !is_one && arguments.name.is_some() {
        return Err(Usage("--name is for one document; several would have the same name".to_owned()).into());
    }
    let reading = arguments.reading.of(arguments.allow_unsupported);
    let mut progress = output::Progress::new("converted", global.json);
    let mut converted = 0;
    for (index, file) in arguments.files.iter().enumerate() {
        let document = documents::open(file, &reading)?;
        let (made, more) = document.plugin(arguments.name.as_deref(), arguments.as_version.as_deref());
        let problems = [document.opened.problems.as_slice(), &more].concat();
        if !problems.is_empty() {
            output::complain(document.report(&problems, output::is_terminal_error()).trim_end());
        }
        let Some(plugin) = made else {
            output::complain(&format!("error: {} cannot be converted", file.display()));
            continue;
        };
        let to = output_of(file, arguments.output.as_deref(), is_one)?;
        write(&to, &plugin.bytes).with_context(|| format!("{} cannot be written", to.display()))?;
        converted += 1;
        let (manifest, bytes) = (&plugin.manifest, plugin.bytes.len());
        output::line(if global.json {
            json!({
                "document": file,
                "plugin": to,
                "name": manifest.name,
                "version": manifest.version,
                "bytes": bytes,
            })
            .to_string()
        } else {
            format!("{}: plugin {} {}, {} KiB", to.display(), manifest.name, manifest.version, bytes.div_ceil(1024))
        })?;
        progress.at(index + 1, arguments.files.len());
    }
    Ok(match converted {
        all if all == arguments.files.len() => Exit::Done,
        0 => Exit::Failed,
        _ => Exit::Partly,
    })
}

/// The file that is written.
fn output_of(file: &Path, output: Option<&Path>, is_one: bool) -> anyhow::Result<PathBuf> {
    let beside = file.with_extension("wasm");
    let Some(output) = output else { return Ok(beside) };
    let name = beside.file_name().with_context(|| format!("{} is no file", file.display()))?;
    if output.is_dir() {
        return Ok(output.join(name));
    }
    if !is_one {
        let text = format!("{} is no folder; name one that is there for several documents", output.display());
        return Err(Usage(text).into());
    }
    Ok(output.to_owned())
}

/// Whole or not at all: a node may be watching.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("wasm.part");
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}
