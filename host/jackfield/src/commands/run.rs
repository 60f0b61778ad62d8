//! `jackfield run`: the main job. Embedded servers, media servers, the node with its plugins.
//!
//! Started in the order in which they need each other, and stopped in the reverse one: first the node
//! (it suspends its sessions, or gives back what they hold), then the media servers, the servers, and
//! last the journal.

use std::sync::Arc;

use anyhow::Context;
use jackfield_chat::ChatServer;
use jackfield_journal::Journal;
use jackfield_mail::MailServer;
use jackfield_node::Node;
use jackfield_plugins::{CommandError, Folder};
use jackfield_strategy::Engine;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::cli::{Global, Run};
use crate::config::options::Owner;
use crate::config::{self, MediaKind, Site};
use crate::control::{self, Answering, Control, Question};
use crate::embedded::Embedded;
use crate::exit::Exit;
use crate::moves::Moves;
use crate::reload::{NodeOwners, Owners, Reload};
use crate::{journal, output, signals};

/// Run the site until a signal.
///
/// # Errors
/// Something does not start; what was started before it is stopped again.
pub async fn run(global: &Global, arguments: Run) -> anyhow::Result<Exit> {
    let mut site = super::load(global)?;
    if let Some(plugins) = &arguments.plugins {
        site.application.plugins.clone_from(plugins);
    }
    let stop = signals::stop_token(global.with_parent)?;
    std::fs::create_dir_all(&site.application.data)
        .with_context(|| format!("cannot make the data folder {}", site.application.data.display()))?;

    control::must_be_free(&site.control_socket()).await?;
    let engine = Engine::new(config::engine_settings(&site))?;
    engine.set_policies(config::policies(&site));
    let folder = Folder::open(engine.clone(), config::folder_settings(&site, arguments.safe)).await?;
    if arguments.safe {
        tracing::warn!("every plugin is turned off; `jackfield enable NAME` turns one on");
    }
    // Before anything else is up: most of what can be wrong with a start is wrong with the journal.
    let journal = journal::open(&site).await?;
    let folder = Arc::new(folder);
    let ended = start(global, &arguments, &site, engine, &folder, journal.clone(), &stop).await;
    if let Some(journal) = journal {
        journal.close().await;
    }
    if let Some(folder) = Arc::into_inner(folder) {
        folder.close().await;
    }
    ended
}

/// The rest, with the journal open.
async fn start(
    global: &Global,
    arguments: &Run,
    site: &Site,
    engine: Engine,
    folder: &Arc<Folder>,
    journal: Option<Journal>,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    let embedded = if arguments.node_only { Embedded::default() } else { Embedded::start(site).await? };
    let media_servers = match arguments.node_only {
        true => Vec::new(),
        false => match start_media_servers(site, &embedded).await {
            Ok(media_servers) => media_servers,
            Err(error) => {
                embedded.shutdown().await;
                return Err(error);
            }
        },
    };
    let ended = match start_node(site, engine.clone(), folder, journal.clone(), &embedded).await {
        Ok((node, control)) => {
            let servers = embedded.all().map(|(name, server)| (name.clone(), server.clone())).collect();
            let parts = NodeOwners { node: Arc::clone(&node), engine, folder: Arc::clone(folder), journal };
            let reload = Reload::start(site.clone(), Owners { servers, node: Some(parts) });
            // Nobody need read it: the node runs all the same.
            let _ = say_ready(global, site);
            let ended = tokio::select! {
                () = stop.cancelled() => {
                    tracing::info!("stopping: no more pulls; a second Ctrl-C stops at once");
                    Ok(Exit::Done)
                }
                why = node.stopped_by_itself() => Err(anyhow::anyhow!("the node has stopped: {why}")),
            };
            control.close().await;
            // What is in force now may be something else than at the start.
            let now = match reload {
                Ok(reload) => reload.close().await,
                Err(error) => Err(error),
            };
            shut_down(now.as_ref().unwrap_or(site), node).await;
            now.and(ended)
        }
        Err(error) => Err(error),
    };
    for media_server in media_servers {
        media_server.shutdown().await;
    }
    embedded.shutdown().await;
    ended
}

/// A media server at work.
enum Running {
    Mail(MailServer),
    Chat(ChatServer),
}

impl Running {
    async fn shutdown(self) {
        match self {
            Running::Mail(server) => server.shutdown().await,
            Running::Chat(server) => server.shutdown().await,
        }
    }
}

