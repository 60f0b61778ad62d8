//! A reporting client that loses its connection and goes on where it was: the sequences of the published message
//! models (reference page, *Message models to reproduce*), each row, and after each step a new connection.

use ReportingName::*;
use jackfield_link::{Client, Endpoint};
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;
use jackfield_server::{Limits, Server, Settings, Timers};
use tokio::sync::mpsc;

use crate::support::*;

type Events = mpsc::Receiver<EventMessage>;

fn start(resume_after: Option<ReportingPosition>) -> RequestMessage {
    RequestMessage::StartReporting(RequestStartReporting {
        interactions: true,
        agents: true,
        resumable: true,
        resume_after,
        ..Default::default()
    })
}

async fn started(client: &Client, resume_after: Option<ReportingPosition>) -> EventAgentStates {
    match client.request(start(resume_after)).await.expect("reporting") {
        EventMessage::AgentStates(states) => states,
        other => panic!("{other:?}"),
    }
}

/// A reporting engine that goes on where it was.
struct Reporter {
    endpoint: Endpoint,
    client: Client,
    events: Events,
    position: ReportingPosition,
}

impl Reporter {
    async fn begin(endpoint: &Endpoint) -> Reporter {
        let (client, events) = connect_as(endpoint, ClientType::ReportingEngine, "reporter").await;
        let position = started(&client, None).await.position.expect("a position");
        Reporter { endpoint: endpoint.clone(), client, events, position }
    }

    /// The connection is gone.
    async fn lose(&self) {
        self.client.close();
        self.client.closed().await;
    }

    /// Another connection, which goes on after the last event heard; what was lost.
    async fn resume(&mut self) -> Option<ReportingGap> {
        (self.client, self.events) = connect_as(&self.endpoint, ClientType::ReportingEngine, "reporter").await;
        let states = started(&self.client, Some(self.position.clone())).await;
        self.position = states.position.expect("a position");
        states.gap
    }

    async fn next(&mut self) -> EventReporting {
        let EventMessage::Reporting(report) = event(&mut self.events).await else { panic!("no report") };
        assert_eq!((report.previous, report.sequence), (self.position.sequence, self.position.sequence + 1));
        self.position.sequence = report.sequence;
        report
    }

    /// What happened while it was away: these, and nothing is missed.
    async fn missed(&mut self, expected: &[ReportingName]) -> Vec<EventReporting> {
        assert_eq!(self.resume().await, None);
        let mut reports = Vec::new();
        for name in expected {
            let report = self.next().await;
            assert_eq!(report.name(), *name, "of {expected:?}");
            reports.push(report);
        }
        reports
    }
}

/// Everybody who takes part.
struct Scene {
    _folder: tempfile::TempDir,
    server: Server,
    media: Client,
    media_events: Events,
    router: Client,
    router_events: Events,
    agent: Client,
    agent_events: Events,
    reporter: Reporter,
}

impl Scene {
    async fn new(settings: Settings) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let server = open(settings, &folder.path().join("store.db"));
        let endpoint = tcp(&server).await;
        let reporter = Reporter::begin(&endpoint).await;
        let (media, media_events) = connect(&endpoint, ClientType::MediaServer).await;
        let (router, router_events) = connect(&endpoint, ClientType::RoutingEngine).await;
        let (agent, agent_events) = connect(&endpoint, ClientType::AgentApplication).await;
        Scene { _folder: folder, server, media, media_events, router, router_events, agent, agent_events, reporter }
    }

    async fn login(&mut self) {
        self.reporter.lose().await;
        let media = vec![MediaCapacity { media_type: "email".into(), capacity: 5 }];
        acked(self.agent.request(RequestAgentLogin { agent: "ann".into(), place: "p1".into(), media }).await.unwrap());
        acked(self.agent.request(RequestReadyForMedia { agent: "ann".into(), ..Default::default() }).await.unwrap());
        self.reporter.missed(&[AgentLoggedIn, ReadyForMedia]).await;
    }

    async fn submitted(&mut self) -> String {
        self.reporter.lose().await;
        let id = acked(self.media.request(submit("a question")).await.unwrap());
        let reports = self.reporter.missed(&[InteractionSubmitted]).await;
        assert_eq!(reports[0].interaction_id, id);
        id
    }

    async fn taken(&mut self) -> String {
        let id = self.submitted().await;
        self.reporter.lose().await;
        assert_eq!(pulled(self.router.request(pull(1)).await.unwrap())[0].interaction_id, id);
        let reports = self.reporter.missed(&[TakenFromQueue, PartyAdded]).await;
        let party = reports[1].actor.as_ref().and_then(|actor| actor.party.clone());
        assert_eq!(party, Some(actor::Party::Strategy("Triage".into())));
        id
    }

    /// Offered to `ann`; the ticket of the invitation.
    async fn offered(&mut self, timeout_ms: u32) -> (String, u64) {
        let id = self.taken().await;
        self.reporter.lose().await;
        let target = Some(request_deliver::Target::Agent("ann".into()));
        let deliver = RequestDeliver { interaction_id: id.clone(), target, timeout_ms, ..Default::default() };
        acked(self.router.request(deliver).await.unwrap());
        self.reporter.missed(&[AgentInvited, PartyRemoved, PlaceAgentState]).await;
        let EventMessage::Invite(invite) = event(&mut self.agent_events).await else { panic!("no invitation") };
        (id, invite.ticket_id)
    }

    /// How the delivery ended, for the router.
    async fn delivered(&mut self) -> DeliveryResult {
        let EventMessage::Delivery(delivery) = event(&mut self.router_events).await else { panic!("no end") };
        delivery.result()
    }
}

