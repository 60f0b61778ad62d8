//! Figures for people: percentiles, and a chart of a day by the hour.

/// Hours of a day.
pub const HOURS: usize = 24;
/// Widest bar of the chart, in characters.
pub const BAR: usize = 40;

/// The value below which `percent` of the ascending `values` lie; none for no values.
pub fn percentile(values: &[i64], percent: usize) -> Option<i64> {
    let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(index).copied()
}

/// One hour: what came in, how much of it was answered, and the seconds these waited, together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hour {
    /// What came in.
    pub entered: usize,
    /// How much of that was answered.
    pub answered: usize,
    /// Seconds these waited, together.
    pub waited: f64,
}

impl Hour {
    /// This hour and the same of another kind.
    pub fn add(&mut self, more: Hour) {
        self.entered += more.entered;
        self.answered += more.answered;
        self.waited += more.waited;
    }

    /// Mean wait in seconds.
    pub fn mean_wait(&self) -> f64 {
        self.waited / self.answered.max(1) as f64
    }
}

/// A line for each hour in which anything came, with a bar as long as its mean wait.
pub fn chart(hours: &[Hour; HOURS]) -> Vec<String> {
    let longest = hours.iter().map(Hour::mean_wait).fold(0.0, f64::max);
    let line = |(number, hour): (usize, &Hour)| {
        let wait = hour.mean_wait();
        let length = if longest > 0.0 { (wait / longest * BAR as f64).round() as usize } else { 0 };
        let unanswered = if hour.answered == 0 { "nobody answered".to_owned() } else { seconds(wait) };
        format!("{number:02}:00 {:>6}  {} {unanswered}", hour.entered, "█".repeat(length))
    };
    hours.iter().enumerate().filter(|(_, hour)| hour.entered > 0).map(line).collect()
}

/// Seconds for people.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        ..9.95 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let values: Vec<i64> = (1..=10).collect();
        assert_eq!([50, 90, 100].map(|percent| percentile(&values, percent)), [Some(5), Some(9), Some(10)]);
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn times_are_told_in_what_people_think_in() {
        let told: Vec<String> = [0.0, 9.94, 65.0, 600.0, 9_000.0].into_iter().map(seconds).collect();
        assert_eq!(told, ["0.0 s", "9.9 s", "65 s", "10 min", "2.5 h"]);
    }

    #[test]
    fn the_chart_has_a_bar_for_each_hour_in_which_something_came() {
        let mut hours = [Hour::default(); HOURS];
        hours[8] = Hour { entered: 2, answered: 2, waited: 20.0 };
        hours[9].add(Hour { entered: 4, answered: 4, waited: 20.0 });
        hours[10].entered = 1;
        let lines = chart(&hours);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], format!("08:00      2  {} 10 s", "█".repeat(BAR)));
        assert_eq!(lines[1], format!("09:00      4  {} 5.0 s", "█".repeat(BAR / 2)));
        assert_eq!(lines[2], "10:00      1   nobody answered");
    }
}
