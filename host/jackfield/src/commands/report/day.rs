//! `jackfield report day`: a report made of lines that `jackfield report` has written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::waits::{Heard, Waits};
use crate::cli::{Global, ReportDay};
use crate::exit::{Exit, Usage};
use crate::{output, text};

/// What was read beside the waits.
#[derive(Default)]
struct Lines {
    read: usize,
    /// Of no meaning.
    bad: usize,
    /// Lines that say that something is lost.
    gaps: usize,
    first: Option<i64>,
    last: Option<i64>,
}

/// Read the files, and report. Code 3 when something is known to be missing.
///
/// # Errors
/// A file cannot be read; the time zone is none.
pub fn day(global: &Global, arguments: &ReportDay) -> anyhow::Result<Exit> {
    let zone = zone(arguments.zone.as_deref())?;
    let within = i64::try_from(arguments.within.as_millis()).unwrap_or(i64::MAX);
    let mut waits = Waits::new(within, zone.clone());
    let mut lines = Lines::default();
    for file in &arguments.files {
        if file == Path::new("-") {
            read(io::stdin().lock(), arguments, &zone, &mut waits, &mut lines).context("standard input")?;
        } else {
            let opened = File::open(file).with_context(|| format!("cannot read {}", text::path(file)))?;
            read(BufReader::new(opened), arguments, &zone, &mut waits, &mut lines)
                .with_context(|| format!("cannot read {}", text::path(file)))?;
        }
    }
    show(global, &waits, &lines)?;
    Ok(if lines.bad + lines.gaps == 0 { Exit::Done } else { Exit::Partly })
}

fn zone(name: Option<&str>) -> anyhow::Result<TimeZone> {
    match name {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name)
            .map_err(|error| Usage(format!("--zone {name}: {error}; write a name such as Europe/Vienna")).into()),
    }
}

fn read(
    file: impl BufRead,
    arguments: &ReportDay,
    zone: &TimeZone,
    waits: &mut Waits,
    lines: &mut Lines,
) -> io::Result<()> {
    for line in file.split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let json: Json = serde_json::from_slice(&line).unwrap_or_default();
        let Some(at) = json.get("at").and_then(Json::as_i64) else {
            // A line that was cut off in the middle, or something else.
            lines.bad += 1;
            continue;
        };
        if !is_of_day(arguments.date.as_deref(), zone, at) {
            continue;
        }
        lines.read += 1;
        lines.first = Some(lines.first.map_or(at, |first| first.min(at)));
        lines.last = Some(lines.last.map_or(at, |last| last.max(at)));
        if json.get("event").and_then(Json::as_str) == Some("gap") {
            lines.gaps += 1;
        } else if let Some(heard) = Heard::read(&json) {
            waits.enter(heard);
        }
    }
    Ok(())
}

fn is_of_day(date: Option<&str>, zone: &TimeZone, at: i64) -> bool {
    let Some(date) = date else { return true };
    Timestamp::from_millisecond(at).is_ok_and(|moment| zone.to_datetime(moment).date().to_string() == date)
}

fn show(global: &Global, waits: &Waits, lines: &Lines) -> anyhow::Result<()> {
    if global.json {
        let report = json!({
            "lines": lines.read,
            "unreadable": lines.bad,
            "gaps": lines.gaps,
            "from": lines.first,
            "to": lines.last,
            "virtualQueues": waits.as_json(),
        });
        return output::line(report.to_string());
    }
    if let (Some(first), Some(last)) = (lines.first, lines.last) {
        output::line(format!("Waits in virtual queues, from {} to {}", text::moment(first), text::moment(last)))?;
    }
    if waits.is_empty() {
        output::line("Nothing waited in a virtual queue.")?;
    } else {
        output::line(waits.table())?;
        output::line("\nBy the hour: what came in, and the mean wait of what was answered")?;
        for line in waits.chart() {
            output::line(line)?;
        }
    }
    let (gaps, bad) = (text::count(lines.gaps, "gap"), text::count(lines.bad, "line"));
    if lines.gaps > 0 {
        output::complain(&format!("{gaps} in what was heard: there was more than is counted here"));
    }
    if lines.bad > 0 {
        output::complain(&format!("{bad} cannot be read and are left out"));
    }
    Ok(())
}
