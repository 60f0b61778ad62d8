//! `jackfield queues`: what waits where, of every server.

use std::io::IsTerminal;

use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{ClientType, EventServerStatus, RequestServerStatus};
use serde_json::{Value as Json, json};

use crate::cli::{Global, Queues};
use crate::config::{Form, Server, Site};
use crate::exit::Exit;
use crate::{connect, output, signals, text};

/// Clears a terminal and goes to its top left corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Show the queues.
///
/// # Errors
/// With no `--watch`: none of the servers can be reached. When only some can, code 3.
pub async fn queues(global: &Global, arguments: Queues) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let servers = connect::servers(&site, &arguments.servers)?;
    if !arguments.watch {
        return show(global, &site, &servers, false).await;
    }
    let stop = signals::stop_token(global.with_parent)?;
    loop {
        // A server that is away now may be back at the next look.
        let shown = tokio::select! {
            () = stop.cancelled() => return Ok(Exit::Done),
            shown = show(global, &site, &servers, std::io::stdout().is_terminal()) => shown,
        };
        if let Err(error) = shown {
            output::complain(&format!("{error:#}"));
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(Exit::Done),
            () = tokio::time::sleep(arguments.interval) => {}
        }
    }
}

async fn show(global: &Global, site: &Site, servers: &[&Server], clear: bool) -> anyhow::Result<Exit> {
    let mut statuses = Vec::new();
    let mut failures = Vec::new();
    for server in servers {
        match status(server).await {
            Ok(status) => statuses.push((server.name.get_ref().as_str(), status)),
            Err(error) => failures.push(error),
        }
    }
    if statuses.is_empty()
        && let Some(error) = failures.pop()
    {
        return Err(error);
    }
    if global.json {
        for (name, status) in &statuses {
            output::line(as_json(site, name, status).to_string())?;
        }
    } else {
        let shown = table(site, &statuses);
        output::line(if clear { format!("{CLEAR}{shown}") } else { shown })?;
    }
    for error in &failures {
        output::complain(&format!("{error:#}"));
    }
    Ok(if failures.is_empty() { Exit::Done } else { Exit::Partly })
}

/// The status of one server.
///
/// # Errors
/// It cannot be reached.
pub async fn status(server: &Server) -> anyhow::Result<EventServerStatus> {
    let (client, _events) = connect::client(server, "jackfield queues", ClientType::ReportingEngine).await?;
    let answer = client.request(Request::ServerStatus(RequestServerStatus::default())).await;
    client.leave().await;
    match answer {
        Ok(Event::ServerStatus(status)) => Ok(status),
        Ok(_) => anyhow::bail!("server `{}` answered with something else", server.name.get_ref()),
        Err(error) => Err(connect::unreachable(server, &error).into()),
    }
}

fn table(site: &Site, statuses: &[(&str, EventServerStatus)]) -> String {
    let now = connect::now_ms();
    let mut rows = Vec::new();
    for (name, status) in statuses {
        for queue in &status.queues {
            let oldest =
                if queue.oldest_received_at > 0 { text::time(now - queue.oldest_received_at) } else { String::new() };
            let counts = [queue.waiting, queue.routing, queue.handling, queue.workbin].map(|count| count.to_string());
            let [waiting, routing, handling, workbin] = counts;
            let pulled_for = pulled_for(site, name, &queue.queue);
            rows.push(vec![
                (*name).to_owned(),
                queue.queue.clone(),
                waiting,
                routing,
                handling,
                workbin,
                oldest,
                pulled_for,
            ]);
        }
    }
    let headings = ["SERVER", "QUEUE", "#WAITING", "#ROUTING", "#HANDLING", "#WORKBIN", "#OLDEST", "PULLED FOR"];
    let mut shown = output::table(&headings, rows);
    shown.push('\n');
    for (name, status) in statuses {
        let ready = status.agents.iter().filter(|agent| agent.media.iter().any(|media| media.ready)).count();
        shown.push_str(&format!(
            "\n{name}: {}, {} ({ready} ready), {}, health {}",
            text::count(usize::try_from(status.interactions).unwrap_or(usize::MAX), "interaction"),
            text::count(status.agents.len(), "agent"),
            text::count(status.clients.len(), "client"),
            status.health
        ));
    }
    shown
}

/// The strategies that the queue is pulled for, whatever cluster does: as this site says, which the server does not
/// know of views that are pulled by name.
fn pulled_for(site: &Site, server: &str, queue: &str) -> String {
    let mut strategies: Vec<String> = Vec::new();
    for join in site.joins() {
        if join.queue.is_on(server) && join.queue.name.get_ref() == queue {
            let strategy = match join.form {
                Form::Enhanced(_) => join.strategy.get_ref().clone(),
                Form::Legacy(_) => format!("{} (legacy)", join.strategy.get_ref()),
            };
            if !strategies.contains(&strategy) {
                strategies.push(strategy);
            }
        }
    }
    strategies.join(", ")
}

fn pulled_for_as_json(site: &Site, server: &str, queue: &str) -> Json {
    let joins = site.joins().into_iter();
    let joins = joins.filter(|join| join.queue.is_on(server) && join.queue.name.get_ref() == queue);
    let joins = joins.map(|join| {
        json!({
            "view": join.view.name.get_ref(),
            "strategy": join.strategy.get_ref(),
            "form": join.form.word(),
            "cluster": join.form.cluster().map(|cluster| cluster.get_ref()),
        })
    });
    joins.collect()
}

fn as_json(site: &Site, name: &str, status: &EventServerStatus) -> Json {
    let queues: Vec<Json> = status
        .queues
        .iter()
        .map(|queue| {
            json!({
                "queue": queue.queue,
                "waiting": queue.waiting,
                "routing": queue.routing,
                "handling": queue.handling,
                "workbin": queue.workbin,
                "oldestReceivedAt": (queue.oldest_received_at > 0).then_some(queue.oldest_received_at),
                "pulledFor": pulled_for_as_json(site, name, &queue.queue),
            })
        })
        .collect();
    let strategies: Vec<Json> = status
        .strategies
        .iter()
        .map(|strategy| {
            json!({
                "strategy": strategy.strategy,
                "enabled": strategy.enabled,
                "heldPulls": strategy.held_pulls,
                "out": strategy.out,
                "views": strategy.views,
            })
        })
        .collect();
    let agents: Vec<Json> = status
        .agents
        .iter()
        .map(|agent| {
            let media: Vec<Json> = agent
                .media
                .iter()
                .map(|media| json!({ "media": media.media_type, "ready": media.ready, "busy": media.busy, "capacity": media.capacity }))
                .collect();
            json!({ "agent": agent.agent, "place": agent.place, "media": media })
        })
        .collect();
    json!({
        "server": name,
        "health": status.health,
        "interactions": status.interactions,
        "queues": queues,
        "strategies": strategies,
        "agents": agents,
    })
}
