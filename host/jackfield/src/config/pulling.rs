//! Who pulls what, and what an operator should know about it before anything runs.
//!
//! Interactions come to a strategy in two forms (guide, *Enhanced Pulling and Interaction Queues*): a submitter joins
//! one view to it, or the queue itself names it, and all its views are pulled for it. Both are [`Join`]s; the node's
//! settings, the warnings here, and what `jackfield queues` shows are made of them. Pure: the site alone says it.
//!
//! Nothing but the nodes takes from `orchestration_system`, and what has `pulled = false` is for people, or for nobody:
//! a join there is an error. A queue or view that nobody pulls without saying so is a warning.

use std::collections::BTreeSet;
use std::ops::Range;

use jackfield_protocol::ORCHESTRATION_SYSTEM;

use super::model::{Queue, QueueApplication, Site, Strategy, Submitter, View};
use super::options::Owner;
use super::problem::{Problem, nearest_word};
use super::section::{Notes, Text};

/// Names listed in one message; more are counted only.
const NAMES_LISTED: usize = 4;

/// A view whose interactions are pulled for a strategy.
#[derive(Clone, Copy, Debug)]
pub struct Join<'a> {
    /// Who says so.
    pub form: Form<'a>,
    /// The queue of the view.
    pub queue: &'a Queue,
    /// The view.
    pub view: &'a View,
    /// The strategy.
    pub strategy: &'a Text,
}

/// The form of pulling.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// A submitter joins the view to the strategy.
    Enhanced(&'a Submitter),
    /// The queue of the view names the strategy.
    Legacy(&'a QueueApplication),
}

impl Form<'_> {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Form::Enhanced(_) => "enhanced",
            Form::Legacy(_) => "legacy",
        }
    }

    /// The cluster it is for, where it names one.
    pub fn cluster(&self) -> Option<&Text> {
        match self {
            Form::Enhanced(submitter) => submitter.cluster_id.as_ref(),
            Form::Legacy(application) => application.cluster.as_ref(),
        }
    }
}

impl Join<'_> {
    /// Whether nodes of `cluster` pull it. A queue that names a strategy for that cluster has no other one there.
    fn is_for(&self, cluster: &str) -> bool {
        let names = |of: Option<&Text>| of.is_some_and(|name| name.get_ref() == cluster);
        match (self.form.cluster(), self.form) {
            (Some(of), _) => of.get_ref() == cluster,
            (None, Form::Enhanced(_)) => true,
            (None, Form::Legacy(_)) => !self.queue.applications.iter().any(|other| names(other.cluster.as_ref())),
        }
    }

    /// Where the file says so.
    fn span(&self) -> Range<usize> {
        match self.form {
            Form::Enhanced(submitter) => submitter.view.span(),
            Form::Legacy(application) => application.strategy.span(),
        }
    }
}

impl Site {
    /// Every join of the site, whatever it is good for.
    pub fn joins(&self) -> Vec<Join<'_>> {
        let queue_of = |view: &View| self.queues.iter().find(|queue| queue.name.get_ref() == view.queue.get_ref());
        let enhanced = self.submitters.iter().filter_map(|submitter| {
            let view = self.views.iter().find(|view| view.name.get_ref() == submitter.view.get_ref())?;
            Some(Join { form: Form::Enhanced(submitter), queue: queue_of(view)?, view, strategy: &submitter.strategy })
        });
        let legacy = self.queues.iter().flat_map(|queue| {
            queue.applications.iter().flat_map(move |application| {
                let form = Form::Legacy(application);
                views_of(self, queue).map(move |view| Join { form, queue, view, strategy: &application.strategy })
            })
        });
        enhanced.chain(legacy).collect()
    }
}

/// What nodes of `cluster` pull from `server`, but for strategies that are switched off, which the node knows of.
pub fn pulled_by<'a>(site: &'a Site, server: &str, cluster: &str) -> Vec<Join<'a>> {
    let mut joins = site.joins();
    joins.retain(|join| join.queue.is_on(server) && join.is_for(cluster));
    joins
}

/// Note what is wrong, or odd, about what is pulled.
pub fn check(site: &Site, notes: &Notes) {
    let joins = site.joins();
    nobody_takes_from_the_nodes_queue(site, &joins, notes);
    for queue in &site.queues {
        both_forms(site, queue, &joins, notes);
        pulled_by_nobody(site, queue, &joins, notes);
        without_views(site, queue, notes);
    }
    not_to_be_pulled(&joins, notes);
    for strategy in &site.strategies {
        of_strategy(site, strategy, &joins, notes);
    }
    clusters_without_nodes(site, &joins, notes);
}

