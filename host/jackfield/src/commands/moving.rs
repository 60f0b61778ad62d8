//! `jackfield move`: sessions that wait go on with another version of their plugin.
//!
//! What can be moved is tried first: the version is run from the session's checkpoint over the turns
//! recorded since. A running node does all of it, each session between two of its turns; with none, sessions are
//! moved in the journal, as its owner, so that no node runs them meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use jackfield_journal::{Entry, Filter, Journal, JournalFile, SessionRow, Summary, Urgency};
use jackfield_node::{Fate, MoveProgress, Tried, can_go_on};
use jackfield_strategy::Plugin;
use serde_json::{Value as Json, json};

use super::versions::Versions;
use crate::cli::{Global, Move};
use crate::config::{Site, nearest_word};
use crate::control::{self, Question};
use crate::exit::{Exit, Unreachable, Usage};
use crate::moves::Told;
use crate::{documents, journal, output, text};

/// Sessions of one commit.
const AT_ONCE: usize = 1_000;
/// Sessions that stay of which each is shown.
const SHOWN: usize = 20;
/// Pause before a node is asked how far it is.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What was done, or only tried.
struct Outcome {
    /// What becomes of the sessions that can: for people.
    verb: &'static str,
    plugin: String,
    version: String,
    sessions: Vec<Tried>,
}

/// Move them, or only try.
///
/// # Errors
/// The version cannot be loaded; the journal cannot be read, or, to move them, neither the node does it nor can
/// the journal be had.
pub async fn sessions(global: &Global, arguments: &Move) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    strategy_is_known(&site, &arguments.strategy)?;
    let by_the_node = if arguments.dry_run { None } else { by_the_node(global, &site, arguments).await? };
    let outcome = match by_the_node {
        Some(outcome) => outcome,
        None => in_the_journal(global, &site, arguments).await?,
    };
    let stays = outcome.sessions.iter().filter(|session| matches!(session.fate, Fate::Stays(_))).count();
    if global.json {
        for session in &outcome.sessions {
            output::line(as_json(session, arguments.dry_run).to_string())?;
        }
    } else {
        show(&outcome)?;
    }
    Ok(if stays > 0 { Exit::Partly } else { Exit::Done })
}

