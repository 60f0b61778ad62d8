//! Waits in virtual queues: what reporting hears of them, and what the interaction carries.

use std::sync::Arc;
use std::time::Duration;

use jackfield_journal::Journal;
use jackfield_link::Client;
use jackfield_node::{Node, ObjectKind, Objects, Options, ReportTargets, SessionStatus, Settings};
use jackfield_plugins::Plugins;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    ClientType, EventReporting, KeyValueList, ReportingPosition, RequestAccept, RequestDistributeEvent,
    RequestStartReporting, RequestStopProcessing, RequestSubmit,
};
use jackfield_server::Timers;
use jackfield_strategy::Engine;
use tokio::sync::mpsc;

use crate::support::{Agent, Home, Site, all_texts, crash, plugins, settings, tell, until, watching};

const BILLING: &str = "VQ_Billing";
/// What tells where a test has come to, in the stream.
const MARK: &str = "Mark";

/// A reporting client that hears of everything once, whatever becomes of its connection.
struct Listener {
    client: Client,
    events: mpsc::Receiver<Event>,
    position: ReportingPosition,
}

impl Listener {
    async fn begin(site: &Site) -> Listener {
        Listener::after(site, None).await
    }

    async fn after(site: &Site, resume_after: Option<ReportingPosition>) -> Listener {
        let (client, events) = site.client(ClientType::ReportingEngine).await;
        let start = RequestStartReporting { interactions: true, resumable: true, resume_after, ..Default::default() };
        match client.request(Ask::StartReporting(start)).await {
            Ok(Event::AgentStates(states)) => {
                assert_eq!(states.gap, None);
                Listener { client, events, position: states.position.expect("a position") }
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next event of a virtual queue, or a mark.
    async fn next(&mut self, site: &Site) -> EventReporting {
        let found = async {
            loop {
                match self.events.recv().await {
                    Some(Event::Reporting(event)) => {
                        self.position.sequence = event.sequence;
                        if !event.custom_name.is_empty() {
                            return event;
                        }
                    }
                    Some(_) => {}
                    None => *self = Listener::after(site, Some(self.position.clone())).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("an event in time")
    }

    /// The names of all events of virtual queues up to now, with the reason of each.
    async fn all(&mut self, site: &Site) -> Vec<EventReporting> {
        let (marker, _events) = site.client(ClientType::ReportingEngine).await;
        let mark = RequestDistributeEvent { name: MARK.into(), ..Default::default() };
        marker.request(mark).await.expect("a mark");
        let mut all = Vec::new();
        loop {
            match self.next(site).await {
                event if event.custom_name == MARK => return all,
                event => all.push(event),
            }
        }
    }
}

/// Name, virtual queue and reason.
fn in_short(event: &EventReporting) -> String {
    let reason = event.reasons.as_ref().map(KeyValueList::to_json).unwrap_or_default();
    let name = &event.custom_name;
    assert_eq!(event.this_dn, event.this_queue);
    format!("{name} {} {reason}", event.this_queue)
}

fn id(event: &EventReporting) -> String {
    event.extensions.as_ref().and_then(|extensions| extensions.text("VQID")).expect("a VQID").to_owned()
}

/// What was heard: each a wait that began and ended, with one id.
#[track_caller]
fn waits(heard: &[EventReporting], expected: &[&str]) {
    let short: Vec<String> = heard.iter().map(in_short).collect();
    assert_eq!(short, expected);
    for pair in heard.chunks(2) {
        assert_eq!(id(&pair[0]), id(&pair[1]));
    }
}

const QUEUED: &str = "EventQueued VQ_Billing null";
const DIVERTED: &str = r#"EventDiverted VQ_Billing [["RTR",115]]"#;
const CANCELLED: &str = r#"EventAbandoned VQ_Billing [["Reason","cancelled"]]"#;

struct Scene {
    site: Site,
    home: Home,
    engine: Engine,
    plugins: Arc<Plugins>,
    settings: Settings,
    listener: Listener,
}

impl Scene {
    async fn open() -> Scene {
        Scene::with(ReportTargets::All).await
    }

    async fn with(report_targets: ReportTargets) -> Scene {
        let timers = Timers { delivering_timeout: Duration::from_secs(20), ..Timers::default() };
        let site = Site::open_with("email", &["obeys"], true, timers);
        let (engine, plugins) = plugins(&["obeys"]).await;
        let own = settings(&[&site], &["obeys"]);
        let dbids = [((ObjectKind::VirtualQueue, BILLING.to_owned()), 1523), ((ObjectKind::Agent, "anna".into()), 7)];
        let settings = Settings {
            objects: Objects { dbids: dbids.into(), tenants: [(1, "Resources".into())].into(), ..Default::default() },
            options: Options { report_targets, rejection_rest: Duration::ZERO, ..own.options.clone() },
            ..own
        };
        let listener = Listener::begin(&site).await;
        Scene { site, home: Home::new(), engine, plugins, settings, listener }
    }

    async fn start(&self) -> (Node, Journal) {
        self.home.start(self.settings.clone(), &self.engine, &self.plugins).await
    }

    /// A session that waits in the virtual queue for as many milliseconds at most, where it is told any.
    async fn waiting(&mut self, node: &Node, how: &str, timeout: &str) -> (String, SessionStatus) {
        let interaction = self.site.submit("obeys").await;
        let session = watching(node, &interaction).await;
        tell(node, &session, "virtual-queue", &format!("{BILLING} {timeout}")).await;
        tell(node, &session, how, "done").await;
        (interaction, session)
    }

    async fn hears(&mut self, name: &str) -> EventReporting {
        let event = self.listener.next(&self.site).await;
        assert_eq!(event.custom_name, name, "{event:?}");
        event
    }
}

async fn finish(node: &Node, session: &SessionStatus) {
    tell(node, session, "finish", "").await;
    until("it has ended", async || node.status().sessions.iter().all(|one| one.id != session.id).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn also_when_a_target_is_free_at_once_it_is_heard_to_be_queued_and_diverted_and_carries_what_was_selected() {
    let mut scene = Scene::open().await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    let (node, _journal) = scene.start().await;
    let (interaction, session) = scene.waiting(&node, "route", "").await;
    anna.accept().await;
    let (queued, diverted) = (scene.hears("EventQueued").await, scene.hears("EventDiverted").await);
    waits(&[queued.clone(), diverted.clone()], &[QUEUED, DIVERTED]);
    assert_eq!((queued.interaction_id.as_str(), diverted.interaction_id.as_str()), (&*interaction, &*interaction));
    let extensions = queued.extensions.clone().expect("extensions");
    assert_eq!((extensions.text("NAME"), extensions.text("CLUSTER")), (Some("node_1"), Some("east")));
    assert_eq!(extensions.text("CallUUID"), Some(interaction.as_str()));

    let data = scene.site.data(&interaction).await;
    let own = id(&queued);
    for (key, value) in [
        ("RVQID", own.as_str()),
        ("RPVQID", &own),
        ("RVQDBID", "1523"),
        ("RTargetRule", ""),
        ("RTargetAgentGroup", "everyone"),
        ("RTargetRuleSelected", ""),
        ("RTargetTypeSelected", "2"),
        ("RTargetObjectSelected", "everyone"),
        ("RTargetObjSelDBID", ""),
        ("RTargetAgentSelected", "anna"),
        ("RTargetAgSelDBID", "7"),
        ("RTargetPlaceSelected", "place-anna"),
        ("RTargetPlSelDBID", ""),
        ("RTenant", "Resources"),
        ("RTenantDBID", "1"),
        ("RRequestedSkillCombination", ""),
        ("RStrategyName", "obeys"),
    ] {
        assert_eq!(all_texts(&data, key), [value], "{key}");
        // And the event tells the same.
        assert_eq!(diverted.data.as_ref().and_then(|data| data.text(key)), Some(value), "{key}");
    }
    assert!(data.get("Reason").is_some() && queued.data.as_ref().is_some_and(|data| data.get("Reason").is_none()));
    finish(&node, &session).await;
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wait_has_its_own_id_and_the_first_stays_the_primary_one() {
    let mut scene = Scene::open().await;
    let (node, _journal) = scene.start().await;
    let (interaction, session) = scene.waiting(&node, "route", "").await;
    scene.hears("EventQueued").await;
    tell(&node, &session, "cancel", "").await;
    scene.site.seen(&interaction, "failed 2002 cancelled").await;
    tell(&node, &session, "route", "").await;
    let heard = scene.hears("EventAbandoned").await;
    let (first, second) = (id(&heard), id(&scene.hears("EventQueued").await));
    assert_ne!(first, second);
    let data = until("the second is attached", async || {
        let data = scene.site.data(&interaction).await;
        (all_texts(&data, "RVQID") == [second.as_str()]).then_some(data)
    })
    .await;
    assert_eq!(all_texts(&data, "RPVQID"), [first]);
    assert_eq!(all_texts(&data, "RTargetAgentGroup"), ["everyone"], "an interaction that waits often does not grow");
    finish(&node, &session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_end_is_heard_as_abandoned_once_and_says_why() {
    let mut scene = Scene::open().await;
    let (node, _journal) = scene.start().await;
    // Nobody was free in time.
    let (interaction, session) = scene.waiting(&node, "route", "30").await;
    scene.site.seen(&interaction, "failed 2025 nobody_logged_in").await;
    let heard = scene.listener.all(&scene.site).await;
    waits(&heard, &[QUEUED, r#"EventAbandoned VQ_Billing [["Reason","nobody_logged_in"]]"#]);
    finish(&node, &session).await;

    // The strategy cancels it, and hears of both requests.
    let (interaction, session) = scene.waiting(&node, "route", "").await;
    tell(&node, &session, "cancel", "").await;
    scene.site.seen(&interaction, "failed 2002 cancelled").await;
    scene.site.seen(&interaction, "done").await;
    waits(&scene.listener.all(&scene.site).await, &[QUEUED, CANCELLED]);
    finish(&node, &session).await;

    // It places the interaction elsewhere, or stops it.
    for how in ["place", "stop"] {
        let (_, session) = scene.waiting(&node, "route", "").await;
        scene.hears("EventQueued").await;
        tell(&node, &session, how, "done").await;
        assert_eq!(in_short(&scene.hears("EventAbandoned").await), CANCELLED);
        finish(&node, &session).await;
    }

    // Its session ends.
    let (_, session) = scene.waiting(&node, "route", "").await;
    scene.hears("EventQueued").await;
    finish(&node, &session).await;
    assert_eq!(in_short(&scene.hears("EventAbandoned").await), CANCELLED);
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_waited_for_is_not_heard_of() {
    let mut scene = Scene::open().await;
    scene.settings.agents.clear();
    let (node, _journal) = scene.start().await;
    let (interaction, session) = scene.waiting(&node, "route", "").await;
    scene.site.seen(&interaction, "failed 2021 unknown_agent_group").await;
    finish(&node, &session).await;
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_rejects_does_not_end_the_wait_and_a_queue_among_the_targets_does() {
    let mut scene = Scene::open().await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    let (node, _journal) = scene.start().await;
    let (interaction, session) = scene.waiting(&node, "route", "").await;
    anna.reject().await;
    assert_eq!(anna.accept().await, interaction);
    scene.hears("EventQueued").await;
    scene.hears("EventDiverted").await;
    finish(&node, &session).await;

    for how in ["route-queue", "find-queue"] {
        let (interaction, session) = scene.waiting(&node, how, "").await;
        let (queued, diverted) = (scene.hears("EventQueued").await, scene.hears("EventDiverted").await);
        waits(&[queued, diverted.clone()], &[QUEUED, DIVERTED]);
        let data = diverted.data.expect("user data");
        assert_eq!((data.text("RTargetTypeSelected"), data.text("RTargetObjectSelected")), (Some("5"), Some("done")));
        let attached = scene.site.data(&interaction).await;
        assert_eq!(attached.text("RTargetObjectSelected"), Some("done"));
        finish(&node, &session).await;
    }
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_option_turns_down_what_is_attached_and_not_what_is_reported() {
    for (report_targets, while_it_waits, then) in
        [(ReportTargets::Selected, false, true), (ReportTargets::Off, false, false), (ReportTargets::All, true, true)]
    {
        let mut scene = Scene::with(report_targets).await;
        let (node, _journal) = scene.start().await;
        let (interaction, session) = scene.waiting(&node, "find", "").await;
        scene.hears("EventQueued").await;
        let has = |data: &KeyValueList, key: &str| data.get(key).is_some();
        // What it writes itself comes after what is attached.
        tell(&node, &session, "count", "RVQID").await;
        scene.site.seen(&interaction, "count").await;
        let data = scene.site.data(&interaction).await;
        assert_eq!((has(&data, "RVQID"), has(&data, "RTargetAgentGroup")), (while_it_waits, while_it_waits));
        let _anna = Agent::log_in(&scene.site, "anna", 1).await;
        scene.hears("EventDiverted").await;
        scene.site.seen(&interaction, "routed everyone").await;
        let data = scene.site.data(&interaction).await;
        assert_eq!((has(&data, "RVQID"), has(&data, "RTargetAgentSelected")), (then, then));
        assert_eq!(has(&data, "RTargetAgentGroup"), while_it_waits);
        finish(&node, &session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_while_it_waits_does_not_begin_it_again_and_ends_it_once() {
    let mut scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let (_, session) = scene.waiting(&node, "route", "").await;
    let queued = scene.hears("EventQueued").await;
    crash(node, journal).await;
    let (node, journal) = scene.start().await;
    until("it waits again", async || (node.status().links[0].waiting_for_target == 1).then_some(())).await;
    crash(node, journal).await;
    let (node, _journal) = scene.start().await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    anna.accept().await;
    let diverted = scene.hears("EventDiverted").await;
    assert_eq!(id(&diverted), id(&queued));
    finish(&node, &session).await;
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_before_it_knows_that_an_agent_took_it_ends_the_wait_once() {
    let mut scene = Scene::open().await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    let (node, journal) = scene.start().await;
    let (_, session) = scene.waiting(&node, "route", "").await;
    let invitation = anna.invited().await;
    crash(node, journal).await;
    anna.take(invitation).await;
    let (node, _journal) = scene.start().await;
    let (queued, diverted) = (scene.hears("EventQueued").await, scene.hears("EventDiverted").await);
    waits(&[queued, diverted], &[QUEUED, DIVERTED]);
    finish(&node, &session).await;
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_ended_while_the_node_was_dead_is_left_open_by_nobody() {
    let mut scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let (interaction, session) = scene.waiting(&node, "route", "").await;
    scene.hears("EventQueued").await;
    crash(node, journal).await;
    // Its media server takes the interaction away meanwhile.
    let (media, _events) = scene.site.client(ClientType::MediaServer).await;
    media.request(RequestStopProcessing { interaction_id: interaction, reason: "gone".into() }).await.expect("stopped");
    let (node, _journal) = scene.start().await;
    let abandoned = scene.hears("EventAbandoned").await;
    assert_eq!(in_short(&abandoned), r#"EventAbandoned VQ_Billing [["Reason","not_held"]]"#);
    finish(&node, &session).await;
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_of_a_session_that_cannot_go_on_is_ended_all_the_same() {
    let mut scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    scene.waiting(&node, "route", "").await;
    scene.hears("EventQueued").await;
    crash(node, journal).await;
    scene.settings.strategies.clear();
    scene.settings.links[0].strategies.clear();
    let (node, _journal) = scene.start().await;
    assert_eq!(in_short(&scene.hears("EventAbandoned").await), CANCELLED);
    assert!(node.status().sessions.is_empty());
    assert_eq!(scene.listener.all(&scene.site).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_lost_connections_nothing_is_heard_twice_and_nothing_is_missed() {
    let mut scene = Scene::open().await;
    let (node, _journal) = scene.start().await;
    let (_, session) = scene.waiting(&node, "route", "").await;
    scene.hears("EventQueued").await;
    // The server hears the end, and nobody hears that it did.
    scene.site.deafen();
    tell(&node, &session, "cancel", "").await;
    until("it is cancelled", async || (node.status().links[0].waiting_for_target == 0).then_some(())).await;
    scene.site.cut();
    assert_eq!(in_short(&scene.hears("EventAbandoned").await), CANCELLED);
    until("the session knows", async || {
        node.status().sessions.iter().any(|one| one.id == session.id && one.waits_for == "event").then_some(())
    })
    .await;

    // Lost while it waits.
    tell(&node, &session, "route", "").await;
    scene.hears("EventQueued").await;
    scene.site.cut();
    until("it waits again", async || {
        (node.status().links[0].connections == 3 && node.status().links[0].waiting_for_target == 1).then_some(())
    })
    .await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    anna.accept().await;
    scene.hears("EventDiverted").await;
    finish(&node, &session).await;
    assert_eq!(scene.listener.all(&scene.site).await, []);
    drop(scene.listener.client);
}

/// Prints what a wait costs; `cargo test --workspace --test all virtual_queues::figures -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn figures() {
    const INTERACTIONS: usize = 900;
    let (engine, plugins) = plugins(&["route_anyone"]).await;
    let kinds = [
        ("no virtual queue", None),
        ("report-targets off", Some(ReportTargets::Off)),
        ("report-targets selected", Some(ReportTargets::Selected)),
        ("report-targets all", Some(ReportTargets::All)),
        ("no virtual queue, again", None),
    ];
    for (name, report_targets) in kinds {
        let timers = Timers { delivering_timeout: Duration::from_secs(60), ..Timers::default() };
        let site = Site::open_with("email", &["route_anyone"], true, timers);
        let mut settings = settings(&[&site], &["route_anyone"]);
        if let Some(report_targets) = report_targets {
            settings.options.report_targets = report_targets;
            settings.strategies[0].parameters.insert("virtual-queue".into(), BILLING.into());
        }
        let (media, _events) = site.client(ClientType::MediaServer).await;
        for number in 0..INTERACTIONS {
            let submit = RequestSubmit {
                media_type: "email".into(),
                queue: "inbound.route_anyone".into(),
                user_data: Some(KeyValueList::default().with("Subject", number.to_string())),
                ..Default::default()
            };
            media.request(submit).await.expect("submitted");
        }
        let capacity = u32::try_from(INTERACTIONS).expect("a capacity");
        let mut anna = Agent::log_in(&site, "anna", capacity).await;
        let home = Home::new();
        let began = std::time::Instant::now();
        let (node, _journal) = home.start(settings, &engine, &plugins).await;
        let mut accepting = Vec::with_capacity(INTERACTIONS);
        for _ in 0..INTERACTIONS {
            let (ticket_id, interaction_id) = anna.invited().await;
            accepting.push(anna.client.send(RequestAccept { ticket_id, interaction_id }, "").await.expect("sent"));
        }
        for accepted in accepting {
            accepted.await.expect("accepted");
        }
        until("all have ended", async || node.status().sessions.is_empty().then_some(())).await;
        let took = began.elapsed().as_secs_f64();
        let (each, requests) = (took * 1e6 / INTERACTIONS as f64, node.status().counters.requests);
        println!("{name}: {each:.0} µs an interaction, {requests} requests of the node");
    }
}
