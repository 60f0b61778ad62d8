//! What the file says of time: `[[business-hours]]`, `[[special-days]]`, and the time zone of the site.

use std::collections::BTreeMap;

use jackfield_node::{BusinessHours, Calendar, SpecialDay};
use jiff::tz::TimeZone;

use super::objects::each;
use super::problem::{Problem, nearest_word};
use super::section::{Notes, Section, Text};

/// All of it; `zone` is that of `[application]`.
pub(super) fn calendar(root: &mut Section<'_, '_>, zone: Option<TimeZone>, notes: &Notes) -> Calendar {
    let tables = each(root, notes, "special-days", "[[special-days]]", |section| special_days(section, notes));
    let hours = each(root, notes, "business-hours", "[[business-hours]]", |section| business_hours(section, notes));
    let special_days: BTreeMap<String, Vec<SpecialDay>> = named("[[special-days]]", tables, notes);
    for (_, (_, closed_on)) in &hours {
        if let Some(table) = closed_on
            && !special_days.contains_key(table.get_ref())
        {
            notes.push(
                Problem::new(table.span(), format!("there is no [[special-days]] `{}`", table.get_ref()), "unknown")
                    .help(nearest_word(table.get_ref(), special_days.keys().map(String::as_str))),
            );
        }
    }
    let hours = hours.into_iter().map(|(name, (hours, _))| (name, hours)).collect();
    Calendar {
        zone: zone.unwrap_or_else(TimeZone::system),
        business_hours: named("[[business-hours]]", hours, notes),
        special_days,
    }
}

/// A time zone by its name.
pub(super) fn time_zone(section: &mut Section<'_, '_>, notes: &Notes) -> Option<TimeZone> {
    let name = section.text("time-zone")?;
    let zone = TimeZone::get(name.get_ref());
    if zone.is_err() {
        notes.push(
            Problem::new(name.span(), format!("there is no time zone `{}`", name.get_ref()), "unknown")
                .help("write it as in the IANA database, such as `Europe/Vienna`"),
        );
    }
    zone.ok()
}

fn named<T>(kind: &str, objects: Vec<(Text, T)>, notes: &Notes) -> BTreeMap<String, T> {
    let mut by_name = BTreeMap::new();
    for (name, object) in objects {
        let (span, name) = (name.span(), name.into_inner());
        if by_name.contains_key(&name) {
            let message = format!("two objects {kind} are called `{name}`");
            notes.push(Problem::new(span, message, "again here").help("rename or remove one of them"));
        }
        by_name.insert(name, object);
    }
    by_name
}

fn special_days(section: &mut Section<'_, '_>, notes: &Notes) -> Option<(Text, Vec<SpecialDay>)> {
    let name = section.required_text("name");
    let mut days = Vec::new();
    for (day, when) in section.map("days") {
        match SpecialDay::parse(day.get_ref(), &when) {
            Ok(day) => days.push(day),
            Err(problem) => notes.push(Problem::new(day.span(), problem, "this day")),
        }
    }
    Some((name?, days))
}

fn business_hours(section: &mut Section<'_, '_>, notes: &Notes) -> Option<(Text, (BusinessHours, Option<Text>))> {
    let name = section.required_text("name");
    let mut open = Vec::new();
    for text in section.texts("open") {
        match text.get_ref().parse() {
            Ok(opening) => open.push(opening),
            Err(problem) => notes.push(Problem::new(text.span(), problem, "here")),
        }
    }
    let (zone, closed_on) = (time_zone(section, notes), section.text("closed-on"));
    let hours = BusinessHours { zone, open, closed_on: closed_on.as_ref().map(|table| table.get_ref().clone()) };
    Some((name?, (hours, closed_on)))
}
