//! Views: which waiting interactions of a queue, in which order.
//!
//! Owns everything that waits and is with nobody: each [`Entry`], and a table over them that views
//! query. Conditions and orders are SQL-like text by people; they are parsed, checked against a list
//! of what is allowed ([`translate`], [`function`]), and written anew with their literals bound, so
//! nothing of their text reaches the database. A bad view stays known: it answers error 83 to each
//! pull, and the others work. Lives on the core's thread, and ends with it; nothing here is durable.

mod definition;
#[cfg(test)]
mod figures;
mod function;
mod property;
#[cfg(test)]
mod tests;
mod text;
mod translate;
mod waiting;

use std::collections::HashMap;
use std::fmt;

use jackfield_protocol::{ErrorCode, RequestError};

use self::definition::Definition;
use self::property::Properties;
use self::waiting::{Query, Waiting};
use crate::settings::Settings;
use crate::store::Entry;

/// Views over what waits. A server has them on its core's thread; whoever checks a text of a view may have its own.
pub struct Views {
    tenant_id: u32,
    views: HashMap<String, View>,
    entries: HashMap<String, Entry>,
    /// By queue; queues where nothing waits are not in it.
    counts: HashMap<String, usize>,
    waiting: Waiting,
}

struct View {
    queue: String,
    usable: Result<(Definition, Query), ViewProblem>,
}

/// A view that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewProblem {
    /// The view.
    pub view: String,
    /// `condition`, `order` or `queue`.
    pub part: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Line in the text, from 1; 0 where it is no one place.
    pub line: u64,
    /// Character in the line, from 1; 0 where it is no one place.
    pub column: u64,
}

impl fmt::Display for ViewProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "view `{}`, {}", self.view, self.part)?;
        if self.line > 0 {
            write!(formatter, ", line {}, column {}", self.line, self.column)?;
        }
        write!(formatter, ": {}", self.message)
    }
}

impl std::error::Error for ViewProblem {}

/// Why there can be no views at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table of what waits cannot be made: {0}")]
pub struct ViewsError(String);

/// What is wrong with the views of `settings`: what a server that is opened with them warns of.
///
/// # Errors
/// Where views cannot be tried out at all.
pub fn problems(settings: &Settings) -> Result<Vec<ViewProblem>, ViewsError> {
    Views::new(settings).map(|(_, problems)| problems)
}

impl Views {
    /// Reads the views, and makes an empty table for them. A bad one stays known and answers
    /// error 83 to each pull.
    ///
    /// # Errors
    /// Where there is no memory for the table.
    pub fn new(settings: &Settings) -> Result<(Views, Vec<ViewProblem>), ViewsError> {
        let properties = Properties::new(&settings.custom_properties);
        let known_queue = |queue: &str| settings.queues.iter().any(|known| known.name == queue);
        let mut problems = Vec::new();
        let mut views = HashMap::new();
        let mut read = Vec::new();
        for view in &settings.views {
            let definition = if known_queue(&view.queue) {
                Definition::read(view, &properties)
            } else {
                Err(unknown_queue(view, settings))
            };
            match definition {
                Ok(definition) => read.push((view.name.clone(), definition)),
                Err(problem) => {
                    problems.push(problem.clone());
                    views.insert(view.name.clone(), View { queue: view.queue.clone(), usable: Err(problem) });
                }
            }
        }
        let definitions: Vec<&Definition> = read.iter().map(|(_, definition)| definition).collect();
        let (waiting, queries) =
            Waiting::new(&properties, &definitions).map_err(|error| ViewsError(error.to_string()))?;
        for ((name, definition), query) in read.into_iter().zip(queries) {
            let queue = definition.queue.clone();
            let usable = match query {
                Ok(query) => Ok((definition, query)),
                Err(error) => {
                    let message = format!("the database does not take it: {error}");
                    let problem = ViewProblem { view: name.clone(), part: "condition", message, line: 0, column: 0 };
                    problems.push(problem.clone());
                    Err(problem)
                }
            };
            views.insert(name, View { queue, usable });
        }
        let (entries, counts) = (HashMap::new(), HashMap::new());
        let views = Views { tenant_id: settings.tenant_id, views, entries, counts, waiting };
        for view in &settings.views {
            if let Some(sql) = views.sql(&view.name) {
                // The number of this message in the field's logs (reference, *View properties*).
                tracing::debug!(message_id = 23077, view = view.name, sql, "view translated");
            }
        }
        Ok((views, problems))
    }

