//! Waits in virtual queues, counted from what is reported of them. Pure.
//!
//! A wait is known by its id, so an event that comes twice counts once. One whose beginning was not heard (a gap) has
//! entered and ended, but nobody knows how long it took. An interaction that waits again, in the same virtual queue
//! or another, is another wait.

use std::collections::{BTreeMap, HashMap};

use jackfield_protocol::v1::{EventReporting, KeyValueList, key_value::Value};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use crate::figures::{HOURS, Hour, chart, percentile};
use crate::{output, text};

/// What an event says of a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Id of the wait.
    pub id: String,
    pub virtual_queue: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Queued,
    Diverted,
    /// For this reason.
    Abandoned(String),
}

impl What {
    fn of(name: &str, reasons: impl FnOnce() -> Option<String>) -> Option<What> {
        match name {
            "EventQueued" => Some(What::Queued),
            "EventDiverted" => Some(What::Diverted),
            "EventAbandoned" => Some(What::Abandoned(reasons().unwrap_or_default())),
            _ => None,
        }
    }
}

impl Heard {
    /// None: it is about something else.
    pub fn of(event: &EventReporting) -> Option<Heard> {
        let text = |list: &Option<KeyValueList>, key| list.as_ref()?.text(key).map(str::to_owned);
        let id = text(&event.extensions, "VQID")?;
        let what = What::of(&event.custom_name, || text(&event.reasons, "Reason"))?;
        Some(Heard { id, virtual_queue: event.this_queue.clone(), at: event.at, what })
    }

