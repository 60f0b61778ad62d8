//! Business hours, special days, and what clocks on the wall show.
//!
//! Pure logic: it is told the time. Zones are those of the IANA database that the program brings along, so that two
//! nodes agree.

use std::collections::BTreeMap;
use std::str::FromStr;

use jackfield_strategy::contract::CalendarTime;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// What the configuration says of time.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Of the site.
    pub zone: TimeZone,
    /// By name.
    pub business_hours: BTreeMap<String, BusinessHours>,
    /// Tables of special days, by name.
    pub special_days: BTreeMap<String, Vec<SpecialDay>>,
}

impl Default for Calendar {
    fn default() -> Calendar {
        Calendar { zone: TimeZone::UTC, business_hours: BTreeMap::new(), special_days: BTreeMap::new() }
    }
}

/// When it is open.
#[derive(Clone, Debug)]
pub struct BusinessHours {
    /// None: that of the site.
    pub zone: Option<TimeZone>,
    /// Within any of these.
    pub open: Vec<Opening>,
    /// Name of the table of special days on which it is closed.
    pub closed_on: Option<String>,
}

/// Some days of each week, from a time to a time; to the one of the next day where that is not later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Sunday first.
    days: [bool; 7],
    hours: Hours,
}

/// From a minute of the day to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

/// One special day, of each year or of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialDay {
    /// What strategies ask for.
    pub name: String,
    /// When it is.
    pub date: Date,
    /// None: the whole day.
    pub hours: Option<Hours>,
}

impl SpecialDay {
    /// `12-25` or `2026-11-30`, and hours where it is not the whole day: `2026-11-30 12:00-24:00`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(name: &str, when: &str) -> Result<SpecialDay, String> {
        let (date, hours) = when.trim().split_once(char::is_whitespace).unwrap_or((when.trim(), ""));
        let hours = Some(hours.trim()).filter(|hours| !hours.is_empty()).map(str::parse).transpose()?;
        Ok(SpecialDay { name: name.to_owned(), date: date.parse()?, hours })
    }
}

/// A day of each year, or of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Calendar {
    /// What clocks show in a zone, or in that of the site, at this time (in milliseconds since
    /// 1970-01-01T00:00:00Z).
    pub fn local_time(&self, zone: Option<&str>, at: u64) -> Option<CalendarTime> {
        let local = self.at(self.zone(zone)?, at)?;
        // Each is within what its type says: months from 1, hours from 0.
        let small = |number: i8| u8::try_from(number).unwrap_or_default();
        Some(CalendarTime {
            year: i32::from(local.year()),
            month: small(local.month()),
            day: small(local.day()),
            weekday: small(local.weekday().to_sunday_zero_offset()),
            hour: small(local.hour()),
            minute: small(local.minute()),
            second: small(local.second()),
            offset: local.offset().seconds(),
        })
    }

    /// Whether it is open at this time; none: there are no business hours of this name.
    pub fn is_open(&self, name: &str, at: u64) -> Option<bool> {
        let hours = self.business_hours.get(name)?;
        let local = self.at(hours.zone.clone().unwrap_or_else(|| self.zone.clone()), at)?;
        let days = hours.closed_on.as_ref().and_then(|table| self.special_days.get(table));
        let is_closed = days.is_some_and(|days| days.iter().any(|day| day.is_at(&local)));
        Some(!is_closed && hours.open.iter().any(|opening| opening.is_at(&local)))
    }

    /// Whether it is this day of the table, or any of it where none is named, at this time; none: there is no such
    /// table, day or zone.
    pub fn is_special_day(&self, table: &str, day: Option<&str>, zone: Option<&str>, at: u64) -> Option<bool> {
        let local = self.at(self.zone(zone)?, at)?;
        let mut named = self.special_days.get(table)?.iter().filter(|known| day.is_none_or(|day| known.name == day));
        let first = named.next();
        match (first, day) {
            (None, Some(_)) => None,
            (first, _) => Some(first.into_iter().chain(named).any(|day| day.is_at(&local))),
        }
    }

    fn zone(&self, name: Option<&str>) -> Option<TimeZone> {
        name.map_or_else(|| Some(self.zone.clone()), |name| TimeZone::get(name).ok())
    }

    #[allow(clippy::unused_self, reason = "reads as what it is")]
    fn at(&self, zone: TimeZone, at: u64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?.to_zoned(zone))
    }
}