/// All of them; when one cannot start, those before it are stopped again.
async fn start_media_servers(site: &Site, embedded: &Embedded) -> anyhow::Result<Vec<Running>> {
    let mut running = Vec::new();
    for media_server in &site.media_servers {
        let Some(server) = site.server(media_server.server.get_ref()) else { continue };
        let (name, endpoint) = (media_server.name.get_ref(), embedded.endpoint(server));
        match &media_server.kind {
            MediaKind::Email(settings) => {
                running.push(Running::Mail(MailServer::start(endpoint, (**settings).clone()).await));
            }
            MediaKind::Chat(settings) => match ChatServer::start(endpoint, (**settings).clone()).await {
                Ok(chat) => running.push(Running::Chat(chat)),
                Err(error) => {
                    for started in running {
                        started.shutdown().await;
                    }
                    return Err(anyhow::Error::new(error).context(format!("media server `{name}`")));
                }
            },
        }
        tracing::info!(media_server = name, "media server is up");
    }
    Ok(running)
}

async fn start_node(
    site: &Site,
    engine: Engine,
    folder: &Arc<Folder>,
    journal: Option<Journal>,
    embedded: &Embedded,
) -> anyhow::Result<(Arc<Node>, Control)> {
    let settings = config::node_settings(site, |server| embedded.endpoint(server));
    let records = journal.is_some();
    let moves = Arc::new(Moves::default());
    let node = Arc::new(Node::start(settings, engine, folder.plugins().clone(), journal).await?);
    let (answering, folder) = (Arc::clone(&node), Arc::clone(folder));
    let socket = site.control_socket();
    let control = Control::listen(&socket, move |question| answer(question, &answering, &folder, &moves, records));
    match control.await {
        Ok(control) => Ok((node, control)),
        Err(error) => {
            shut_down(site, node).await;
            Err(error)
        }
    }
}

/// Answers a question of the control socket.
fn answer(question: Question, node: &Arc<Node>, folder: &Arc<Folder>, moves: &Arc<Moves>, records: bool) -> Answering {
    let (node, folder, moves) = (Arc::clone(node), Arc::clone(folder), Arc::clone(moves));
    Box::pin(async move {
        match question {
            Question::Status => as_json(&node.status()),
            Question::Why { interaction } => as_json(&node.why(&interaction)),
            Question::Decisions => as_json(&node.decisions()),
            Question::Move { strategy, to, number } => as_json(&moves.answer(&node, &strategy, to, number)),
            Question::Plugins => plugins_as_json(&folder),
            Question::Plugin { change: jackfield_plugins::Command::Shadow { .. }, .. } if !records => {
                json!({ "error": CommandError::NoJournal.to_string() })
            }
            Question::Plugin { name, change } => match folder.command(&name, change).await {
                Ok(()) => plugins_as_json(&folder),
                Err(error) => json!({ "error": format!("plugin `{name}`: {error}") }),
            },
        }
    })
}

fn plugins_as_json(folder: &Folder) -> Json {
    let (plugins, files) = folder.status();
    as_json(&json!({ "plugins": plugins, "files": files }))
}

fn as_json(status: &impl serde::Serialize) -> Json {
    serde_json::to_value(status).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

fn say_ready(global: &Global, site: &Site) -> anyhow::Result<()> {
    let socket = site.control_socket();
    if global.json {
        let pages: Vec<String> = site.media_servers.iter().filter_map(|media_server| media_server.page()).collect();
        let node = &site.application.name;
        let ready = json!({ "step": "ready", "node": node, "control": socket.display().to_string(), "pages": pages });
        output::line(ready.to_string())
    } else {
        output::line(format!("node `{}` runs; Ctrl-C stops it, `jackfield sessions` shows it", site.application.name))?;
        for media_server in &site.media_servers {
            if let Some(page) = media_server.page() {
                output::line(format!("customers of `{}` write at {page}", media_server.name.get_ref()))?;
            }
        }
        Ok(())
    }
}

/// Its sessions are suspended, or come to their ends, as the site wants.
async fn shut_down(site: &Site, node: Arc<Node>) {
    let options = &site.application.options;
    let grace = options.duration(Owner::Application, "orchestration", "shutdown-grace");
    let drains = options.text(Owner::Application, "orchestration", "on-shutdown") == "drain";
    // The control socket has closed, so nobody else holds it.
    let Some(node) = Arc::into_inner(node) else { return };
    if drains {
        let report = node.shutdown(grace).await;
        tracing::info!(
            finished = report.finished,
            killed = report.killed,
            given_back = report.given_back,
            "node stopped"
        );
    } else {
        node.suspend(grace).await;
        tracing::info!("node stopped; its sessions go on at the next start");
    }
}