    /// The same of a line that was written of it.
    pub fn read(line: &Json) -> Option<Heard> {
        let list = |key| KeyValueList::from_json(line.get(key)?).ok();
        let text = |list: KeyValueList, key| match list.get(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let virtual_queue = line.get("thisQueue")?.as_str()?.to_owned();
        let id = text(list("extensions")?, "VQID")?;
        let what = What::of(line.get("event")?.as_str()?, || text(list("reasons")?, "Reason"))?;
        Some(Heard { id, virtual_queue, at: line.get("at")?.as_i64()?, what })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Waits {
    /// Waits that take no longer are within the service level, in milliseconds.
    within: i64,
    zone: TimeZone,
    open: HashMap<String, Option<i64>>,
    queues: BTreeMap<String, Queue>,
}

/// One virtual queue.
#[derive(Debug, Default)]
struct Queue {
    entered: usize,
    answered: usize,
    abandoned: usize,
    /// Of those answered, by how many for each reason.
    reasons: BTreeMap<String, usize>,
    /// Of those answered, in milliseconds.
    waits: Vec<i64>,
    within: usize,
    hours: [Hour; HOURS],
}

impl Waits {
    /// `within`: the service level, in milliseconds; hours are those of `zone`.
    pub fn new(within: i64, zone: TimeZone) -> Waits {
        Waits { within, zone, open: HashMap::new(), queues: BTreeMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Waits that have not ended.
    pub fn open(&self) -> usize {
        self.queues.values().map(Queue::open).sum()
    }

    pub fn enter(&mut self, heard: Heard) {
        let Heard { id, virtual_queue, at, what } = heard;
        let queue = self.queues.entry(virtual_queue).or_default();
        let hour = hour(&self.zone, at);
        let began = match (self.open.get(&id).copied(), &what) {
            // It has ended, or it began before.
            (Some(None), _) | (Some(Some(_)), What::Queued) => return,
            (Some(began), _) => began,
            (None, _) => {
                queue.entered += 1;
                if let Some(hour) = queue.hours.get_mut(hour) {
                    hour.entered += 1;
                }
                None
            }
        };
        self.open.insert(id, (what == What::Queued).then_some(at));
        match what {
            What::Queued => {}
            What::Diverted => {
                queue.answered += 1;
                // A clock may have been set back.
                let Some(wait) = began.map(|began| at.saturating_sub(began).max(0)) else { return };
                queue.waits.push(wait);
                queue.within += usize::from(wait <= self.within);
                let of_beginning = self::hour(&self.zone, at - wait);
                if let Some(hour) = queue.hours.get_mut(of_beginning) {
                    hour.answered += 1;
                    hour.waited += wait as f64 / 1_000.0;
                }
            }
            What::Abandoned(reason) => {
                queue.abandoned += 1;
                *queue.reasons.entry(reason).or_default() += 1;
            }
        }
    }

    /// The table of all virtual queues.
    pub fn table(&self) -> String {
        let level = format!("#WITHIN {}", text::time(self.within));
        let headings = [
            "VIRTUAL QUEUE",
            "#ENTERED",
            "#ANSWERED",
            "#ABANDONED",
            "#WAITING",
            "#P50",
            "#P90",
            "#P99",
            &level,
            "WHY ABANDONED",
        ];
        let rows: Vec<Vec<String>> = self
            .queues
            .iter()
            .map(|(name, queue)| {
                let waits = queue.sorted_waits();
                let time = |percent| percentile(&waits, percent).map(text::time).unwrap_or_default();
                let reasons: Vec<String> =
                    queue.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
                vec![
                    name.clone(),
                    queue.entered.to_string(),
                    queue.answered.to_string(),
                    queue.abandoned.to_string(),
                    queue.open().to_string(),
                    time(50),
                    time(90),
                    time(99),
                    queue.service_level().map(|level| format!("{:.1} %", level * 100.0)).unwrap_or_default(),
                    reasons.join(", "),
                ]
            })
            .collect();
        output::table(&headings, rows)
    }

    /// What came in by the hour, over all virtual queues, and its mean wait.
    pub fn chart(&self) -> Vec<String> {
        let mut hours = [Hour::default(); HOURS];
        for queue in self.queues.values() {
            for (hour, more) in hours.iter_mut().zip(queue.hours) {
                hour.add(more);
            }
        }
        chart(&hours, 1)
    }

    pub fn as_json(&self) -> Json {
        let within = self.within;
        let queue = |(name, queue): (&String, &Queue)| {
            let waits = queue.sorted_waits();
            let hours = queue.hours.iter().enumerate().filter(|(_, hour)| hour.entered > 0).map(|(number, hour)| {
                let mean = (hour.answered > 0).then(|| hour.mean_wait());
                json!({ "hour": number, "entered": hour.entered, "answered": hour.answered, "meanWait": mean })
            });
            let hours: Vec<Json> = hours.collect();
            json!({
                "virtualQueue": name,
                "entered": queue.entered,
                "answered": queue.answered,
                "abandoned": queue.abandoned,
                "waiting": queue.open(),
                "reasons": queue.reasons,
                "p50": percentile(&waits, 50),
                "p90": percentile(&waits, 90),
                "p99": percentile(&waits, 99),
                "within": within,
                "serviceLevel": queue.service_level(),
                "hours": hours,
            })
        };
        self.queues.iter().map(queue).collect()
    }
}

impl Queue {
    fn open(&self) -> usize {
        self.entered.saturating_sub(self.answered + self.abandoned)
    }

    fn sorted_waits(&self) -> Vec<i64> {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        waits
    }

    /// The share of all that ended which were answered in time; those whose wait nobody knows are left out.
    fn service_level(&self) -> Option<f64> {
        let ended = self.waits.len() + self.abandoned;
        (ended > 0).then(|| self.within as f64 / ended as f64)
    }
}

/// The hour of the day.
fn hour(zone: &TimeZone, at: i64) -> usize {
    let moment = Timestamp::from_millisecond(at).unwrap_or_default();
    usize::try_from(zone.to_datetime(moment).hour()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINE: i64 = 9 * 3_600_000;

    fn heard(id: &str, at: i64, what: What) -> Heard {
        Heard { id: id.into(), virtual_queue: "VQ".into(), at: NINE + at, what }
    }

    fn waits(heard: impl IntoIterator<Item = Heard>) -> Waits {
        let mut waits = Waits::new(20_000, TimeZone::UTC);
        heard.into_iter().for_each(|heard| waits.enter(heard));
        waits
    }

    fn figures(waits: &Waits) -> Json {
        waits.as_json().get(0).cloned().expect("a virtual queue")
    }

    #[test]
    fn each_wait_counts_once_however_often_it_is_told() {
        let once = [
            heard("1", 0, What::Queued),
            heard("2", 500, What::Queued),
            heard("1", 10_000, What::Diverted),
            heard("3", 10_000, What::Queued),
            heard("2", 30_500, What::Diverted),
            heard("3", 40_000, What::Abandoned("timeout".into())),
            heard("4", 50_000, What::Queued),
        ];
        let twice = once.iter().flat_map(|heard| [heard.clone(), heard.clone()]).collect::<Vec<_>>();
        let again = once.iter().chain(&once).cloned().collect::<Vec<_>>();
        for told in [once.to_vec(), twice, again] {
            let waits = waits(told);
            let figures = figures(&waits);
            assert_eq!((&figures["entered"], &figures["answered"]), (&json!(4), &json!(2)));
            assert_eq!((&figures["abandoned"], &figures["waiting"]), (&json!(1), &json!(1)));
            assert_eq!((&figures["p50"], &figures["p99"]), (&json!(10_000), &json!(30_000)));
            assert_eq!(figures["reasons"], json!({ "timeout": 1 }));
            assert_eq!(figures["serviceLevel"], json!(1.0 / 3.0), "of three that ended one was answered in 20 s");
            assert_eq!(figures["hours"], json!([{ "hour": 9, "entered": 4, "answered": 2, "meanWait": 20.0 }]));
            assert_eq!(waits.open(), 1);
        }
    }

    #[test]
    fn a_wait_whose_beginning_is_lost_is_counted_and_not_measured() {
        let waits = waits([heard("1", 10_000, What::Diverted), heard("1", 0, What::Queued)]);
        let figures = figures(&waits);
        assert_eq!((&figures["entered"], &figures["answered"], &figures["waiting"]), (&json!(1), &json!(1), &json!(0)));
        assert_eq!((&figures["p50"], &figures["serviceLevel"]), (&Json::Null, &Json::Null));
    }

    #[test]
    fn the_table_and_the_chart_show_the_day() {
        let waits = waits([
            heard("1", 0, What::Queued),
            heard("1", 4_000, What::Diverted),
            heard("2", 0, What::Queued),
            heard("2", 9_000, What::Abandoned("cancelled".into())),
        ]);
        let table = waits.table();
        let row = table.lines().nth(2).expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells.join(" "), "VQ 2 1 1 0 4.0 s 4.0 s 4.0 s 50.0 % cancelled 1", "{table}");
        assert_eq!(
            waits.chart(),
            [format!("09:00      2 {} │{} 4.0 s, 50 % not answered", "█".repeat(12), "█".repeat(40))]
        );
        let mut there = Waits::new(1, TimeZone::fixed(jiff::tz::offset(-2)));
        there.enter(heard("1", 0, What::Queued));
        assert!(there.chart()[0].starts_with("07:00"), "hours are those of the zone");
    }

    #[test]
    fn a_line_says_what_its_event_said() {
        let event = EventReporting {
            sequence: 3,
            at: 17,
            name: jackfield_protocol::v1::ReportingName::CustomReporting.into(),
            custom_name: "EventAbandoned".into(),
            this_queue: "VQ".into(),
            extensions: Some(KeyValueList::default().with("VQID", "1")),
            reasons: Some(KeyValueList::default().with("Reason", "timeout")),
            ..EventReporting::default()
        };
        let line = super::super::line::event("email_server", "1-a", &event);
        let expected =
            Heard { id: "1".into(), virtual_queue: "VQ".into(), at: 17, what: What::Abandoned("timeout".into()) };
        assert_eq!((Heard::of(&event), Heard::read(&line)), (Some(expected.clone()), Some(expected)));
        let other = EventReporting { custom_name: String::new(), ..event };
        assert_eq!(Heard::of(&other), None);
        assert_eq!(Heard::read(&super::super::line::event("email_server", "1-a", &other)), None);
    }
}
