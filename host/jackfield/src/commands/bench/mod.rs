//! `jackfield bench`: figures of this build on this machine, beside what they should be.
//!
//! Each benchmark stands for itself and can be run alone with `--only`. CPU figures are of the whole
//! process, so nothing else may run in it meanwhile; they are divided by how often the thing was done.

mod dropping;
mod engine;
mod isolation;
mod measure;
mod plugins;
mod resume;
mod selection;
mod throughput;
mod waiting;

use anyhow::Context;
use serde_json::{Value as Json, json};

use crate::cli::{Bench, Global};
use crate::exit::{Exit, Usage};
use crate::output;

/// What one benchmark found.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it should be: at most, or at least.
    pub aim: Option<Aim>,
}

/// Where a figure should lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Not more.
    Under(f64),
    /// Not less.
    Over(f64),
}

impl Figure {
    fn meets(&self) -> Option<bool> {
        self.aim.map(|aim| match aim {
            Aim::Under(limit) => self.value <= limit,
            Aim::Over(limit) => self.value >= limit,
        })
    }
}

/// Names of the benchmarks, in the order in which they run. `waiting` looks at all memory of the process, and
/// comes before the others leave something behind.
const NAMES: [&str; 13] = [
    "waiting",
    "instantiate",
    "turn",
    "memory",
    "plugins",
    "dropping",
    "resume",
    "checkpoint",
    "selection",
    "isolation",
    "floor",
    "server",
    "end-to-end",
];

/// Run the benchmarks.
///
/// # Errors
/// A guest is missing, or the folder cannot be written.
pub async fn bench(global: &Global, arguments: Bench) -> anyhow::Result<Exit> {
    if let Some(folder) = &arguments.load {
        plugins::load(folder).await?;
        return Ok(Exit::Done);
    }
    let wanted: Vec<&str> =
        NAMES.into_iter().filter(|name| arguments.only.as_ref().is_none_or(|only| name.contains(only))).collect();
    if wanted.is_empty() {
        return Err(Usage(format!("no benchmark is called so; there are {}", NAMES.join(", "))).into());
    }
    std::fs::create_dir_all(&arguments.folder)
        .with_context(|| format!("cannot make {}", arguments.folder.display()))?;
    let mut figures = Vec::new();
    for name in wanted {
        output::complain(&format!("measuring {name}"));
        let found = match name {
            "instantiate" => engine::instantiate(&arguments).await,
            "turn" => engine::warm_turn(&arguments).await,
            "memory" => engine::memory(&arguments).await,
            "plugins" => plugins::plugins(&arguments).await,
            "dropping" => dropping::dropping(&arguments).await,
            "resume" => resume::resume(&arguments).await,
            "checkpoint" => resume::checkpoint(&arguments).await,
            "selection" => selection::selection(),
            "waiting" => waiting::waiting(&arguments).await,
            "isolation" => isolation::isolation(&arguments).await,
            "floor" => throughput::floor(&arguments).await,
            "server" => throughput::server_alone(&arguments).await,
            _ => throughput::end_to_end(&arguments).await,
        };
        figures.extend(found.with_context(|| format!("benchmark {name}"))?);
    }
    show(global, &measure::machine(&arguments.folder), &figures)?;
    Ok(Exit::Done)
}

fn show(global: &Global, machine: &Json, figures: &[Figure]) -> anyhow::Result<()> {
    if global.json {
        let figures: Vec<Json> = figures
            .iter()
            .map(|figure| {
                let (aim, limit) = match figure.aim {
                    Some(Aim::Under(limit)) => (json!("under"), json!(limit)),
                    Some(Aim::Over(limit)) => (json!("over"), json!(limit)),
                    None => (Json::Null, Json::Null),
                };
                json!({
                    "name": figure.name, "value": figure.value, "unit": figure.unit,
                    "aim": aim, "limit": limit, "meets": figure.meets(),
                })
            })
            .collect();
        return output::line(json!({ "machine": machine, "figures": figures }).to_string());
    }
    let rows = figures.iter().map(|figure| {
        let aim = match figure.aim {
            Some(Aim::Under(limit)) => format!("under {limit}"),
            Some(Aim::Over(limit)) => format!("over {limit}"),
            None => String::new(),
        };
        let verdict = match figure.meets() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        vec![figure.name.into(), format!("{:.1}", figure.value), figure.unit.into(), aim, verdict.into()]
    });
    output::line(output::table(&["FIGURE", "#VALUE", "UNIT", "#AIM", "MET"], rows))?;
    let facts = machine.as_object().into_iter().flatten();
    let facts: Vec<String> = facts.map(|(name, value)| format!("{name} {value}")).collect();
    output::line(facts.join(", "))
}
