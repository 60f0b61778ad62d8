//! Figures for people: percentiles, and a chart of a day by the hour.

/// Hours of a day.
pub const HOURS: usize = 24;
/// Widest bar of the chart, in characters.
const BAR: usize = 40;
/// The same of what came in.
const BAR_OF_TRAFFIC: usize = 12;

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

/// A line for each hour from the first to the last in which anything came: how many on each of so many days, and a bar as
/// long as the mean wait; what nobody answered of it is said beside.
pub fn chart(hours: &[Hour; HOURS], days: u32) -> Vec<String> {
    let longest = hours.iter().map(Hour::mean_wait).fold(0.0, f64::max);
    let busiest = hours.iter().map(|hour| hour.entered).max().unwrap_or(0).max(1);
    let came = |hour: &Hour| hour.entered > 0;
    let (Some(first), Some(last)) = (hours.iter().position(came), hours.iter().rposition(came)) else {
        return Vec::new();
    };
    let line = |(number, hour): (usize, &Hour)| {
        let wait = hour.mean_wait();
        let length = if longest > 0.0 { wait / longest } else { 0.0 };
        let traffic = bar(hour.entered as f64 / busiest as f64, BAR_OF_TRAFFIC);
        let each = hour.entered as f64 / f64::from(days.max(1));
        let unanswered = match (hour.entered, hour.entered - hour.answered.min(hour.entered)) {
            (0, _) => String::new(),
            (all, unanswered) if all == unanswered => "nobody answered".to_owned(),
            (_, 0) => seconds(wait),
            (all, unanswered) => {
                format!("{}, {:.0} % not answered", seconds(wait), 100.0 * unanswered as f64 / all as f64)
            }
        };
        let line = format!("{number:02}:00 {each:>6.0} {traffic:<BAR_OF_TRAFFIC$} │{} {unanswered}", bar(length, BAR));
        line.trim_end().to_owned()
    };
    hours.iter().enumerate().skip(first).take(last - first + 1).map(line).collect()
}

/// A bar of this part of so many characters, to an eighth of one.
fn bar(part: f64, characters: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part.clamp(0.0, 1.0) * characters as f64 * 8.0).round() as usize;
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
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
    fn the_chart_has_a_bar_for_each_hour_from_the_first_in_which_something_came_to_the_last() {
        let mut hours = [Hour::default(); HOURS];
        hours[8] = Hour { entered: 2, answered: 2, waited: 20.0 };
        hours[9].add(Hour { entered: 4, answered: 3, waited: 15.0 });
        hours[11].entered = 1;
        let lines = chart(&hours, 1);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], format!("08:00      2 {:<12} │{} 10 s", "█".repeat(6), "█".repeat(BAR)));
        let half = "█".repeat(BAR / 2);
        assert_eq!(lines[1], format!("09:00      4 {} │{half} 5.0 s, 25 % not answered", "█".repeat(12)));
        assert_eq!(lines[2], format!("10:00      0 {:<12} │", ""));
        assert_eq!(lines[3], format!("11:00      1 {:<12} │ nobody answered", "███"));
        assert_eq!(bar(0.55, 2), "█▏");
    }
}