fn minute_of(local: &Zoned) -> u16 {
    u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).unwrap_or_default()
}

impl Opening {
    fn is_at(&self, local: &Zoned) -> bool {
        let minute = minute_of(local);
        let is_on = |day: Weekday| {
            let day = usize::try_from(day.to_sunday_zero_offset()).unwrap_or_default();
            self.days.get(day).copied().unwrap_or_default()
        };
        let Hours { from, to } = self.hours;
        if from < to {
            is_on(local.weekday()) && (from..to).contains(&minute)
        } else {
            // Over midnight: of the day on which it begins.
            is_on(local.weekday()) && minute >= from || is_on(local.weekday().wrapping_sub(1)) && minute < to
        }
    }
}

impl SpecialDay {
    fn is_at(&self, local: &Zoned) -> bool {
        let Date { year, month, day } = self.date;
        let is_day = year.is_none_or(|year| year == local.year()) && month == local.month() && day == local.day();
        is_day && self.hours.is_none_or(|Hours { from, to }| (from..to.max(from)).contains(&minute_of(local)))
    }
}

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// `mon-fri 08:00-18:00`, `sat,sun 10:00-14:00`.
impl FromStr for Opening {
    type Err = String;

    fn from_str(text: &str) -> Result<Opening, String> {
        let expected = || "expected days and hours, such as `mon-fri 08:00-18:00` or `sat,sun 10:00-14:00`".to_owned();
        let (named, hours) = text.trim().split_once(char::is_whitespace).ok_or_else(expected)?;
        let number = |name: &str| {
            let name = name.trim().to_lowercase();
            DAYS.iter()
                .position(|day| *day == name)
                .ok_or_else(|| format!("`{name}` is no day; there are {}", DAYS.join(", ")))
        };
        let mut days = [false; 7];
        for part in named.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut day, last) = (number(first)?, number(last)?);
            loop {
                if let Some(is_on) = days.get_mut(day) {
                    *is_on = true;
                }
                if day == last {
                    break;
                }
                day = (day + 1) % DAYS.len();
            }
        }
        Ok(Opening { days, hours: hours.trim().parse()? })
    }
}

/// `08:00-18:00`; `24:00` is the end of the day.
impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Hours, String> {
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            Some(hour * 60 + minute).filter(|minutes| hour <= 24 && minute < 60 && *minutes <= DAY)
        };
        let hours = text.split_once('-').and_then(|(from, to)| Some(Hours { from: minute(from)?, to: minute(to)? }));
        hours
            .filter(|hours| hours.from != hours.to)
            .ok_or_else(|| format!("`{text}` are no hours such as `08:00-18:00`"))
    }
}

