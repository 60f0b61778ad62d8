//! A day to be simulated, as a file: what comes in by the hour, and when agents work. The agents themselves, with their
//! skills, groups and capacities, are those of the site.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use jackfield_routing::{
    AgentProfile, Aging, Choice, Day, HOURS, Kind, Order, STATISTICS, Spread, Target, Worker, WrittenTarget,
};
use toml::Spanned;
use toml::de::DeValue;

use super::model::{Site, capacity_rule};
use super::objects::{each, one_of};
use super::problem::{Problem, Problems, nearest_word};
use super::section::{Notes, Section, Text, document, wrong_type};
use super::{ConfigurationError, read};

const MINUTE: u64 = 60;
const DAY: Duration = Duration::from_secs(24 * 60 * MINUTE);
/// Interactions of one kind in an hour.
const ARRIVALS_MOST: i64 = 100_000;

/// Reads the day in the file at `path`, for the agents of `site`.
///
/// # Errors
/// The file cannot be read, or has errors: all of them.
pub fn load_day(path: &Path, site: &Site) -> Result<Day, ConfigurationError> {
    parse_day(path, &read(path)?, site)
}

fn parse_day(path: &Path, text: &str, site: &Site) -> Result<Day, ConfigurationError> {
    let notes = Notes::default();
    let document = document(text, &notes);
    let mut root = Section::new(&notes, "the file", 0..0, document.get_ref());
    let mut workers = workers(site);
    let kinds = each(&mut root, &notes, "kind", "[[kind]]", |section| kind(section, &notes));
    for shift in each(&mut root, &notes, "shift", "[[shift]]", |section| shift(section, &notes)) {
        put_to_work(&mut workers, shift, &notes);
    }
    root.finish();
    if kinds.is_empty() {
        notes.push(Problem::new(0..0, "nothing comes in", "anywhere in this file").help("add a [[kind]]"));
    }
    let problems = Problems::new(path, text, notes.into_problems());
    if problems.errors() > 0 {
        return Err(ConfigurationError::Invalid(problems));
    }
    let places = site.places.iter().map(|place| {
        (place.name.get_ref().clone(), place.groups.iter().map(|group| group.get_ref().clone()).collect())
    });
    Ok(Day { kinds, workers, places: places.collect() })
}

/// The agents of the site, none of whom works yet.
fn workers(site: &Site) -> Vec<Worker> {
    let worker = |agent: &super::model::Agent| Worker {
        id: agent.id.get_ref().clone(),
        profile: AgentProfile { skills: agent.levels(), groups: agent.group_names().collect() },
        place: agent.place.as_ref().map(|place| place.get_ref().clone()).unwrap_or_default(),
        capacity: capacity_rule(&agent.capacity),
        shifts: Vec::new(),
    };
    site.agents.iter().map(worker).collect()
}

fn kind(section: &mut Section<'_, '_>, notes: &Notes) -> Option<Kind> {
    let name = section.required_text("name");
    let media = section.required_text("media");
    let priority = section.integer("priority", i32::MIN.into(), i32::MAX.into()).map_or(0, Spanned::into_inner);
    let arrivals = arrivals(section, notes);
    let mean = time(section, notes, "handling", Some(Duration::from_secs(5 * MINUTE)));
    let is_constant = match section.text("handling-spread") {
        Some(word) if word.get_ref() == "constant" => true,
        Some(word) if word.get_ref() != "exponential" => {
            let help = nearest_word(word.get_ref(), ["constant", "exponential"]);
            let message = format!("`{}` is no spread", word.get_ref());
            notes.push(Problem::new(word.span(), message, "not one of them").help(help));
            false
        }
        _ => false,
    };
    let patience = time(section, notes, "patience", None).map(Spread::Exponential);
    let within = time(section, notes, "within", Some(Duration::from_secs(MINUTE)));
    let targets = targets(section, notes);
    let aging = aging(section, notes);
    let choice = choice(section, notes);
    Some(Kind {
        name: name?.into_inner(),
        media_type: media?.into_inner(),
        priority: i32::try_from(priority).unwrap_or(0),
        arrivals,
        handling: if is_constant { Spread::Constant(mean?) } else { Spread::Exponential(mean?) },
        patience,
        targets,
        choice,
        aging,
        within: within?,
    })
}

