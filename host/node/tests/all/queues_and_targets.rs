//! Two Interaction Servers, one for e-mail and one for chat: queuing and routing go back to where an interaction was
//! pulled from (guide, *Pulling from Multiple Interaction Servers*).

use std::time::Duration;

use jackfield_node::{Options, PullState};
use jackfield_protocol::v1::{KeyValueList, ReportingName};

use crate::media_server::MediaServer;
use crate::support::{Agent, Site, plugins, reported, session, settings, start, tell, until, watching};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pulled_from_both_servers_is_placed_into_queues_of_the_server_it_was_pulled_from() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&email, &chat], &["obeys"]), engine, plugins).await;
    // Into different queues, both of which are there on both servers.
    for (site, queue) in [(&email, "done"), (&chat, "poison")] {
        let interaction = site.submit("obeys").await;
        let (_reporter, mut events) = site.reporting().await;
        let session = session(&node, &interaction).await;
        assert_eq!(session.server, site.name);
        tell(&node, &session, "place", queue).await;
        let placed = reported(&mut events, ReportingName::PlacedInQueue).await;
        assert_eq!((placed.interaction_id.as_str(), placed.queue.as_str()), (interaction.as_str(), queue));
        tell(&node, &session, "finish", "").await;
    }
    let waiting =
        [email.queue("done").await, email.queue("poison").await, chat.queue("done").await, chat.queue("poison").await];
    assert_eq!(waiting.map(|queue| queue.waiting), [1, 0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pulled_from_both_servers_is_routed_to_targets_logged_in_on_the_server_it_was_pulled_from() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&email, &chat], &["obeys"]), engine, plugins).await;
    let mut anna = Agent::log_in(&email, "anna", 5).await;
    let mut boris = Agent::log_in(&chat, "boris", 5).await;
    until("both are known", async || node.status().links.iter().all(|link| link.agents == 1).then_some(())).await;
    // Both are in the group, and either is free.
    for how in ["route", "route", "route"] {
        for (site, agent) in [(&email, &mut anna), (&chat, &mut boris)] {
            let interaction = site.submit("obeys").await;
            let session = session(&node, &interaction).await;
            tell(&node, &session, how, "").await;
            assert_eq!(agent.accept().await, interaction);
            tell(&node, &session, "finish", "").await;
        }
    }
    assert!(anna.is_left_alone() && boris.is_left_alone());
    assert_eq!(node.status().counters.delivered, 6);
    // Nobody is free on the chat server: it waits there, whoever is free on the other.
    drop(boris);
    until("the agent is gone", async || (node.status().links[1].agents == 0).then_some(())).await;
    let interaction = chat.submit("obeys").await;
    let session = session(&node, &interaction).await;
    tell(&node, &session, "route", "").await;
    until("it waits", async || (node.status().links[1].waiting_for_target == 1).then_some(())).await;
    assert!(anna.is_left_alone());
    let mut boris = Agent::log_in(&chat, "boris", 1).await;
    assert_eq!(boris.accept().await, interaction);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_has_had_made_is_sent_over_the_link_over_which_it_was_made() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (mut of_email, mut of_chat) = (MediaServer::open(&email).await, MediaServer::open(&chat).await);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&email, &chat], &["obeys"]), engine, plugins).await;
    let interaction = chat.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "create", "done").await;
    let create = of_chat.asked().await;
    let message = of_chat.submit("done", create.user_data.clone().unwrap_or_default()).await;
    let made = KeyValueList::default().with("InteractionId", message.as_str());
    assert!(of_chat.answer(&create, false, made).await);
    chat.seen(&interaction, &format!("created {message}")).await;
    tell(&node, &session, "send", &message).await;
    let send = of_chat.asked().await;
    assert_eq!((send.method.as_str(), send.interaction_id.as_str()), ("Send", message.as_str()));
    assert!(of_email.is_left_alone());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_error_it_waits_before_it_pulls_again_and_then_sends_all_requests_to_the_server_it_pulled_from() {
    let mut chat = Site::closed("chat", &["obeys"], true, |_| {});
    let (submitters, strategies) = (chat.settings().submitters.clone(), chat.settings().strategies.clone());
    chat.configure(|settings| {
        settings.submitters.clear();
        settings.strategies.clear();
    });
    chat.start();
    let email = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let settings = settings(&[&email, &chat], &["obeys"]);
    let rest = Duration::from_secs(3);
    let options = Options { mcr_pull_after_error_timeout: rest, ..settings.options.clone() };
    let node = start(jackfield_node::Settings { options, ..settings }, engine, plugins).await;
    let pull = async |link: usize, state: PullState| {
        until("the pull is so", async || node.status().pulls.into_iter().nth(link).filter(|pull| pull.state == state))
            .await
    };
    let resting = pull(1, PullState::Resting).await;
    assert!(resting.problem.contains("107") && resting.rest_ms > 1_000, "{resting:?}");
    pull(0, PullState::Pulling).await;

    // It is given to the server, and yet nothing is pulled before the time is over.
    chat.stop().await;
    chat.configure(|settings| (settings.submitters, settings.strategies) = (submitters, strategies));
    chat.start();
    let interaction = chat.submit("obeys").await;
    until("the link is up", async || (node.status().links[1].connections == 2).then_some(())).await;
    pull(1, PullState::Resting).await;
    let session = watching(&node, &interaction).await;
    assert_eq!(session.server, "chat");
    tell(&node, &session, "attach", "Billing").await;
    chat.seen(&interaction, "done").await;
    tell(&node, &session, "place", "done").await;
    chat.waiting("done", 1).await;
    assert_eq!((email.queue("done").await.waiting, node.status().counters.pulled), (0, 1));
}