fn drafts() -> Workbin {
    Workbin { r#type: "drafts".into(), owner_type: WorkbinOwner::Agent.into(), owner: "ann".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_the_published_models_is_heard_by_a_client_that_was_away_while_it_happened() {
    let mut scene = Scene::new(Settings { workbins: vec!["drafts".into()], ..site() }).await;
    // Submitted by a media server; one that is refused is not reported.
    scene.login().await;
    scene.reporter.lose().await;
    let unknown = RequestSubmit { media_type: "email".into(), queue: "nowhere".into(), ..Default::default() };
    assert!(scene.media.request(unknown).await.is_err());
    scene.reporter.missed(&[]).await;

    // Submitted by an agent, who has it in hand, and places it.
    scene.reporter.lose().await;
    let id = acked(scene.agent.request(submit("a call back")).await.unwrap());
    scene.reporter.missed(&[InteractionSubmitted, PartyAdded, PlaceAgentState]).await;
    scene.reporter.lose().await;
    let place = RequestPlaceInQueue { interaction_id: id, queue: "second".into(), ..Default::default() };
    acked(scene.agent.request(place).await.unwrap());
    scene.reporter.missed(&[PlaceAgentState, PartyRemoved, PlacedInQueue]).await;

    // Pulled, and placed in a queue.
    let id = scene.taken().await;
    scene.reporter.lose().await;
    let place = RequestPlaceInQueue { interaction_id: id, queue: "second".into(), ..Default::default() };
    acked(scene.router.request(place).await.unwrap());
    scene.reporter.missed(&[PartyRemoved, PlacedInQueue]).await;

    // Pulled, placed in a workbin, pulled from there.
    let id = scene.taken().await;
    scene.reporter.lose().await;
    let place = RequestPlaceInWorkbin { interaction_id: id.clone(), workbin: Some(drafts()), ..Default::default() };
    acked(scene.router.request(place).await.unwrap());
    scene.reporter.missed(&[PartyRemoved, PlacedInQueue, PlacedInWorkbin]).await;
    scene.reporter.lose().await;
    let what = Some(request_pull::What::ByIds(PullByIds { interaction_ids: vec![id.clone()] }));
    assert_eq!(pulled(scene.router.request(RequestPull { what, ..Default::default() }).await.unwrap()).len(), 1);
    scene.reporter.missed(&[TakenFromQueue, TakenFromWorkbin, PartyAdded]).await;
    scene.reporter.lose().await;
    acked(scene.router.request(stop(&id)).await.unwrap());
    scene.reporter.missed(&[PartyRemoved, ProcessingStopped]).await;

    // Offered, and accepted.
    let (id, ticket_id) = scene.offered(0).await;
    scene.reporter.lose().await;
    scene.agent.request(RequestAccept { ticket_id, interaction_id: id.clone() }).await.unwrap();
    scene.reporter.missed(&[PartyAdded]).await;
    assert_eq!(scene.delivered().await, DeliveryResult::Accepted);
    scene.reporter.lose().await;
    acked(scene.agent.request(stop(&id)).await.unwrap());
    scene.reporter.missed(&[PlaceAgentState, PartyRemoved, ProcessingStopped]).await;

    // Offered, and rejected.
    let (id, ticket_id) = scene.offered(0).await;
    scene.reporter.lose().await;
    acked(scene.agent.request(RequestReject { ticket_id, interaction_id: id, ..Default::default() }).await.unwrap());
    scene.reporter.missed(&[PlaceAgentState, RejectedByAgent, PlacedInQueue]).await;
    assert_eq!(scene.delivered().await, DeliveryResult::Rejected);

    // Asked of another server, and answered.
    scene.reporter.lose().await;
    let ask = Request3rdServer {
        app_type: "email".into(),
        service: "Email".into(),
        method: "Send".into(),
        ..Default::default()
    };
    let asked = scene.router.send(ask, "").await.unwrap();
    let EventMessage::ThirdServerRequest(relayed) = event(&mut scene.media_events).await else { panic!("not relayed") };
    scene.reporter.missed(&[ExternalServiceRequested]).await;
    scene.reporter.lose().await;
    let answer = Answer3rdServer { server_reference_id: relayed.server_reference_id, ..Default::default() };
    acked(scene.media.request(answer).await.unwrap());
    assert!(matches!(asked.await, Ok(EventMessage::ThirdServerResponse(_))));
    scene.reporter.missed(&[ExternalServiceResponded]).await;
    scene.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_of_agents_and_routers_is_heard_by_a_client_that_was_away() {
    let mut scene = Scene::new(site()).await;
    scene.login().await;
    scene.offered(100).await;
    scene.reporter.lose().await;
    assert_eq!(scene.delivered().await, DeliveryResult::TimedOut);
    scene.reporter.missed(&[PlaceAgentState, InteractionRevoked, PlacedInQueue]).await;
    scene.server.shutdown().await;

    let timers = Timers { routing_timeout: std::time::Duration::from_millis(100), ..Timers::default() };
    let mut scene = Scene::new(Settings { timers, ..site() }).await;
    let id = scene.taken().await;
    scene.reporter.lose().await;
    loop {
        let EventMessage::Revoked(revoked) = event(&mut scene.router_events).await else { continue };
        assert_eq!(revoked.interaction_id, id);
        break;
    }
    scene.reporter.missed(&[PartyRemoved, PlacedInQueue]).await;
    scene.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_more_is_told_as_a_gap_and_a_filter_counts_for_what_was_missed_too() {
    let limits = Limits { reporting_events: 3, ..Limits::default() };
    let mut scene = Scene::new(Settings { limits, ..site() }).await;
    let first = scene.submitted().await;
    scene.reporter.lose().await;
    for number in 0..5 {
        acked(scene.media.request(submit(&number.to_string())).await.unwrap());
    }
    let before = scene.reporter.position.clone();
    assert_eq!(scene.reporter.resume().await, Some(ReportingGap { from: 2, to: 3 }));
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(scene.reporter.next().await.sequence);
    }
    assert_eq!(heard, [4, 5, 6]);

    // Another one, which hears of its own queue only, and of the virtual queue that it names.
    let told = |this_queue: &str| RequestDistributeEvent {
        interaction_id: first.clone(),
        name: "EventQueued".into(),
        this_dn: this_queue.into(),
        this_queue: this_queue.into(),
        ..Default::default()
    };
    acked(scene.router.request_once(told("VQ_Billing"), "1").await.unwrap());
    acked(scene.router.request_once(told("VQ_Other"), "2").await.unwrap());
    acked(scene.router.request_once(told("VQ_Billing"), "1").await.unwrap());
    let endpoint = scene.reporter.endpoint.clone();
    let (narrow, mut events) = connect(&endpoint, ClientType::ReportingEngine).await;
    let ask = RequestStartReporting {
        interactions: true,
        queues: vec!["second".into(), "VQ_Billing".into()],
        resume_after: Some(before),
        ..Default::default()
    };
    let EventMessage::AgentStates(states) = narrow.request(ask).await.unwrap() else { panic!("no states") };
    assert_eq!(states.gap, Some(ReportingGap { from: 2, to: 5 }));
    acked(scene.router.request_once(told("VQ_Billing"), "3").await.unwrap());
    for (previous, sequence) in [(5, 7), (7, 9)] {
        let EventMessage::Reporting(report) = event(&mut events).await else { panic!("no report") };
        assert_eq!((report.previous, report.sequence, report.this_queue.as_str()), (previous, sequence, "VQ_Billing"));
    }
    scene.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_begins_another_stream() {
    let mut scene = Scene::new(site()).await;
    scene.submitted().await;
    let before = scene.reporter.position.clone();
    scene.reporter.lose().await;
    scene.server.shutdown().await;
    let server = open(site(), &scene._folder.path().join("store.db"));
    scene.reporter.endpoint = tcp(&server).await;
    assert_eq!(scene.reporter.resume().await, None, "nothing of the new stream is lost");
    assert_ne!(scene.reporter.position.stream_id, before.stream_id);
    assert_eq!(scene.reporter.position.sequence, 0);
    let ahead = ReportingPosition { sequence: 9, ..scene.reporter.position.clone() };
    assert!(scene.reporter.client.request(start(Some(ahead))).await.is_err(), "there is no such event");
    server.shutdown().await;
}
