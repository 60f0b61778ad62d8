//! `jackfield simulate`: a day of the contact centre, passed in a moment.

use jackfield_routing::{DayReport, KindReport, WorkerReport};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use crate::cli::{Global, Simulate};
use crate::config;
use crate::exit::Exit;
use crate::figures::{HOURS, Hour, chart, seconds};
use crate::output::{self, Progress};

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
            kind.left.to_string(),
            seconds(kind.mean_wait()),
            seconds(kind.percentile(50)),
            seconds(kind.percentile(90)),
            seconds(kind.percentile(99)),
            format!("{:.1} %", kind.service_level() * 100.0),
        ]
    });
    let headings =
        ["KIND", "#ENTERED", "#ANSWERED", "#GAVE UP", "#LEFT", "#MEAN", "#P50", "#P90", "#P99", "#SERVICE LEVEL"];
    output::line(output::table(&headings, rows))?;
    output::line("\nWho was there")?;
    let rows = report.workers.iter().map(|(id, worker)| {
        vec![
            id.clone(),
            worker.handled.to_string(),
            seconds(worker.there),
            format!("{:.1} %", worker.occupancy() * 100.0),
        ]
    });
    output::line(output::table(&["AGENT", "#HANDLED", "#THERE", "#BUSY"], rows))?;
    output::line("\nBy the hour: what came in, and its mean wait")?;
    for line in chart(&hours(&report.kinds)) {
        output::line(line)?;
    }
    Ok(())
}

/// What came in over all kinds, by the hour.
fn hours(kinds: &[KindReport]) -> [Hour; HOURS] {
    let mut hours = [Hour::default(); HOURS];
    for kind in kinds {
        for (hour, (entered, answered, waited)) in hours.iter_mut().zip(&kind.hours) {
            hour.add(Hour { entered: *entered, answered: *answered, waited: *waited });
        }
    }
    hours
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
