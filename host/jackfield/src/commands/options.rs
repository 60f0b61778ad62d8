//! `jackfield options`: every option, from the one table that checking uses too.

use serde_json::json;

use crate::cli::Global;
use crate::config::options::{Kind, OPTIONS, OptionDefinition};
use crate::exit::Exit;
use crate::output;

/// List the options.
///
/// # Errors
/// Standard output is closed.
pub fn options(global: &Global) -> anyhow::Result<Exit> {
    if global.json {
        for option in OPTIONS {
            output::line(as_json(option).to_string())?;
        }
        return Ok(Exit::Done);
    }
    let mut section = String::new();
    for option in OPTIONS {
        let next = format!("[{}]", option.owner.table(option.section));
        if next != section {
            output::line(format!("{}{next}", if section.is_empty() { "" } else { "\n" }))?;
            section = next;
        }
        output::line(format!("\n{} = {}", option.name, option.default_text()))?;
        output::line(format!("    {}", option.text))?;
        let own = if option.is_of_plugins() { "; a [[plugin]] may have its own" } else { "" };
        output::line(format!("    {}; a change counts {}{own}", range(option), option.takes_effect.words()))?;
    }
    Ok(Exit::Done)
}

fn range(option: &OptionDefinition) -> String {
    match option.kind {
        Kind::Integer { min, max, unit, .. } => format!("{min} to {max} {}", unit.word()).trim_end().to_owned(),
        Kind::Flag { .. } => "true or false".into(),
        Kind::Text { .. } => "text".into(),
        Kind::Word { of, .. } => of.join(" or "),
        Kind::Words { of } => format!("a list of {}", of.join(", ")),
        Kind::Hosts => "a list of hosts".into(),
    }
}

fn as_json(option: &OptionDefinition) -> serde_json::Value {
    let (default, min, max, unit) = match option.kind {
        Kind::Integer { default, min, max, unit } => (json!(default), json!(min), json!(max), json!(unit.word())),
        Kind::Flag { default } => (json!(default), json!(null), json!(null), json!(null)),
        Kind::Text { default } | Kind::Word { default, .. } => (json!(default), json!(null), json!(null), json!(null)),
        Kind::Words { of } => (json!(of), json!(null), json!(null), json!(null)),
        Kind::Hosts => (json!([]), json!(null), json!(null), json!(null)),
    };
    let words = match option.kind {
        Kind::Word { of, .. } | Kind::Words { of } => json!(of),
        _ => json!(null),
    };
    json!({
        "object": option.owner.word(),
        "section": option.section,
        "name": option.name,
        "default": default,
        "min": min,
        "max": max,
        "unit": unit,
        "words": words,
        "perPlugin": option.is_of_plugins(),
        "takesEffect": option.takes_effect.words(),
        "text": option.text,
    })
}