/// `12-25`, of each year; `2027-03-28`, of one.
impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Date, String> {
        let expected = || format!("`{text}` is no date such as `12-25` (of each year) or `2027-03-28`");
        // A leap year has all days there are.
        let of_a_year = if text.len() == 5 { format!("2000-{text}") } else { text.to_owned() };
        let date: jiff::civil::Date = of_a_year.parse().map_err(|_| expected())?;
        let year = Some(date.year()).filter(|_| text.len() != 5);
        Ok(Date { year, month: date.month(), day: date.day() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().expect("a time").as_millisecond()).expect("after 1970")
    }

    fn day(name: &str, when: &str) -> SpecialDay {
        SpecialDay::parse(name, when).expect("a day")
    }

    fn calendar() -> Calendar {
        let hours = |open: &[&str], closed_on: Option<&str>| BusinessHours {
            zone: None,
            open: open.iter().map(|opening| opening.parse().expect("an opening")).collect(),
            closed_on: closed_on.map(str::to_owned),
        };
        Calendar {
            zone: TimeZone::get("Europe/Vienna").expect("a zone"),
            business_hours: [
                ("support".into(), hours(&["mon-fri 08:00-18:00", "sat 10:00-12:00"], Some("holidays"))),
                ("night".into(), hours(&["fri-sun 22:00-06:00"], None)),
            ]
            .into(),
            special_days: [(
                "holidays".into(),
                vec![day("christmas", "12-25"), day("inventory", "2026-11-30 12:00-24:00")],
            )]
            .into(),
        }
    }

    #[test]
    fn it_is_open_within_the_hours_of_the_zone_and_not_on_special_days() {
        let calendar = calendar();
        for (time, is_open) in [
            ("2026-11-27T06:59:59Z", false),
            ("2026-11-27T07:00:00Z", true),
            ("2026-11-27T16:59:59Z", true),
            ("2026-11-27T17:00:00Z", false),
            ("2026-11-28T10:30:00Z", true),
            ("2026-11-29T10:30:00Z", false),
            // Inventory from noon, in this year.
            ("2026-11-30T10:59:00Z", true),
            ("2026-11-30T11:00:00Z", false),
            ("2026-12-25T10:00:00Z", false),
            ("2028-12-25T10:00:00Z", false),
            // Summer time.
            ("2026-07-01T06:00:00Z", true),
        ] {
            assert_eq!(calendar.is_open("support", at(time)), Some(is_open), "{time}");
        }
        assert_eq!(calendar.is_open("sales", at("2026-11-27T10:00:00Z")), None);
    }

    #[test]
    fn hours_over_midnight_are_of_the_day_on_which_they_begin() {
        let calendar = calendar();
        for (time, is_open) in [
            ("2026-11-27T20:59:00Z", false),
            ("2026-11-27T21:00:00Z", true),
            ("2026-11-28T04:59:00Z", true),
            ("2026-11-28T05:00:00Z", false),
            // Sunday's last into Monday; none into Friday.
            ("2026-11-30T04:00:00Z", true),
            ("2026-11-27T04:00:00Z", false),
        ] {
            assert_eq!(calendar.is_open("night", at(time)), Some(is_open), "{time}");
        }
    }

    #[test]
    fn special_days_are_asked_one_or_all_in_any_zone() {
        let calendar = calendar();
        let asked = |day, zone, time| calendar.is_special_day("holidays", day, zone, at(time));
        assert_eq!(asked(Some("christmas"), None, "2026-12-25T10:00:00Z"), Some(true));
        assert_eq!(asked(Some("inventory"), None, "2026-12-25T10:00:00Z"), Some(false));
        assert_eq!(asked(None, None, "2026-12-24T23:30:00Z"), Some(true));
        assert_eq!(asked(None, Some("America/New_York"), "2026-12-24T23:30:00Z"), Some(false));
        assert_eq!(asked(Some("easter"), None, "2026-12-25T10:00:00Z"), None);
        assert_eq!(asked(None, Some("Nowhere/Town"), "2026-12-25T10:00:00Z"), None);
        assert_eq!(calendar.is_special_day("others", None, None, 0), None);
    }

    #[test]
    fn clocks_on_the_wall_follow_summer_time() {
        let calendar = calendar();
        let time = calendar.local_time(None, at("2026-03-29T00:59:59Z")).expect("a time");
        assert_eq!((time.hour, time.minute, time.second, time.offset, time.weekday), (1, 59, 59, 3_600, 0));
        let time = calendar.local_time(None, at("2026-03-29T01:00:00Z")).expect("a time");
        assert_eq!((time.hour, time.offset), (3, 7_200));
        let time = calendar.local_time(Some("Asia/Tokyo"), at("2026-12-31T15:00:00Z")).expect("a time");
        assert_eq!((time.year, time.month, time.day, time.weekday), (2027, 1, 1, 5));
        assert_eq!(calendar.local_time(Some("Nowhere/Town"), 0), None);
    }

    #[test]
    fn what_is_no_time_says_what_is_expected() {
        for text in ["", "mon", "mon 8-18", "mon 08:00-08:00", "mon 08:00-24:01", "moon 08:00-18:00", "mon 25:00-26:00"]
        {
            assert!(text.parse::<Opening>().is_err(), "{text}");
        }
        assert_eq!(
            "moon 08:00-18:00".parse::<Opening>().unwrap_err(),
            "`moon` is no day; there are sun, mon, tue, wed, thu, fri, sat"
        );
        for text in ["", "13-01", "02-30", "2027-02-29", "christmas"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert!("02-29".parse::<Date>().is_ok());
    }
}
