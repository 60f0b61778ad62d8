//! `jackfield move`: sessions that wait go on with another version of their plugin.
//!
//! What can be moved is tried first: the version is run from the session's checkpoint over the turns
//! recorded since. Sessions are moved in the journal, as its owner, so that no node runs them meanwhile.

use std::collections::BTreeMap;

use anyhow::Context;
use jackfield_journal::{Entry, Filter, Journal, JournalFile, SessionRow, Summary, Urgency};
use jackfield_strategy::{Look, Plugin};
use serde_json::{Value as Json, json};

use super::versions::Versions;
use crate::cli::{Global, Move};
use crate::config::{Site, nearest_word};
use crate::exit::{Exit, Usage};
use crate::journal::{self, Recorded};
use crate::{output, text};

/// Sessions of one commit.
const AT_ONCE: usize = 1_000;
/// Sessions that stay of which each is shown.
const SHOWN: usize = 20;

/// Move them, or only try.
///
/// # Errors
/// The version cannot be loaded; the journal cannot be read, or, to move them, a node has it open.
pub async fn sessions(global: &Global, arguments: &Move) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    strategy_is_known(&site, &arguments.strategy)?;
    let mut versions = Versions::new(&site)?;
    let to = versions.engine().load(&arguments.to).await?;
    let owned = if arguments.dry_run { None } else { Some(own(&site).await?) };
    let tried = try_all(&journal::file(&site)?, &arguments.strategy, &mut versions, &to).await;
    let moved = match (owned, tried) {
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
    let stays = moved.iter().filter(|session| matches!(session.fate, Fate::Stays(_))).count();
    if global.json {
        for session in &moved {
            output::line(session.as_json(arguments.dry_run).to_string())?;
        }
    } else {
        show(&moved, &to, arguments.dry_run)?;
    }
    Ok(if stays > 0 { Exit::Partly } else { Exit::Done })
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
        "sessions are moved while the node is stopped; a SIGTERM suspends them, and they go on at its next start \
         (--dry-run works while it runs)",
    )?;
    opened.context("the site keeps no journal")
}

/// A waiting session, and what becomes of it.
struct Tried {
    row: SessionRow,
    fate: Fate,
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It can go on with the new version.
    Moves,
    /// It has that version already.
    Has,
    /// It goes on with the version it has, because of this.
    Stays(String),
}

impl Tried {
    fn as_json(&self, dry_run: bool) -> Json {
        let (fate, reason) = match &self.fate {
            Fate::Moves if dry_run => ("would-move", None),
            Fate::Moves => ("moved", None),
            Fate::Has => ("has-it-already", None),
            Fate::Stays(reason) => ("stays", Some(reason)),
        };
        json!({
            "session": &*self.row.id,
            "interaction": self.row.interaction,
            "from": self.row.version,
            "fate": fate,
            "reason": reason,
        })
    }
}

async fn try_all(
    file: &JournalFile,
    strategy: &str,
    versions: &mut Versions,
    to: &Plugin,
) -> anyhow::Result<Vec<Tried>> {
    let filter = Filter { finished: Some(false), since: None, strategy: Some(strategy.to_owned()), limit: u64::MAX };
    let mut tried = Vec::new();
    for Summary { row, checkpoint, .. } in file.sessions(&filter)? {
        let fate = if row.digest == to.digest() {
            Fate::Has
        } else if checkpoint.is_none() {
            Fate::Stays("it has made no checkpoint".into())
        } else {
            match try_one(file, &row, versions, to).await {
                Ok(()) => Fate::Moves,
                Err(reason) => Fate::Stays(reason),
            }
        };
        tried.push(Tried { row, fate });
    }
    Ok(tried)
}

/// Whether the session can go on with this version; why not.
async fn try_one(file: &JournalFile, row: &SessionRow, versions: &mut Versions, to: &Plugin) -> Result<(), String> {
    if row.plugin != to.name() {
        return Err(format!("it runs plugin `{}`, and this one is `{}`", row.plugin, to.name()));
    }
    let from = versions.of(file, row).await?;
    let Some(format) = from.states().first() else {
        return Err(format!("version {} does not name the format of its checkpoints", from.version()));
    };
    if !to.states().contains(format) {
        let reads = if to.states().is_empty() { "none".to_owned() } else { to.states().join(", ") };
        return Err(format!("its checkpoint has the format `{format}`, and the new version reads {reads}"));
    }
    let stored = file.session(&row.id, false).map_err(|error| error.to_string())?;
    let stored = stored.ok_or("it ended meanwhile")?;
    let recorded = Recorded::decode(stored).map_err(|error| error.to_string())?;
    let look =
        Look { session: row.id.to_string(), plugin: to.clone(), history: recorded.since_checkpoint(), failed: None };
    let looked = versions.engine().look(look).await;
    match (looked.difference, looked.failure) {
        (Some(difference), _) => Err(format!("since its checkpoint it would have done something else: {difference}")),
        (None, Some(failure)) => Err(format!("it fails: {failure}")),
        (None, None) => Ok(()),
    }
}

async fn write(journal: &Journal, to: &Plugin, tried: &[Tried]) -> anyhow::Result<()> {
    let moves: Vec<&SessionRow> =
        tried.iter().filter(|session| session.fate == Fate::Moves).map(|session| &session.row).collect();
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
        entries.extend(chunk.iter().map(|row| Entry::Moved {
            session: row.id.clone(),
            digest: to.digest().into(),
            version: to.version().into(),
        }));
        journal.append(std::mem::take(&mut entries), Urgency::Now).await.await?;
    }
    Ok(())
}

fn show(tried: &[Tried], to: &Plugin, dry_run: bool) -> anyhow::Result<()> {
    let moves = tried.iter().filter(|session| session.fate == Fate::Moves).count();
    let has = tried.iter().filter(|session| session.fate == Fate::Has).count();
    let stays: Vec<(&SessionRow, &str)> = tried
        .iter()
        .filter_map(|session| match &session.fate {
            Fate::Stays(reason) => Some((&session.row, reason.as_str())),
            Fate::Moves | Fate::Has => None,
        })
        .collect();
    let verb = if dry_run { "can go on" } else { "will go on, when the node is started," };
    output::line(format!(
        "{} {verb} with {} {}; {has} have it already; {} stay with the version they have",
        text::count(moves, "session"),
        to.name(),
        to.version(),
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
    let rows = stays.iter().take(SHOWN).map(|(row, reason)| {
        vec![row.id.to_string(), row.version.clone(), row.interaction.clone(), text::clip(reason, 100)]
    });
    output::line(format!("\n{}", output::table(&["SESSION", "VERSION", "INTERACTION", "WHY"], rows)))
}