/// `{ 8 = 20, 9 = 35 }`: hour, and how many arrive in it.
fn arrivals(section: &mut Section<'_, '_>, notes: &Notes) -> [f64; HOURS] {
    let mut arrivals = [0.0; HOURS];
    for (hour, count) in section.integers("arrivals", 0, ARRIVALS_MOST) {
        match hour.get_ref().parse::<usize>().ok().and_then(|hour| arrivals.get_mut(hour)) {
            Some(of_hour) => *of_hour = count as f64,
            None => notes.push(Problem::new(
                hour.span(),
                format!("`{}` is no hour of the day", hour.get_ref()),
                "not within 0 to 23",
            )),
        }
    }
    arrivals
}

/// `{ every = "60s", by = 1, at-most = 10 }`.
fn aging(section: &mut Section<'_, '_>, notes: &Notes) -> Option<Aging> {
    let value = section.value("aging")?;
    let Some(table) = value.get_ref().as_table() else {
        wrong_type(notes, "aging", value, "such as { every = \"60s\", by = 1, at-most = 10 }");
        return None;
    };
    let mut section = Section::new(notes, "aging", value.span(), table);
    let every = time(&mut section, notes, "every", Some(Duration::from_secs(MINUTE)));
    let by = section.integer("by", 0, i32::MAX.into()).map_or(1, Spanned::into_inner);
    let at_most = section.required_integer("at-most", i32::MIN.into(), i32::MAX.into());
    section.finish();
    let at_most = i32::try_from(at_most?.into_inner()).ok()?;
    Some(Aging { every: every?, by: u32::try_from(by).ok()?, at_most })
}

/// `order` and `statistic`.
fn choice(section: &mut Section<'_, '_>, notes: &Notes) -> Choice {
    let words = ["any", "min", "max", "percentage"];
    let order = section.text("order").and_then(|word| one_of(&word, "order", &words, notes));
    let order = match order {
        Some("min") => Order::Min,
        Some("max") => Order::Max,
        Some("percentage") => Order::Percentage,
        _ => Order::Any,
    };
    let Some(statistic) = section.text("statistic") else {
        return Choice { order, ..Choice::default() };
    };
    Choice::new(order, Some(statistic.get_ref())).unwrap_or_else(|error| {
        let help = nearest_word(statistic.get_ref(), STATISTICS.iter().map(|statistic| statistic.name));
        let message = error.to_string();
        let message = message.split(';').next().unwrap_or_default();
        notes.push(Problem::new(statistic.span(), message, "unknown").help(help));
        Choice::default()
    })
}

/// A list of `{ after = "20s", to = "…" }`; text alone counts from the arrival on.
fn targets(section: &mut Section<'_, '_>, notes: &Notes) -> Vec<(Duration, Vec<Target>)> {
    let span = section.span();
    let Some(value) = section.value("targets") else {
        notes.push(
            Problem::new(span, "[[kind]] has no `targets`", "this one").help("add `targets`: \"?:Billing >= 5@.GA\""),
        );
        return Vec::new();
    };
    let (mut steps, mut count) = (Vec::new(), 1);
    match value.get_ref() {
        DeValue::String(_) => steps.extend(step_of(notes, Duration::ZERO, value)),
        DeValue::Array(array) => {
            count = array.len();
            for item in array.iter() {
                let Some(table) = item.get_ref().as_table() else {
                    steps.extend(step_of(notes, Duration::ZERO, item));
                    continue;
                };
                let mut step = Section::new(notes, "targets", item.span(), table);
                let after = time(&mut step, notes, "after", Some(Duration::ZERO));
                if let (Some(after), Some(to)) = (after, step.value("to")) {
                    steps.extend(step_of(notes, after, to));
                }
                step.finish();
            }
        }
        _ => wrong_type(notes, "targets", value, "text, or a list of { after = \"20s\", to = \"…\" }"),
    }
    steps.sort_by_key(|(after, _)| *after);
    // A step that cannot be read was told of already.
    if steps.len() == count && steps.first().is_none_or(|(after, _)| !after.is_zero()) {
        notes.push(Problem::new(
            value.span(),
            "there are no targets from the arrival on",
            "no step with `after = \"0s\"`",
        ));
    }
    steps
}

