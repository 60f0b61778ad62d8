//! An interaction as a person reads it: who wrote about what, the text, then what strategies noted.
//!
//! Everything in it came from outside: control characters never reach the terminal.

use jackfield_protocol::v1::Interaction;
use jackfield_protocol::v1::key_value::Value;

use crate::text;

/// Longest text that is shown; the rest is cut.
const TEXT_CHARACTERS: usize = 8_000;
/// Longest line of a heading.
const HEADING_CHARACTERS: usize = 200;
/// Longest value of other user data.
const VALUE_CHARACTERS: usize = 100;
/// User data that headings and text say already, or that only machines read (reference page, *Attributes*).
const SHOWN_ALREADY: [&str; 9] =
    ["Text", "Subject", "To", "Cc", "FromAddress", "FromPersonal", "EmailAddress", "FirstName", "LastName"];

/// The interaction, at the time `now` in milliseconds.
pub fn show(interaction: &Interaction, now: i64) -> String {
    let mut shown = format!(
        "{} {}, received {} ago, in queue {}\n{}\n",
        interaction.media_type,
        interaction.interaction_id,
        text::time(now - interaction.received_at),
        interaction.queue,
        "─".repeat(60),
    );
    let value = |key: &str| text::user_text(interaction, key).to_owned();
    let from = match (value("FromPersonal"), value("FromAddress")) {
        (name, address) if name.is_empty() => address,
        (name, address) => format!("{name} <{address}>"),
    };
    let headings = [
        ("From", from),
        ("To", value("To")),
        ("Cc", value("Cc")),
        ("Subject", value("Subject")),
        ("Attached", value("_AttachmentFileNames")),
        ("Note", value("_Problems")),
    ];
    for (name, value) in headings {
        if !value.is_empty() {
            shown.push_str(&format!("{:<10}{}\n", format!("{name}:"), text::clip(&value, HEADING_CHARACTERS)));
        }
    }
    let body = text::printable(text::user_text(interaction, "Text"));
    let cut: String = body.chars().take(TEXT_CHARACTERS).collect();
    if !cut.trim().is_empty() {
        shown.push_str(&format!("\n{}\n", cut.trim()));
    }
    if cut.len() < body.len() {
        let left = body.chars().count() - TEXT_CHARACTERS;
        shown.push_str(&format!("[{} more]\n", text::count(left, "character")));
    }
    let rest = rest(interaction);
    if !rest.is_empty() {
        shown.push_str(&format!("{}\n{rest}", "─".repeat(60)));
    }
    shown.trim_end().to_owned()
}

/// Other user data, a line each.
fn rest(interaction: &Interaction) -> String {
    let mut lines = String::new();
    for pair in interaction.user_data.iter().flat_map(|data| &data.pairs) {
        let key = pair.key.as_str();
        if SHOWN_ALREADY.contains(&key) || key.starts_with("Header_") || key.starts_with('_') {
            continue;
        }
        if let Some(value) = &pair.value {
            lines.push_str(&format!(
                "{}: {}\n",
                text::clip(key, VALUE_CHARACTERS),
                text::clip(&one(value), VALUE_CHARACTERS)
            ));
        }
    }
    lines
}

fn one(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(integer) => integer.to_string(),
        Value::Binary(bytes) => text::count(bytes.len(), "byte"),
        Value::List(list) => list.to_json().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_shown_as_letters_are() {
        let data = [
            ("FromPersonal", "Kim Lee"),
            ("FromAddress", "kim@example.com"),
            ("To", "help@example.org"),
            ("Subject", "My invoice"),
            ("Header_X-Mailer", "none"),
            ("Text", "Hello,\r\n\r\nwhere is it?\r\n"),
            ("Urgency", "2"),
        ];
        let interaction = Interaction {
            interaction_id: "0001".into(),
            media_type: "email".into(),
            queue: "in".into(),
            received_at: 1_000,
            user_data: Some(data.into_iter().collect()),
            ..Interaction::default()
        };
        let rule = "─".repeat(60);
        let expected = format!(
            "email 0001, received 2.0 s ago, in queue in\n{rule}\nFrom:     Kim Lee <kim@example.com>\n\
             To:       help@example.org\nSubject:  My invoice\n\nHello,\n\nwhere is it?\n{rule}\nUrgency: 2"
        );
        assert_eq!(show(&interaction, 3_000), expected);
    }

    #[test]
    fn a_hostile_mail_cannot_drive_the_terminal() {
        let data = [("Subject", "hi\u{1b}]0;x\u{7}"), ("Text", "a\u{1b}[2Jb"), ("K\u{1b}[2J", "v\u{1b}c")];
        let interaction = Interaction { user_data: Some(data.into_iter().collect()), ..Interaction::default() };
        let shown = show(&interaction, 0);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    }
}
