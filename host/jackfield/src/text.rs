//! Small things between text and values: lengths of time, columns, user data.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use jackfield_protocol::v1::Interaction;

/// The end of the year 9999: dates after it are not written.
const LAST_MOMENT: i64 = 253_402_300_800_000;

/// `0.2s`, `200ms`, `1m`, or a range of two such as `0.2s..1s`.
///
/// # Errors
/// Says which part is no length of time, or that the range runs backwards.
pub fn parse_time_range(text: &str) -> Result<(Duration, Duration), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (parse_time(from)?, parse_time(to)?);
    if from > to {
        return Err(format!("`{text}` runs backwards; write the shorter time first"));
    }
    Ok((from, to))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let fraction = text
        .strip_suffix('s')
        .and_then(|number| number.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    fraction.map_or_else(|| humantime::parse_duration(text).map_err(|error| format!("`{text}`: {error}")), Ok)
}

/// A day such as `2026-03-02`, as it was written.
///
/// # Errors
/// It is none.
pub fn parse_date(text: &str) -> Result<String, String> {
    match text.parse::<jiff::civil::Date>() {
        Ok(date) if date.to_string() == text => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no day; write it as 2026-03-02")),
    }
}

/// Some milliseconds as people say them: `340 ms`, `2.1 s`, `4 min`, `3 h`, `2 d`.
pub fn time(milliseconds: i64) -> String {
    match milliseconds {
        ..1_000 => format!("{} ms", milliseconds.max(0)),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", milliseconds / 60_000),
        3_600_000..172_800_000 => format!("{} h", milliseconds / 3_600_000),
        _ => format!("{} d", milliseconds / 86_400_000),
    }
}

/// A moment, in milliseconds since 1970-01-01T00:00:00Z, as `2026-03-02 10:00:00 UTC`.
pub fn moment(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    match UNIX_EPOCH.checked_add(since).filter(|_| milliseconds < LAST_MOMENT) {
        Some(time) => format!("{}", humantime::format_rfc3339_seconds(time)).replace('T', " ").replace('Z', " UTC"),
        None => format!("{milliseconds} ms"),
    }
}

/// `1 queue`, `2 queues`.
pub fn count(number: usize, noun: &str) -> String {
    counted(number, noun, &format!("{noun}s"))
}

/// The same for a noun whose plural has a form of its own.
pub fn counted(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// `path` as it is written most shortly: from the current folder, where it is below that.
pub fn path(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = path.strip_prefix(&here).ok().filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(path).display().to_string()
}

/// `text` on one line, without control characters, at most `width` characters.
pub fn clip(text: &str, width: usize) -> String {
    let clean = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut clipped: String = clean.clone().take(width).collect();
    if clean.count() > width {
        clipped.pop();
        clipped.push('…');
    }
    clipped
}

/// Text that came from outside, with line ends kept and other control characters (which could drive the
/// terminal) replaced.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| *character != '\r')
        .map(
            |character| {
                if character.is_control() && !matches!(character, '\n' | '\t') { '\u{fffd}' } else { character }
            },
        )
        .collect()
}

/// The text of user data key `key`; empty when there is none.
pub fn user_text<'a>(interaction: &'a Interaction, key: &str) -> &'a str {
    interaction.user_data.as_ref().and_then(|data| data.text(key)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_time() {
        let ms = Duration::from_millis;
        assert_eq!(parse_time_range("0.2s..1s"), Ok((ms(200), ms(1_000))));
        assert_eq!(parse_time_range("150ms"), Ok((ms(150), ms(150))));
        assert!(parse_time_range("2s..1s").is_err_and(|error| error.contains("backwards")));
        assert!(parse_time_range("soon").is_err_and(|error| error.contains("`soon`")));
        assert!(parse_time_range("-1s").is_err());
    }

    #[test]
    fn days() {
        assert_eq!(parse_date("2026-03-02"), Ok("2026-03-02".to_owned()));
        for wrong in ["2026-02-30", "today", "2026-3-2", "20260302"] {
            assert!(parse_date(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_as_people_say_them() {
        let said: Vec<String> = [-5, 340, 2_150, 240_000, 10_800_000, 172_800_000].map(time).into();
        assert_eq!(said, ["0 ms", "340 ms", "2.1 s", "4 min", "3 h", "2 d"]);
    }

    #[test]
    fn moments_as_people_say_them() {
        assert_eq!(moment(1_772_445_600_250), "2026-03-02 10:00:00 UTC");
        assert_eq!(moment(i64::MAX), "9223372036854775807 ms");
    }

    #[test]
    fn counts_and_paths_as_people_write_them() {
        assert_eq!((count(1, "queue"), count(0, "queue")), ("1 queue".into(), "0 queues".into()));
        assert_eq!(counted(3, "strategy", "strategies"), "3 strategies");
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(path(&here.join("var").join("demo")), "var/demo");
        assert_eq!(path(&here), here.display().to_string());
        assert_eq!(path(Path::new("/elsewhere/demo")), "/elsewhere/demo");
    }

    #[test]
    fn nothing_from_outside_drives_the_terminal() {
        assert_eq!(clip("a\u{1b}[31mb\nc", 20), "a [31mb c");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(printable("a\u{1b}[31m\r\nb"), "a\u{fffd}[31m\nb");
    }
}
