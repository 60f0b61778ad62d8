//! Steps with names and times, ended by a summary.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What has been done so far.
#[derive(Default)]
pub struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    /// Does one step. Its failure is named, and shown after the times of what went before.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        eprintln!("\n── {name}");
        let begin = Instant::now();
        let result = work();
        self.0.push((name, begin.elapsed()));
        if result.is_err() {
            self.summary("failed");
        }
        result.with_context(|| format!("step `{name}` failed"))
    }

    /// Prints a line for each step; `last` says how the last one ended.
    pub fn summary(&self, last: &str) {
        eprintln!();
        for (number, (name, time)) in self.0.iter().enumerate() {
            let result = if number + 1 == self.0.len() { last } else { "ok" };
            eprintln!("{result:>8}  {name:<36} {:>9}", seconds(*time));
        }
        let all = self.0.iter().map(|(_, time)| *time).sum();
        eprintln!("{:>8}  {:<36} {:>9}", "", "all", seconds(all));
    }
}

/// A length of time for people.
pub fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_named_and_keeps_its_reason() {
        let mut steps = Steps::default();
        steps.step("first", || Ok(())).unwrap();
        let error = steps.step("second", || anyhow::bail!("no luck")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `second` failed: no luck");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