/// By the node that runs. None: there is none.
async fn by_the_node(global: &Global, site: &Site, arguments: &Move) -> anyhow::Result<Option<Outcome>> {
    let to = std::path::absolute(&arguments.to)?;
    let mut progress = output::Progress::new("tried", global.json);
    let mut number = None;
    loop {
        let question = Question::Move { strategy: arguments.strategy.clone(), to: to.clone(), number };
        let told = match control::ask(&site.control_socket(), question).await {
            Ok(told) => told,
            Err(error) if number.is_none() && error.is::<Unreachable>() => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(error) = told.get("error").and_then(Json::as_str) {
            anyhow::bail!("the node: {error}");
        }
        match serde_json::from_value(told).context("the node answers with something else")? {
            Told::Refused { reason } => anyhow::bail!("the node: {reason}"),
            Told::Goes { progress: MoveProgress { error: Some(error), .. }, .. } => anyhow::bail!("the node: {error}"),
            Told::Goes { progress: MoveProgress { plugin, version, tried: Some(sessions), .. }, .. } => {
                return Ok(Some(Outcome { verb: "go on", plugin, version, sessions }));
            }
            Told::Goes { number: of, progress: MoveProgress { done, total, .. } } => {
                progress.at(done, total);
                number = Some(of);
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// With no node: in its journal.
async fn in_the_journal(global: &Global, site: &Site, arguments: &Move) -> anyhow::Result<Outcome> {
    let mut versions = Versions::new(site)?;
    let to = documents::load(versions.engine(), &arguments.to).await?;
    let owned = if arguments.dry_run { None } else { Some(own(site).await?) };
    let progress = output::Progress::new("tried", global.json);
    let tried = try_all(&journal::file(site)?, &arguments.strategy, &mut versions, &to, progress).await;
    let sessions = match (owned, tried) {
        (Some(journal), Ok(tried)) => {
            let moved = write(&journal, &to, &tried).await;
            journal.close().await;
            moved.map(|()| tried)
        }
        (Some(journal), Err(error)) => {
            journal.close().await;
            Err(error)
        }
        (None, tried) => tried,
    }?;
    let verb = if arguments.dry_run { "can go on" } else { "will go on, when the node is started," };
    Ok(Outcome { verb, plugin: to.name().to_owned(), version: to.version().to_owned(), sessions })
}

fn strategy_is_known(site: &Site, name: &str) -> Result<(), Usage> {
    let names = || site.strategies.iter().map(|strategy| strategy.name.get_ref().as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    Err(Usage(format!("there is no strategy `{name}` in {}; {}", site.path.display(), nearest_word(name, names()))))
}

/// The journal, with no node that could be running its sessions.
async fn own(site: &Site) -> anyhow::Result<Journal> {
    journal::path(site)?;
    // Nothing is begun where there is nothing to move.
    drop(journal::file(site)?);
    let opened = journal::open(site).await.context(
        "no node answers that could move its sessions, and with none they are moved in its journal (--dry-run \
         only reads it)",
    )?;
    opened.context("the site keeps no journal")
}

fn as_json(session: &Tried, dry_run: bool) -> Json {
    let (fate, reason) = match &session.fate {
        Fate::Moves if dry_run => ("would-move", None),
        Fate::Moves => ("moved", None),
        Fate::Has => ("has-it-already", None),
        Fate::Stays(reason) => ("stays", Some(reason)),
    };
    json!({
        "session": session.session,
        "interaction": session.interaction,
        "from": session.from,
        "fate": fate,
        "reason": reason,
    })
}

async fn try_all(
    file: &JournalFile,
    strategy: &str,
    versions: &mut Versions,
    to: &Plugin,
    mut progress: output::Progress,
) -> anyhow::Result<Vec<Tried>> {
    let filter = Filter { finished: Some(false), since: None, strategy: Some(strategy.to_owned()), limit: u64::MAX };
    let sessions = file.sessions(&filter)?;
    let mut tried = Vec::with_capacity(sessions.len());
    for Summary { row, .. } in &sessions {
        progress.at(tried.len(), sessions.len());
        let fate = if row.digest == to.digest() {
            Fate::Has
        } else {
            match try_one(file, row, versions, to).await {
                Ok(()) => Fate::Moves,
                Err(reason) => Fate::Stays(reason),
            }
        };
        let (session, interaction, from) = (row.id.to_string(), row.interaction.clone(), row.version.clone());
        tried.push(Tried { session, interaction, from, fate });
    }
    Ok(tried)
}

/// Whether the session can go on with this version; why not.
async fn try_one(file: &JournalFile, row: &SessionRow, versions: &mut Versions, to: &Plugin) -> Result<(), String> {
    let stored = file.session(&row.id, false).map_err(|error| error.to_string())?;
    let stored = stored.ok_or("it ended meanwhile")?;
    let from = versions.of(file, row).await?;
    can_go_on(versions.engine(), &stored, &from, to).await
}

async fn write(journal: &Journal, to: &Plugin, tried: &[Tried]) -> anyhow::Result<()> {
    let moves: Vec<&Tried> = tried.iter().filter(|session| session.fate == Fate::Moves).collect();
    if moves.is_empty() {
        return Ok(());
    }
    let component = Entry::Component {
        digest: to.digest().into(),
        name: to.name().into(),
        version: to.version().into(),
        bytes: to.bytes().to_vec(),
    };
    let mut entries = vec![component];
    for chunk in moves.chunks(AT_ONCE) {
        entries.extend(chunk.iter().map(|session| Entry::Moved {
            session: session.session.as_str().into(),
            digest: to.digest().into(),
            version: to.version().into(),
        }));
        journal.append(std::mem::take(&mut entries), Urgency::Now).await.await?;
    }
    Ok(())
}

fn show(outcome: &Outcome) -> anyhow::Result<()> {
    let Outcome { verb, plugin, version, sessions } = outcome;
    let moves = sessions.iter().filter(|session| session.fate == Fate::Moves).count();
    let has = sessions.iter().filter(|session| session.fate == Fate::Has).count();
    let stays: Vec<(&Tried, &str)> = sessions
        .iter()
        .filter_map(|session| match &session.fate {
            Fate::Stays(reason) => Some((session, reason.as_str())),
            Fate::Moves | Fate::Has => None,
        })
        .collect();
    output::line(format!(
        "{} {verb} with {plugin} {version}; {has} have it already; {} stay with the version they have",
        text::count(moves, "session"),
        stays.len()
    ))?;
    if stays.is_empty() {
        return Ok(());
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, reason) in &stays {
        *reasons.entry(reason).or_default() += 1;
    }
    let rows = reasons.into_iter().map(|(reason, count)| vec![text::clip(reason, 120), count.to_string()]);
    output::line(format!("\n{}", output::table(&["WHY THEY STAY", "#SESSIONS"], rows)))?;
    let rows = stays.iter().take(SHOWN).map(|(session, reason)| {
        vec![session.session.clone(), session.from.clone(), session.interaction.clone(), text::clip(reason, 100)]
    });
    output::line(format!("\n{}", output::table(&["SESSION", "VERSION", "INTERACTION", "WHY"], rows)))
}
