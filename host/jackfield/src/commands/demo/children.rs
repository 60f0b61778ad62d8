//! The processes of a demo: this very program, once for each part.
//!
//! Each child is told to stop when its standard input ends, and we hold that open: however the demo
//! ends, its children end too.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use tokio::process::{Child, ChildStdout, Command};

/// How long a child may take to stop in good order; then it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// Bytes at the end of a log that are shown when a child fails.
const LOG_TAIL_BYTES: usize = 2_000;

/// A running part.
pub struct Part {
    /// What it is, for messages and its log.
    pub name: String,
    process: Child,
    log: PathBuf,
}

/// Starts parts.
pub struct Starter<'f> {
    /// The folder of the demo; logs go into `log` there.
    pub folder: &'f Path,
    /// The configuration all of them use.
    pub site: &'f Path,
}

impl Starter<'_> {
    /// Starts `jackfield <arguments>`; its results go to its log too.
    ///
    /// # Errors
    /// The process or its log cannot be made.
    pub fn start(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Part> {
        self.spawn(name, arguments, true).map(|(part, _)| part)
    }

    /// The same; its results are ours to read.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_reading(&self, name: &str, arguments: &[&str]) -> anyhow::Result<(Part, ChildStdout)> {
        let (part, output) = self.spawn(name, arguments, false)?;
        let output = output.with_context(|| format!("{name} has no output"))?;
        Ok((part, output))
    }

    fn spawn(&self, name: &str, arguments: &[&str], to_log: bool) -> anyhow::Result<(Part, Option<ChildStdout>)> {
        let log = self.folder.join("log").join(format!("{}.log", name.replace([' ', '/'], "-")));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().context("cannot find this very program")?;
        let output = if to_log { Stdio::from(file.try_clone()?) } else { Stdio::piped() };
        let mut process = Command::new(program)
            .args(arguments)
            .arg("--site")
            .arg(self.site)
            .args(["--json", "--with-parent"])
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(file)
            // Ctrl-C at the terminal is for us; we end the others in their order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let output = process.stdout.take();
        Ok((Part { name: name.to_owned(), process, log }, output))
    }
}

impl Part {
    /// Fails when the part has ended.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} has ended ({status}):\n{}", self.name, self.log_tail()),
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        // Not `wait`, which closes standard input: that would stop it.
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it, in good order if it can.
    pub async fn stop(mut self) {
        drop(self.process.stdin.take());
        if tokio::time::timeout(STOP_WITHIN, self.process.wait()).await.is_err() {
            tracing::warn!(part = self.name, "does not stop; it is killed");
            // It may have ended just now.
            let _ = self.process.kill().await;
        }
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let tail = text.get(text.len().saturating_sub(LOG_TAIL_BYTES)..).unwrap_or_default();
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}
