//! `jackfield simulate`: a day of the contact centre, passed in a moment.

use jackfield_routing::{DayReport, HOURS, KindReport, WorkerReport};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use crate::cli::{Global, Simulate};
use crate::config;
use crate::exit::Exit;
use crate::output::{self, Progress};

/// Widest bar of the chart, in characters.
const BAR: usize = 40;
/// The same of what came in.
const BAR_OF_TRAFFIC: usize = 12;

/// Let it pass, and report.
///
/// # Errors
/// The site or the day is wrong.
pub fn simulate(global: &Global, arguments: &Simulate) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let day = config::load_day(&arguments.day, &site)?;
    let mut chance = StdRng::seed_from_u64(arguments.seed);
    let mut progress = Progress::new("passed day", global.json);
    let mut report = DayReport::default();
    for number in 1..=arguments.days {
        add(&mut report, day.pass(&mut || chance.random::<f64>())?);
        progress.at(number as usize, arguments.days as usize);
    }
    if global.json {
        output::line(as_json(&report).to_string())?;
    } else {
        show(&report, arguments.days)?;
    }
    Ok(Exit::Done)
}

/// One more day.
fn add(to: &mut DayReport, more: DayReport) {
    if to.kinds.is_empty() {
        *to = more;
        return;
    }
    for (kind, more) in to.kinds.iter_mut().zip(more.kinds) {
        kind.entered += more.entered;
        kind.abandoned += more.abandoned;
        kind.moved += more.moved;
        kind.left += more.left;
        kind.within += more.within;
        kind.waits.extend(more.waits);
        for (hour, more) in kind.hours.iter_mut().zip(more.hours) {
            *hour = (hour.0 + more.0, hour.1 + more.1, hour.2 + more.2);
        }
    }
    for (id, more) in more.workers {
        let worker = to.workers.entry(id).or_default();
        worker.handled += more.handled;
        worker.busy += more.busy;
        worker.there += more.there;
    }
}

fn show(report: &DayReport, days: u32) -> anyhow::Result<()> {
    let of = if days == 1 { "a day".to_owned() } else { format!("{days} days together") };
    output::line(format!("What came in, in {of}, and how long it waited for an agent"))?;
    let rows = report.kinds.iter().map(|kind| {
        vec![
            kind.name.clone(),
            kind.entered.to_string(),
            kind.waits.len().to_string(),
            kind.abandoned.to_string(),
            kind.moved.to_string(),
            kind.left.to_string(),
            time(kind.mean_wait()),
            time(kind.percentile(50)),
            time(kind.percentile(90)),
            time(kind.percentile(99)),
            format!("{:.1} %", kind.service_level() * 100.0),
        ]
    });
    let headings = [
        "KIND",
        "#CAME",
        "#ANSWERED",
        "#GAVE UP",
        "#MOVED",
        "#LEFT",
        "#MEAN",
        "#P50",
        "#P90",
        "#P99",
        "#SERVICE LEVEL",
    ];
    output::line(output::table(&headings, rows))?;
    output::line("\nWho was there")?;
    let rows = report.workers.iter().map(|(id, worker)| {
        vec![id.clone(), worker.handled.to_string(), time(worker.there), format!("{:.1} %", worker.occupancy() * 100.0)]
    });
    output::line(output::table(&["AGENT", "#HANDLED", "#THERE", "#BUSY"], rows))?;
    output::line(format!("\nBy the hour: what came in, and how long it waited on average{}", on_average(days)))?;
    for line in chart(&report.kinds, days) {
        output::line(line)?;
    }
    Ok(())
}

fn on_average(days: u32) -> &'static str {
    if days == 1 { "" } else { ", of each day" }
}

