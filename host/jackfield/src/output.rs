//! What the program prints: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use tracing_subscriber::EnvFilter;

use crate::exit::Usage;

/// A line under the headings, and nothing else that gets in the way of reading.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// One line (or several) of result.
///
/// # Errors
/// Standard output is closed.
pub fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Text with no line end, such as a prompt or a line that will be drawn again.
///
/// # Errors
/// Standard output is closed.
pub fn part(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A line for people, beside the results. Nobody may be reading it; that is no failure.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Time between two lines of progress; what takes no longer shows none.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Tells now and then how far something is that takes a while.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    next: Instant,
    silent: bool,
}

impl Progress {
    /// Of something that begins now: `replayed` is told as `replayed 7 of 9`.
    pub fn new(what: &'static str, silent: bool) -> Progress {
        Progress { what, next: Instant::now() + PROGRESS_EVERY, silent }
    }

    /// It is so far.
    pub fn at(&mut self, done: usize, of: usize) {
        if !self.silent && Instant::now() >= self.next {
            self.next = Instant::now() + PROGRESS_EVERY;
            complain(&format!("{} {done} of {of}", self.what));
        }
    }
}

/// Whether results go to a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether complaints go to a terminal that may be coloured.
pub fn is_terminal_error() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A table; columns whose heading begins with `#` are numbers, set to the right.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    let aligned = |text: &str, heading: &str| {
        let right = heading.starts_with('#');
        Cell::new(text).set_alignment(if right { CellAlignment::Right } else { CellAlignment::Left })
    };
    table.set_header(headings.iter().map(|heading| aligned(heading.trim_start_matches('#'), heading)));
    for row in rows {
        table.add_row(row.iter().zip(headings).map(|(text, heading)| aligned(text, heading)));
    }
    // The last column need not be filled up.
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The same with the sums of all numbers below it, set off by another line; cells that are no whole numbers
/// count nothing.
pub fn table_with_totals(headings: &[&str], mut rows: Vec<Vec<String>>) -> String {
    let sum = |index: usize| rows.iter().filter_map(|row| row.get(index)?.parse::<u64>().ok()).sum::<u64>();
    let totals = headings.iter().enumerate().map(|(index, heading)| match index {
        0 => "total".to_owned(),
        _ if heading.starts_with('#') => sum(index).to_string(),
        _ => String::new(),
    });
    rows.push(totals.collect());
    let table = table(headings, rows);
    let mut lines: Vec<&str> = table.lines().collect();
    if let Some(rule) = lines.get(1).copied() {
        lines.insert(lines.len().saturating_sub(1), rule);
    }
    lines.join("\n")
}

/// Always added to the filter of the log, and so stronger than anything less particular.
const WITHOUT_PASSWORDS: [&str; 2] = ["async_imap=warn", "async_imap::imap_stream=off"];

/// Starts the log on standard error, with the filter of `--log` or `JACKFIELD_LOG`.
///
/// # Errors
/// The filter is not one.
pub fn start_log(filter: &str, json: bool) -> anyhow::Result<()> {
    let parsed = EnvFilter::builder().parse(filter).map_err(|error| {
        Usage(format!("--log {filter}: {error}; write a level such as `info`, or `info,jackfield_node=debug`"))
    })?;
    // What it says at the level `trace` is every line that is sent, passwords among them.
    let parsed = WITHOUT_PASSWORDS.iter().try_fold(parsed, |filter, directive| {
        Ok::<_, anyhow::Error>(filter.add_directive(directive.parse().context("a directive of our own")?))
    })?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(parsed).with_writer(io::stderr).with_ansi(is_terminal_error());
    let started = if json { builder.json().try_init() } else { builder.compact().try_init() };
    started.map_err(anyhow::Error::from_boxed).context("cannot start the log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_close_and_numbers_stand_to_the_right() {
        let headings = ["QUEUE", "#WAITING"];
        let rows = vec![vec!["in".into(), "7".into()], vec!["email.inbound".into(), "12".into()]];
        let expected = [
            " QUEUE           WAITING",
            "─────────────────────────",
            " in                    7",
            " email.inbound        12",
            "─────────────────────────",
            " total                19",
        ];
        assert_eq!(table_with_totals(&headings, rows).lines().collect::<Vec<_>>(), expected);
    }
}
