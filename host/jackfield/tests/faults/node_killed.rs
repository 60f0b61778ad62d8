//! SIGKILL of the node while its sessions run: no interaction is lost, and agents get none twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_link::Client;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, EventInvite, MediaCapacity, RequestAccept, RequestAgentLogin, RequestReadyForMedia,
    RequestStopProcessing,
};
use rand::RngExt;
use tokio::sync::{Mutex, mpsc};

use super::site::{PATIENCE, Site, email, rounds, seeded};

const INTERACTIONS: usize = 150;

/// How often each interaction was accepted, by its external id.
type Handled = Arc<Mutex<HashMap<String, u32>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_is_lost_and_none_is_handled_twice() {
    let mut random = seeded("node_killed");
    let mut site = Site::new();
    site.add_plugin("route_anyone");
    site.start_server();
    site.start_node();

    let handled = Handled::default();
    let mut agents = Vec::new();
    for agent in ["ada", "ben"] {
        agents.push(log_in(&site, agent, handled.clone()).await);
    }

    let (media_server, _events) = site.client("media server", ClientType::MediaServer).await;
    let rounds = rounds(3);
    let expected = rounds * INTERACTIONS;
    for round in 0..rounds {
        let mut answers = Vec::with_capacity(INTERACTIONS);
        for number in round * INTERACTIONS..(round + 1) * INTERACTIONS {
            answers.push(
                media_server
                    .send(email(format!("message-{number}")), format!("message-{number}"))
                    .await
                    .expect("the link is up"),
            );
        }
        for answer in answers {
            assert!(matches!(answer.await, Ok(Event::Ack(_))));
        }
        // The node is to die with sessions under way: after it has begun, before it is through.
        let begun = round * INTERACTIONS + random.random_range(5..INTERACTIONS / 2);
        until(&site, "agents get interactions", || async { handled.lock().await.len() > begun }).await;
        site.kill("node");
        let through = handled.lock().await.len();
        println!("round {round}: killed when {through} of {} were handled", (round + 1) * INTERACTIONS);
        assert!(through < (round + 1) * INTERACTIONS, "the node was through before it was killed");
        site.start_node();
    }

    until(&site, "every interaction is handled", || async { handled.lock().await.len() == expected }).await;
    until(&site, "nothing is left on the server", || async { Site::status(&media_server).await.interactions == 0 })
        .await;
    for (message, times) in handled.lock().await.iter() {
        assert_eq!(*times, 1, "{message} was handled {times} times");
    }
    assert!(site.runs("node") && site.runs("server"), "{}", site.logs());
    for agent in agents {
        agent.abort();
    }
}

async fn until<F: Future<Output = bool>>(site: &Site, what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not come about that {what}\n{}", site.logs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An agent who accepts what is offered, and is done with it a moment later.
async fn log_in(site: &Site, agent: &'static str, handled: Handled) -> tokio::task::JoinHandle<()> {
    let (client, events) = site.client(agent, ClientType::AgentApplication).await;
    let login = RequestAgentLogin {
        agent: agent.into(),
        media: vec![MediaCapacity { media_type: "email".into(), capacity: 4 }],
        ..Default::default()
    };
    client.request(Request::AgentLogin(login)).await.expect("log in");
    let ready = RequestReadyForMedia { agent: agent.into(), media_types: vec!["email".into()] };
    client.request(Request::ReadyForMedia(ready)).await.expect("ready");
    tokio::spawn(work(client, events, handled))
}

async fn work(client: Client, mut events: mpsc::Receiver<Event>, handled: Handled) {
    while let Some(event) = events.recv().await {
        if let Event::Invite(invite) = event {
            tokio::spawn(handle(client.clone(), invite, handled.clone()));
        }
    }
}

async fn handle(client: Client, invite: EventInvite, handled: Handled) {
    let interaction = invite.interaction.expect("an invitation names an interaction");
    let accept = RequestAccept { ticket_id: invite.ticket_id, interaction_id: interaction.interaction_id.clone() };
    if client.request(Request::Accept(accept)).await.is_err() {
        return; // withdrawn meanwhile
    }
    *handled.lock().await.entry(interaction.external_id).or_default() += 1;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let stop = RequestStopProcessing { interaction_id: interaction.interaction_id, reason: "done".into() };
    client.request(Request::StopProcessing(stop)).await.expect("the agent is done with what is theirs");
}