fn step_of(notes: &Notes, after: Duration, value: &Spanned<DeValue<'_>>) -> Option<(Duration, Vec<Target>)> {
    let Some(text) = value.get_ref().as_str() else {
        wrong_type(notes, "to", value, "text, such as \"?:Billing >= 5@.GA\"");
        return None;
    };
    // One quote before it; what is escaped before the place moves it a little.
    let within = |span: Range<usize>| {
        let start = value.span().start + 1;
        (start + span.start).min(value.span().end)..(start + span.end).min(value.span().end)
    };
    match WrittenTarget::parse_list(text) {
        Ok(written) => Some((after, written.into_iter().map(Target::from).collect())),
        Err(error) => {
            notes.push(Problem::new(within(error.span), error.message, "here"));
            None
        }
    }
}

struct Shift {
    agents: Vec<Text>,
    from: Duration,
    to: Duration,
}

fn shift(section: &mut Section<'_, '_>, notes: &Notes) -> Option<Shift> {
    let agents = section.texts("agents");
    let (from, to) = (time_of_day(section, notes, "from"), time_of_day(section, notes, "to"));
    let (from, to) = (from?, to?);
    if from >= to {
        let problem = Problem::new(section.span(), "a shift ends before it begins", "this one");
        notes.push(problem.help("split one over midnight in two"));
        return None;
    }
    Some(Shift { agents, from, to })
}

fn put_to_work(workers: &mut [Worker], Shift { agents, from, to }: Shift, notes: &Notes) {
    for agent in agents {
        let id = agent.get_ref();
        match workers.iter_mut().find(|worker| worker.id == *id) {
            Some(worker) if worker.shifts.iter().any(|(begins, ends)| from < *ends && *begins < to) => {
                notes.push(Problem::new(
                    agent.span(),
                    format!("`{id}` works at that time already"),
                    "in another shift",
                ));
            }
            Some(worker) => worker.shifts.push((from, to)),
            None => {
                let help = nearest_word(id, workers.iter().map(|worker| worker.id.as_str()));
                let message = format!("there is no agent `{id}` in the site");
                notes.push(Problem::new(agent.span(), message, "unknown").help(help));
            }
        }
    }
}

/// A span of time such as `90s` or `6m`, above nothing unless that is the default.
fn time(
    section: &mut Section<'_, '_>,
    notes: &Notes,
    key: &'static str,
    default: Option<Duration>,
) -> Option<Duration> {
    let Some(text) = section.text(key) else { return default };
    match humantime::parse_duration(text.get_ref()) {
        Ok(time) if time <= DAY && (!time.is_zero() || default == Some(Duration::ZERO)) => Some(time),
        _ => {
            let problem =
                Problem::new(text.span(), format!("`{key}` is no time of more than none and up to a day"), "this");
            notes.push(problem.help("write it as `90s`, `6m` or `1h`"));
            None
        }
    }
}

/// `08:30`; `24:00` is the end of the day.
fn time_of_day(section: &mut Section<'_, '_>, notes: &Notes, key: &'static str) -> Option<Duration> {
    let text = section.required_text(key)?;
    let parsed = text.get_ref().split_once(':').and_then(|(hours, minutes)| {
        let (hours, minutes) = (hours.parse::<u64>().ok()?, minutes.parse::<u64>().ok()?);
        let time = Duration::from_secs((hours * 60 + minutes) * MINUTE);
        (minutes < 60 && time <= DAY).then_some(time)
    });
    if parsed.is_none() {
        let problem = Problem::new(text.span(), format!("`{key}` is no time of the day"), "this");
        notes.push(problem.help("write it as `08:30`"));
    }
    parsed
}
