//! One interaction's way: submitted, pulled, offered, accepted, stopped; and the same over TCP.

use ReportingName::*;
use jackfield_link::Endpoint;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(site(), &folder.path().join("store.db"));
    whole_way(in_process(&server)).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(site(), &folder.path().join("store.db"));
    whole_way(tcp(&server).await).await;
    server.shutdown().await;
}

async fn whole_way(endpoint: Endpoint) {
    let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
    let (router, mut router_events) = connect(&endpoint, ClientType::RoutingEngine).await;
    let (agent, mut agent_events) = connect(&endpoint, ClientType::AgentApplication).await;
    let (reporter, mut reports) = connect(&endpoint, ClientType::ReportingEngine).await;
    let all = RequestStartReporting { interactions: true, agents: true, ..Default::default() };
    reporter.request(RequestMessage::StartReporting(all)).await.expect("reporting starts");

    let media_capacity = vec![MediaCapacity { media_type: "email".into(), capacity: 1 }];
    let login = RequestAgentLogin { agent: "ann".into(), place: "p1".into(), media: media_capacity };
    acked(agent.request(RequestMessage::AgentLogin(login)).await.unwrap());
    let ready = RequestReadyForMedia { agent: "ann".into(), media_types: vec![] };
    acked(agent.request(RequestMessage::ReadyForMedia(ready)).await.unwrap());

    let held = router.send(pull(10), "").await.unwrap();
    let id = acked(media.request(submit("a question")).await.unwrap());
    let interactions = pulled(held.await.expect("work came"));
    assert_eq!(interactions.iter().map(|one| one.interaction_id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(interactions[0].user_data.as_ref().unwrap().text("Subject"), Some("a question"));

    let deliver = RequestDeliver {
        interaction_id: id.clone(),
        target: Some(request_deliver::Target::Agent("ann".into())),
        ..RequestDeliver::default()
    };
    let delivering = router.send(RequestMessage::Deliver(deliver), "").await.unwrap();
    let reference = delivering.reference_id();
    acked(delivering.await.unwrap());
    let EventMessage::Invite(invite) = event(&mut agent_events).await else { panic!("no invitation") };
    let accept = RequestAccept { ticket_id: invite.ticket_id, interaction_id: id.clone() };
    let EventMessage::Interaction(accepted) = agent.request(RequestMessage::Accept(accept)).await.unwrap() else {
        panic!("not accepted")
    };
    assert_eq!(accepted.interaction.unwrap().assigned_to, "ann");
    let EventMessage::Delivery(delivery) = event(&mut router_events).await else { panic!("no end of the delivery") };
    assert_eq!((delivery.deliver_reference_id, delivery.result()), (reference, DeliveryResult::Accepted));
    acked(agent.request(stop(&id)).await.unwrap());

    let expected = [
        AgentLoggedIn,
        ReadyForMedia,
        InteractionSubmitted,
        TakenFromQueue,
        PartyAdded,
        AgentInvited,
        PartyRemoved,
        PlaceAgentState,
        PartyAdded,
        PlaceAgentState,
        PartyRemoved,
        ProcessingStopped,
    ];
    for (number, name) in (1..).zip(expected) {
        let EventMessage::Reporting(report) = event(&mut reports).await else { panic!("no report") };
        assert_eq!((report.previous + 1, report.sequence, report.name()), (number, number, name));
    }
    let status = status(&router).await;
    assert_eq!((status.interactions, status.health.as_str()), (0, "ok"));
    for client in [media, router, agent, reporter] {
        client.leave().await;
    }
}

/// Prints what one server does; `cargo test -p jackfield-server --test server figures -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn figures() {
    const INTERACTIONS: usize = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let server = open(site(), &folder.path().join("store.db"));
    for endpoint in [in_process(&server), tcp(&server).await] {
        let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
        let (router, _router_events) = connect(&endpoint, ClientType::RoutingEngine).await;
        let start = std::time::Instant::now();
        let submitting = tokio::spawn(async move {
            let mut replies = std::collections::VecDeque::new();
            for number in 0..INTERACTIONS {
                replies.push_back(media.send(submit(&number.to_string()), "").await.unwrap());
                if replies.len() > 1_000 {
                    acked(replies.pop_front().unwrap().await.unwrap());
                }
            }
            for reply in replies {
                acked(reply.await.unwrap());
            }
        });
        let mut stopped = 0;
        let mut stops = std::collections::VecDeque::new();
        while stopped < INTERACTIONS {
            for interaction in pulled(router.request(pull(200)).await.unwrap()) {
                stops.push_back(router.send(stop(&interaction.interaction_id), "").await.unwrap());
                stopped += 1;
            }
            while stops.len() > 1_000 {
                acked(stops.pop_front().unwrap().await.unwrap());
            }
        }
        for stop in stops {
            acked(stop.await.unwrap());
        }
        submitting.await.unwrap();
        let took = start.elapsed();
        println!("{endpoint:?}: {:.0} submit+pull+stop a second", INTERACTIONS as f64 / took.as_secs_f64());
    }
    server.shutdown().await;
}