    /// An interaction begins to wait. One of the same id that waits already is replaced. One in a
    /// workbin is kept, but no view shows it.
    pub fn insert(&mut self, entry: Entry) {
        self.remove(&entry.key.id);
        if entry.workbin.is_none() {
            if let Err(error) = self.waiting.insert(&entry) {
                tracing::error!(interaction = %entry.key.id, %error, "no view will show it before a restart");
            }
            match self.counts.get_mut(&entry.key.queue) {
                Some(count) => *count += 1,
                None => {
                    self.counts.insert(entry.key.queue.clone(), 1);
                }
            }
        }
        self.entries.insert(entry.key.id.clone(), entry);
    }

    /// It no longer waits.
    pub fn remove(&mut self, id: &str) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        if entry.workbin.is_none() {
            if let Err(error) = self.waiting.remove(&entry.key) {
                tracing::error!(interaction = %id, %error, "a view may still find it, and pass it over");
            }
            if let Some(count) = self.counts.get_mut(&entry.key.queue) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&entry.key.queue);
                }
            }
        }
        Some(entry)
    }

    /// One that waits.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// All that wait, workbins included, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// How many wait, workbins included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes up to `limit` interactions of a view, in its order: they no longer wait. `now` is the
    /// time in milliseconds; those whose id `skip` is true for stay.
    ///
    /// # Errors
    /// 42 for an unknown view, 83 for one whose definition is bad.
    pub fn take(
        &mut self,
        view: &str,
        limit: usize,
        ignore_hold: bool,
        now: i64,
        skip: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Entry>, RequestError> {
        let Some(known) = self.views.get(view) else {
            let hint = match property::nearest(view, self.views.keys().map(String::as_str)) {
                Some(nearest) => format!("; did you mean `{nearest}`?"),
                None => String::new(),
            };
            return Err(ErrorCode::UnknownView.with(format!("there is no view `{view}`{hint}")));
        };
        let (_, query) = match &known.usable {
            Ok(usable) => usable,
            Err(problem) => return Err(ErrorCode::ViewDefinitionInvalid.with(problem.to_string())),
        };
        // A row whose entry is gone would be a removal that failed.
        let passed_over = |id: &str| skip(id) || !self.entries.contains_key(id);
        let found = self
            .waiting
            .find(query, (&known.queue, self.tenant_id), limit, ignore_hold, now, &passed_over)
            .map_err(|error| ErrorCode::ViewDefinitionInvalid.with(format!("view `{view}`: {error}")))?;
        Ok(found.iter().filter_map(|id| self.remove(id)).collect())
    }

    /// Ids of what waits in a queue, whatever its state, in their order: up to `limit` of those after `after`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn ids_in(&self, queue: &str, after: &str, limit: usize) -> Result<Vec<String>, RequestError> {
        self.waiting.ids_in(queue, after, limit).map_err(|error| {
            ErrorCode::StoreUnavailable.with(format!("the table of what waits in `{queue}` cannot be read: {error}"))
        })
    }

    /// The query a view was translated to, its literals as `?`: what is asked of every view, then
    /// its condition and its order. `None` for an unknown or bad view.
    pub fn sql(&self, view: &str) -> Option<String> {
        let (definition, _) = self.views.get(view)?.usable.as_ref().ok()?;
        Some(definition.sql())
    }

    /// The queue a view looks at.
    pub fn queue_of(&self, view: &str) -> Option<&str> {
        self.views.get(view).map(|view| view.queue.as_str())
    }

    /// How many wait in each queue where any does, workbins left out.
    pub fn counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.counts.iter().map(|(queue, count)| (queue.as_str(), *count))
    }
}

fn unknown_queue(view: &crate::settings::View, settings: &Settings) -> ViewProblem {
    let hint = match property::nearest(&view.queue, settings.queues.iter().map(|queue| queue.name.as_str())) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    };
    ViewProblem {
        view: view.name.clone(),
        part: "queue",
        message: format!("there is no queue `{}`{hint}", view.queue),
        line: 0,
        column: 0,
    }
}
