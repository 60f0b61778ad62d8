//! What was seen from outside, and whether it is what should have been.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jackfield_journal::Summary;

/// What a strategy does with an interaction; see the guest `effects`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message, its user data, the queue `second`; there a message, and an agent.
    Moves,
    /// A timer, a message, the end.
    Waits,
    /// Messages of another session, a message, the end.
    Listens,
    /// Messages to another session, the end.
    Tells,
}

/// What was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    Node,
    Server,
    Outbox,
}

/// Shared by all who see something.
#[derive(Clone, Debug, Default)]
pub struct Book(Arc<Mutex<Pages>>);

impl Book {
    pub fn note<T>(&self, entry: impl FnOnce(&mut Pages) -> T) -> T {
        entry(&mut self.0.lock().expect("nobody panics here"))
    }
}

#[derive(Debug, Default)]
pub struct Pages {
    /// By id: what it does, and its name outside.
    interactions: BTreeMap<String, (Kind, String)>,
    /// Names that were acknowledged under two ids.
    twice: Vec<String>,
    /// Who was invited, by the server (one of so many kills) and the interaction.
    pub invited: BTreeMap<(usize, String), Vec<&'static str>>,
    /// Stops that were acknowledged to agents, by interaction.
    pub stopped_by_agent: BTreeMap<String, u32>,
    /// Stops that were reported, by interaction.
    pub reported_stopped: BTreeMap<String, u32>,
    /// In their order.
    pub killed: Vec<Killed>,
    /// Nodes that were away for longer than what they held was kept for them.
    pub gone_for_good: usize,
}

impl Pages {
    pub fn acknowledged(&mut self, kind: Kind, name: &str, id: &str) {
        self.interactions.insert(id.to_owned(), (kind, name.to_owned()));
        if self.interactions.values().filter(|(_, other)| other == name).count() > 1 {
            self.twice.push(name.to_owned());
        }
    }

    pub fn server_kills(&self) -> usize {
        self.killed.iter().filter(|killed| **killed == Killed::Server).count()
    }

    /// Everything that is not as it should be, now that all is at rest.
    pub fn check(&self, sessions: &[Summary], maildir: &Path) -> Vec<String> {
        self.check_with(sessions, messages(maildir))
    }

    /// The same, with the messages that were sent.
    pub fn check_with(&self, sessions: &[Summary], mut messages: Messages) -> Vec<String> {
        let mut problems: Vec<String> =
            self.twice.iter().map(|name| format!("{name} was acknowledged under two ids")).collect();
        for (id, (kind, name)) in &self.interactions {
            let of = |strategy: &str| -> Vec<&Summary> {
                sessions
                    .iter()
                    .filter(|session| session.row.interaction == *id && session.row.strategy == strategy)
                    .collect()
            };
            let (takes, settles) = (of("takes"), of("settles"));
            let about = format!("{name} ({id})");
            if takes.len() != 1 {
                problems.push(format!("{about} was taken by {}", ids(&takes)));
            }
            // One after an agent had it when the server was killed, or after its node was gone for good, and each
            // time a new decision.
            let most = if *kind == Kind::Moves { 1 + self.server_kills() + self.gone_for_good } else { 0 };
            if settles.len() > most || (settles.is_empty() && *kind == Kind::Moves) {
                problems.push(format!("{about} was settled by {}", ids(&settles)));
            }
            for session in takes.iter().chain(&settles) {
                let what = match (session.row.strategy.as_str(), kind) {
                    ("settles", _) => "settled",
                    (_, Kind::Moves) => "answered",
                    (_, Kind::Waits) => "waited",
                    (_, Kind::Listens) => "heard:1,2,3",
                    (_, Kind::Tells) => continue,
                };
                let made = messages.remove(&(name.clone(), session.row.id.to_string())).unwrap_or_default();
                if made.len() != 1 || made.iter().any(|made| made.0 != what) {
                    problems.push(format!("{about}: session {} made {made:?}, not one `{what}`", session.row.id));
                }
            }
            problems.extend(self.check_end(id, *kind, &about));
        }
        for ((name, session), made) in messages {
            problems.push(format!("{name}: {made:?} were made by session {session}, which is not recorded"));
        }
        for session in sessions.iter().filter(|session| session.end.as_ref().is_none_or(|end| end.failed)) {
            let outcome = session.end.as_ref().map(|end| end.outcome.as_str()).unwrap_or_default();
            problems.push(format!(
                "session {} ({}) of {} has failed: {outcome}",
                session.row.id, session.row.strategy, session.row.interaction
            ));
        }
        problems
    }

    fn check_end(&self, id: &str, kind: Kind, about: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let by_agent = self.stopped_by_agent.get(id).copied().unwrap_or_default();
        if by_agent != u32::from(kind == Kind::Moves) {
            problems.push(format!("{about} was stopped by agents {by_agent} times"));
        }
        // Nobody tells of what happened just before the server was killed.
        let reported = self.reported_stopped.get(id).copied().unwrap_or_default();
        if reported > 1 || (reported == 0 && self.server_kills() == 0) {
            problems.push(format!("{about} was reported as stopped {reported} times"));
        }
        let invitations: Vec<_> = self.invited.iter().filter(|((_, invited), _)| invited == id).collect();
        for ((server, _), agents) in &invitations {
            if agents.len() > 1 {
                problems.push(format!("{about} was offered to {agents:?} by the server after {server} kills"));
            }
        }
        if invitations.is_empty() == (kind == Kind::Moves) {
            problems.push(format!("{about} was offered to agents by {} servers", invitations.len()));
        }
        problems
    }
}

fn ids(sessions: &[&Summary]) -> String {
    let ids: BTreeSet<&str> = sessions.iter().map(|session| &*session.row.id).collect();
    format!("{} sessions {ids:?}", sessions.len())
}

/// What was made, and in which attempt, by the name of the interaction and the session.
pub type Messages = BTreeMap<(String, String), Vec<(String, String)>>;

/// One more, by its subject.
pub fn made(messages: &mut Messages, subject: &str) {
    let words: Vec<&str> = subject.split_whitespace().collect();
    let &[name, session, what, attempt] = words.as_slice() else { panic!("`{subject}` is not ours") };
    messages.entry((name.into(), session.into())).or_default().push((what.into(), attempt.into()));
}

/// Those in a Maildir.
fn messages(maildir: &Path) -> Messages {
    let mut messages = Messages::new();
    for folder in ["new", "cur"] {
        let Ok(entries) = fs::read_dir(maildir.join(folder)) else { continue };
        for entry in entries {
            let text = fs::read_to_string(entry.expect("an entry").path()).expect("a message");
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject");
            made(&mut messages, subject);
        }
    }
    messages
}
