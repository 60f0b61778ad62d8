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
        let next = format!("[{}.options.{}]", option.owner.word(), option.section);
        if next != section {
            output::line(format!("{}{next}", if section.is_empty() { "" } else { "\n" }))?;
            section = next;
        }
        output::line(format!("\n{} = {}", option.name, default(option)))?;
        output::line(format!("    {}", option.text))?;
        output::line(format!("    {}; a change counts {}", range(option), option.takes_effect.words()))?;
    }
    Ok(Exit::Done)
}

fn default(option: &OptionDefinition) -> String {
    match option.kind {
        Kind::Integer { default, .. } => default.to_string(),
        Kind::Flag { default } => default.to_string(),
        Kind::Text { default } | Kind::Word { default, .. } => format!("{default:?}"),
    }
}

fn range(option: &OptionDefinition) -> String {
    match option.kind {
        Kind::Integer { min, max, unit, .. } => format!("{min} to {max} {}", unit.word()).trim_end().to_owned(),
        Kind::Flag { .. } => "true or false".into(),
        Kind::Text { .. } => "text".into(),
        Kind::Word { of, .. } => of.join(" or "),
    }
}

fn as_json(option: &OptionDefinition) -> serde_json::Value {
    let (default, min, max, unit) = match option.kind {
        Kind::Integer { default, min, max, unit } => (json!(default), json!(min), json!(max), json!(unit.word())),
        Kind::Flag { default } => (json!(default), json!(null), json!(null), json!(null)),
        Kind::Text { default } | Kind::Word { default, .. } => (json!(default), json!(null), json!(null), json!(null)),
    };
    let words = match option.kind {
        Kind::Word { of, .. } => json!(of),
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
        "takesEffect": option.takes_effect.words(),
        "text": option.text,
    })
}