/// The guide, *Orchestration Default Interaction Queue*.
fn nobody_takes_from_the_nodes_queue(site: &Site, joins: &[Join<'_>], notes: &Notes) {
    let message = || format!("no strategy may take from queue `{ORCHESTRATION_SYSTEM}`");
    let help = "the nodes clean this queue up themselves; let the strategy take from another one";
    let nodes_own = site.queues.iter().filter(|queue| queue.name.get_ref() == ORCHESTRATION_SYSTEM);
    for application in nodes_own.flat_map(|queue| &queue.applications) {
        notes.push(Problem::new(application.strategy.span(), message(), "this one would").help(help));
    }
    let is_nodes_own = |join: &&Join<'_>| join.view.queue.get_ref() == ORCHESTRATION_SYSTEM;
    for join in joins.iter().filter(is_nodes_own) {
        if let Form::Enhanced(submitter) = join.form {
            let problem = Problem::new(submitter.view.span(), message(), "this view looks at it");
            notes.push(problem.related(join.view.queue.span(), "here").help(help));
        }
    }
}

fn both_forms(site: &Site, queue: &Queue, joins: &[Join<'_>], notes: &Notes) {
    let of_queue = || joins.iter().filter(|join| join.queue.name.get_ref() == queue.name.get_ref());
    let submitted = of_queue().find_map(|join| match join.form {
        Form::Enhanced(submitter) => Some((submitter, join)),
        Form::Legacy(_) => None,
    });
    let (Some(application), Some((submitter, join))) = (queue.applications.first(), submitted) else { return };
    notes.push(
        Problem::new(
            application.strategy.span(),
            format!(
                "{} is pulled in both forms: it names strategy `{}` itself, and submitter `{}` joins its view `{}` to \
                 strategy `{}`",
                queue_words(site, queue),
                application.strategy.get_ref(),
                submitter.name.get_ref(),
                join.view.name.get_ref(),
                submitter.strategy.get_ref(),
            ),
            "legacy pulling",
        )
        .related(submitter.view.span(), "enhanced pulling")
        .help("whichever asks first gets the interaction; keep one: remove [queue.orchestration], or the submitters")
        .warning(),
    );
}

fn pulled_by_nobody(site: &Site, queue: &Queue, joins: &[Join<'_>], notes: &Notes) {
    let poison = site.application.options.text(Owner::Application, "orchestration", "poison-queue");
    let is_nodes_own = [ORCHESTRATION_SYSTEM, &poison].contains(&queue.name.get_ref().as_str());
    if is_nodes_own || !queue.pulled || !queue.applications.is_empty() {
        return;
    }
    let is_joined = |view: &View| joins.iter().any(|join| join.view.name.get_ref() == view.name.get_ref());
    let left_out: Vec<&View> = views_of(site, queue).filter(|view| view.pulled && !is_joined(view)).collect();
    if views_of(site, queue).any(is_joined) {
        for view in left_out {
            let (name, queue) = (view.name.get_ref(), queue_words(site, queue));
            notes.push(
                Problem::new(
                    view.name.span(),
                    format!("nobody pulls view `{name}` of {queue}"),
                    "no submitter names it",
                )
                .help("join it to a strategy by a [[submitter]], or say `pulled = false`: it is for people")
                .warning(),
            );
        }
        return;
    }
    if left_out.is_empty() && views_of(site, queue).next().is_some() {
        return;
    }
    let names = left_out.iter().map(|view| view.name.get_ref().as_str());
    let views = if left_out.is_empty() { String::new() } else { format!(", nor its {}", listed("view", names)) };
    notes.push(
        Problem::new(
            queue.name.span(),
            format!("nobody pulls {}{views}", queue_words(site, queue)),
            "neither a submitter nor an application",
        )
        .help(
            "join a view of it to a strategy by a [[submitter]], or name a strategy in [queue.orchestration]; where people \
             take from it, or nobody is to, say `pulled = false`",
        )
        .warning(),
    );
}

/// A pull names a view, so a queue without one cannot be pulled in the legacy form.
fn without_views(site: &Site, queue: &Queue, notes: &Notes) {
    let Some(application) = queue.applications.first() else { return };
    if views_of(site, queue).next().is_none() {
        let (strategy, queue) = (application.strategy.get_ref(), queue_words(site, queue));
        notes.push(
            Problem::new(
                application.strategy.span(),
                format!("{queue} has no view, so nothing is pulled from it for strategy `{strategy}`"),
                "pulls are of views",
            )
            .help("add a [[view]] of this queue; without a condition it shows all there is")
            .warning(),
        );
    }
}

fn not_to_be_pulled(joins: &[Join<'_>], notes: &Notes) {
    for join in joins {
        let (what, said) = match (join.queue.pulled, join.view.pulled) {
            (false, _) => (format!("queue `{}`", join.queue.name.get_ref()), join.queue.name.span()),
            (_, false) => (format!("view `{}`", join.view.name.get_ref()), join.view.name.span()),
            (true, true) => continue,
        };
        notes.push(
            Problem::new(join.span(), format!("{what} is not to be pulled, and is"), "by this")
                .related(said, "has `pulled = false`")
                .help("remove one of them"),
        );
    }
}

fn of_strategy(site: &Site, strategy: &Strategy, joins: &[Join<'_>], notes: &Notes) {
    let name = strategy.name.get_ref();
    let own: Vec<&Join<'_>> = joins.iter().filter(|join| join.strategy.get_ref() == name).collect();
    let is_named = || site.queues.iter().flat_map(|queue| &queue.applications).any(|it| it.strategy.get_ref() == name);
    if own.is_empty() && !is_named() {
        notes.push(
            Problem::new(strategy.name.span(), format!("strategy `{name}` has no views: it never runs"), "never runs")
                .help("join a view to it by a [[submitter]], or name it in the [queue.orchestration] of a queue")
                .warning(),
        );
    }
    if !strategy.enabled && !own.is_empty() {
        let views: BTreeSet<String> = own
            .iter()
            .map(|join| format!("view `{}` of {}", join.view.name.get_ref(), queue_words(site, join.queue)))
            .collect();
        notes.push(
            Problem::new(
                strategy.name.span(),
                format!("strategy `{name}` is disabled: nothing is pulled for it from {}", several(views)),
                "enabled = false",
            )
            .help("say `enabled = true`, or remove what joins views to it")
            .warning(),
        );
    }
}

fn clusters_without_nodes(site: &Site, joins: &[Join<'_>], notes: &Notes) {
    let nodes = [site.application.cluster.as_str()];
    // Of a queue with several views all have one place in the file.
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for join in joins {
        let Some(cluster) = join.form.cluster().filter(|cluster| !nodes.contains(&cluster.get_ref().as_str())) else {
            continue;
        };
        if !told.insert(cluster.span().start) {
            continue;
        }
        let by = match join.form {
            Form::Enhanced(submitter) => format!(
                "submitter `{}` lets only cluster `{}` pull view `{}` of {}",
                submitter.name.get_ref(),
                cluster.get_ref(),
                join.view.name.get_ref(),
                queue_words(site, join.queue)
            ),
            Form::Legacy(_) => {
                format!("{} names a strategy for cluster `{}`", queue_words(site, join.queue), cluster.get_ref())
            }
        };
        let strategy = join.strategy.get_ref();
        let own = match site.application.cluster.as_str() {
            "" => "the node of this file belongs to no cluster".to_owned(),
            own => format!("the node of this file belongs to cluster `{own}`"),
        };
        let nearest = nearest_word(cluster.get_ref(), nodes.iter().copied().filter(|cluster| !cluster.is_empty()));
        let help = if nearest.starts_with("did you mean") { nearest } else { "run a node of that cluster, too".into() };
        notes.push(
            Problem::new(cluster.span(), format!("{by} for strategy `{strategy}`, and {own}"), "no node of it here")
                .help(help)
                .warning(),
        );
    }
}

fn views_of<'a>(site: &'a Site, queue: &'a Queue) -> impl Iterator<Item = &'a View> {
    site.views.iter().filter(|view| view.queue.get_ref() == queue.name.get_ref())
}

/// Such as "queue `inbound` of server `email_server`".
fn queue_words(site: &Site, queue: &Queue) -> String {
    let name = queue.name.get_ref();
    let servers = site.servers_of_queue(name).into_iter().map(|server| server.name.get_ref().as_str());
    match listed("server", servers) {
        servers if servers.is_empty() => format!("queue `{name}`"),
        servers => format!("queue `{name}` of {servers}"),
    }
}

/// Such as "view `a`" or "views `a` and `b`".
fn listed<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => String::new(),
        1 => format!("{what} {}", several(names)),
        _ => format!("{what}s {}", several(names)),
    }
}

fn several(things: impl IntoIterator<Item = String>) -> String {
    let mut things: Vec<String> = things.into_iter().collect();
    let more = things.len().saturating_sub(NAMES_LISTED);
    if more > 0 {
        things.truncate(NAMES_LISTED);
        things.push(format!("{more} more"));
    }
    match things.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
#[path = "pulling_tests.rs"]
mod tests;
