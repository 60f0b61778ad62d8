//! Who is at the other end: agents who accept whatever they are offered and stop it a moment later, and a
//! reporting client. They are no part of what is killed, so that what they saw can be relied upon.

use std::time::Duration;

use jackfield_link::{Client, Link, LinkEvent};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, EventInvite, MediaCapacity, ReportingName, RequestAccept, RequestAgentLogin, RequestReadyForMedia,
    RequestStartReporting, RequestStopProcessing,
};
use tokio::task::JoinHandle;

use super::super::site::Site;
use super::book::Book;
use super::traffic;

/// How long an agent works on an interaction.
const WORK: Duration = Duration::from_millis(30);

/// A task that ends with this.
pub struct Working(JoinHandle<()>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An agent at work, logged in whenever the server is there.
pub fn work(site: &Site, agent: &'static str, book: &Book) -> Working {
    let (link, mut events) = traffic::client(site, agent, ClientType::AgentApplication);
    let book = book.clone();
    let task = tokio::spawn(async move {
        let mut up: Option<(Client, usize)> = None;
        while let Some(event) = events.recv().await {
            match event {
                LinkEvent::Up(client) => {
                    if log_in(&client, agent).await {
                        // The server is the one of this many kills.
                        up = Some((client, book.note(|book| book.server_kills())));
                    } else {
                        client.close();
                    }
                }
                LinkEvent::Event(Event::Invite(invite)) => {
                    let (client, server) = up.clone().expect("who is invited is logged in");
                    let id = invite.interaction.as_ref().expect("an interaction").interaction_id.clone();
                    book.note(|book| book.invited.entry((server, id)).or_default().push(agent));
                    tokio::spawn(handle(client, link.clone(), invite, book.clone()));
                }
                _ => {}
            }
        }
    });
    Working(task)
}

async fn log_in(client: &Client, agent: &str) -> bool {
    let media = vec![MediaCapacity { media_type: "email".into(), capacity: 0 }];
    let login = RequestAgentLogin { agent: agent.into(), media, ..Default::default() };
    let ready = RequestReadyForMedia { agent: agent.into(), media_types: vec!["email".into()] };
    client.request(Request::AgentLogin(login)).await.is_ok()
        && client.request(Request::ReadyForMedia(ready)).await.is_ok()
}

async fn handle(client: Client, link: Link, invite: EventInvite, book: Book) {
    let id = invite.interaction.expect("an interaction").interaction_id;
    let accept = RequestAccept { ticket_id: invite.ticket_id, interaction_id: id.clone() };
    if client.request(Request::Accept(accept)).await.is_err() {
        return; // withdrawn meanwhile, or the server was killed
    }
    tokio::time::sleep(WORK).await;
    let stop = RequestStopProcessing { interaction_id: id.clone(), reason: "done".into() };
    let key = format!("stop {id} {}", invite.ticket_id);
    let mut client = Some(client);
    loop {
        let Some(up) = (match client.take() {
            Some(client) => Some(client),
            None => link.up().await,
        }) else {
            return;
        };
        match up.request_once(stop.clone(), key.clone()).await {
            Ok(_) => return book.note(|book| *book.stopped_by_agent.entry(id).or_default() += 1),
            Err(error) if error.is_retriable() => tokio::time::sleep(Duration::from_millis(10)).await,
            // Not done before the server was killed: it is offered again.
            Err(_) => return,
        }
    }
}

/// Notes what the server reports to have been stopped.
pub fn watch(site: &Site, book: &Book) -> Working {
    let (link, mut events) = traffic::client(site, "watcher", ClientType::ReportingEngine);
    let book = book.clone();
    let task = tokio::spawn(async move {
        let _link = link;
        while let Some(event) = events.recv().await {
            match event {
                LinkEvent::Up(client) => {
                    let start = RequestStartReporting { interactions: true, agents: false, ..Default::default() };
                    if client.request(Request::StartReporting(start)).await.is_err() {
                        client.close();
                    }
                }
                LinkEvent::Event(Event::Reporting(event)) if event.name() == ReportingName::ProcessingStopped => {
                    book.note(|book| *book.reported_stopped.entry(event.interaction_id).or_default() += 1);
                }
                _ => {}
            }
        }
    });
    Working(task)
}