/// A line for each hour from the first to the last in which anything came: how many, and a bar as long as the mean wait;
/// what nobody answered of it is said beside.
fn chart(kinds: &[KindReport], days: u32) -> Vec<String> {
    let hours: Vec<(usize, usize, f64)> = (0..HOURS)
        .map(|hour| {
            let of_hour = kinds.iter().filter_map(|kind| kind.hours.get(hour));
            of_hour.fold((0, 0, 0.0), |sum, more| (sum.0 + more.0, sum.1 + more.1, sum.2 + more.2))
        })
        .collect();
    let mean = |(_, answered, waits): (usize, usize, f64)| waits / answered.max(1) as f64;
    let longest = hours.iter().map(|hour| mean(*hour)).fold(0.0, f64::max);
    let busiest = hours.iter().map(|hour| hour.0).max().unwrap_or(0).max(1);
    let came = |hour: &(usize, usize, f64)| hour.0 > 0;
    let (first, last) = (hours.iter().position(came), hours.iter().rposition(came));
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let line = |(number, hour): (usize, &(usize, usize, f64))| {
        let wait = mean(*hour);
        let length = if longest > 0.0 { wait / longest } else { 0.0 };
        let traffic = bar(hour.0 as f64 / busiest as f64, BAR_OF_TRAFFIC);
        let each = hour.0 as f64 / f64::from(days.max(1));
        let unanswered = match (hour.0, hour.0 - hour.1.min(hour.0)) {
            (0, _) => String::new(),
            (all, unanswered) if all == unanswered => "nobody answered".to_owned(),
            (_, 0) => time(wait),
            (all, unanswered) => {
                format!("{}, {:.0} % not answered", time(wait), 100.0 * unanswered as f64 / all as f64)
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
fn time(seconds: f64) -> String {
    match seconds {
        ..9.95 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

fn as_json(report: &DayReport) -> Json {
    let kind = |kind: &KindReport| {
        let hours = kind.hours.iter().map(|(entered, answered, waits)| {
            json!({ "entered": entered, "answered": answered, "meanWait": waits / (*answered).max(1) as f64 })
        });
        json!({
            "kind": kind.name,
            "entered": kind.entered,
            "answered": kind.waits.len(),
            "gaveUp": kind.abandoned,
            "moved": kind.moved,
            "left": kind.left,
            "meanWait": kind.mean_wait(),
            "p50": kind.percentile(50),
            "p90": kind.percentile(90),
            "p99": kind.percentile(99),
            "serviceLevel": kind.service_level(),
            "hours": hours.collect::<Vec<Json>>(),
        })
    };
    let worker = |(id, worker): (&String, &WorkerReport)| {
        json!({
            "agent": id, "handled": worker.handled, "there": worker.there, "busy": worker.busy,
            "occupancy": worker.occupancy(),
        })
    };
    json!({
        "kinds": report.kinds.iter().map(kind).collect::<Vec<Json>>(),
        "agents": report.workers.iter().map(worker).collect::<Vec<Json>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_what_people_think_in() {
        let told: Vec<String> = [0.0, 9.94, 65.0, 600.0, 9_000.0].into_iter().map(time).collect();
        assert_eq!(told, ["0.0 s", "9.9 s", "65 s", "10 min", "2.5 h"]);
    }

    #[test]
    fn the_chart_has_a_bar_for_each_hour_from_the_first_in_which_something_came_to_the_last() {
        let mut kind = KindReport::default();
        kind.hours[8] = (2, 2, 20.0);
        kind.hours[9] = (4, 3, 15.0);
        kind.hours[11] = (1, 0, 0.0);
        let lines = chart(&[kind], 1);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], format!("08:00      2 {:<12} │{} 10 s", "█".repeat(6), "█".repeat(BAR)));
        let half = "█".repeat(BAR / 2);
        assert_eq!(lines[1], format!("09:00      4 {} │{half} 5.0 s, 25 % not answered", "█".repeat(12)));
        assert_eq!(lines[2], format!("10:00      0 {:<12} │", ""));
        assert_eq!(lines[3], format!("11:00      1 {:<12} │ nobody answered", "███"));
        assert_eq!(bar(0.55, 2), "█▏");
    }
}
