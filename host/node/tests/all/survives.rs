//! The node dies, or its connection, at moments that matter; afterwards each effect is there once.

use std::time::Duration;

use jackfield_journal::{Entry, Journal, JournalSettings, MessageRow, SqliteJournal, Urgency};
use jackfield_node::{Node, SessionStatus};
use jackfield_plugins::Plugins;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{ClientType, KeyValueList, PullByIds, RequestPull, request_pull::What};
use jackfield_server::Timers;
use jackfield_strategy::{Engine, Input, Request, Turn};

use crate::media_server::MediaServer;
use crate::support::{Agent, Home, Site, all_texts, crash, plugins, session, settings, tell, until, watching};

/// A site with a node that runs `obeys`, which can be started again.
struct Scene {
    site: Site,
    home: Home,
    engine: Engine,
    plugins: std::sync::Arc<Plugins>,
}

impl Scene {
    async fn open() -> Scene {
        let timers = Timers { delivering_timeout: Duration::from_secs(20), ..Timers::default() };
        Scene::open_with(timers).await
    }

    async fn open_with(timers: Timers) -> Scene {
        let site = Site::open_with("email", &["obeys"], true, timers);
        let (engine, plugins) = plugins(&["obeys"]).await;
        Scene { site, home: Home::new(), engine, plugins }
    }

    async fn start(&self) -> (Node, Journal) {
        self.home.start(settings(&[&self.site], &["obeys"]), &self.engine, &self.plugins).await
    }
}

/// Waits until the session waits for this.
async fn waits_for(node: &Node, session: &SessionStatus, what: &str) {
    until(&format!("it waits for {what}"), async || {
        let sessions = node.status().sessions;
        sessions.iter().any(|one| one.id == session.id && one.waits_for == what).then_some(())
    })
    .await;
}

/// Waits until all that was sent to the session was taken and recorded.
async fn turns(node: &Node, session: &SessionStatus, count: u64) {
    until(&format!("{count} turns"), async || {
        node.status().sessions.iter().any(|one| one.id == session.id && one.turns >= count).then_some(())
    })
    .await;
}

async fn finish(node: &Node, session: &SessionStatus) {
    tell(node, session, "finish", "").await;
    until("it has ended", async || node.status().sessions.iter().all(|one| one.id != session.id).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_recorded_was_not_done_and_the_session_goes_on_from_before() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    turns(&node, &first, 2).await;
    journal.close().await;
    let refused = node.send_event(&first.id, None, "place", "\"done\"").await;
    assert!(refused.is_err(), "nobody says yes to what is not recorded");
    drop(node);
    let (node, _journal) = scene.start().await;
    assert_eq!(node.status().journal.map(|journal| journal.recovered), Some(1));
    let same = session(&node, &interaction).await;
    assert_eq!((same.id.as_str(), same.started_at), (first.id.as_str(), first.started_at));
    assert_eq!(scene.site.queue("done").await.waiting, 0);
    tell(&node, &same, "place", "done").await;
    scene.site.waiting("done", 1).await;
    finish(&node, &same).await;
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.finished, counters.failed), (0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_and_not_sent_is_sent_after_the_start() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    scene.site.stop().await;
    until("the link is down", async || (!node.status().links[0].up).then_some(())).await;
    tell(&node, &first, "place", "done").await;
    waits_for(&node, &first, "answer to place-in-queue").await;
    crash(node, journal).await;
    scene.site.start();
    let (node, _journal) = scene.start().await;
    scene.site.waiting("done", 1).await;
    finish(&node, &first).await;
    assert_eq!((node.status().counters.finished, node.status().counters.failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_and_not_answered_is_done_once() {
    for (how, request) in [("place", "place-in-queue"), ("stop", "stop-processing")] {
        let scene = Scene::open().await;
        let (node, journal) = scene.start().await;
        let interaction = scene.site.submit("obeys").await;
        let first = session(&node, &interaction).await;
        turns(&node, &first, 2).await;
        scene.site.deafen();
        tell(&node, &first, how, "done").await;
        until("it was done", async || {
            let queue = scene.site.queue("inbound.obeys").await;
            (queue.routing == 0 && queue.waiting == 0).then_some(())
        })
        .await;
        waits_for(&node, &first, &format!("answer to {request}")).await;
        crash(node, journal).await;
        let (node, _journal) = scene.start().await;
        waits_for(&node, &first, "event").await;
        assert_eq!(node.status().links[0].interactions, 0);
        finish(&node, &first).await;
        let counters = node.status().counters;
        assert_eq!((counters.finished, counters.failed, counters.given_back), (1, 0, 0));
        assert_eq!(scene.site.queue("done").await.waiting, u64::from(how == "place"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_answer_nothing_is_done_again() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    tell(&node, &first, "place", "done").await;
    scene.site.waiting("done", 1).await;
    waits_for(&node, &first, "event").await;
    crash(node, journal).await;
    // By now somebody else has it.
    assert_eq!(scene.site.look(&interaction).await.0, "done");
    let (node, _journal) = scene.start().await;
    finish(&node, &first).await;
    assert_eq!((node.status().counters.finished, node.status().counters.failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_changes_nothing_for_a_session_with_requests_under_way() {
    let scene = Scene::open().await;
    let mut media_server = MediaServer::open(&scene.site).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    turns(&node, &first, 1).await;
    tell(&node, &first, "create", "done").await;
    let key = media_server.asked().await.idempotency_key;
    scene.site.deafen();
    tell(&node, &first, "attach", "Billing").await;
    until("it is attached", async || {
        (all_texts(&scene.site.data(&interaction).await, "RVQID").len() == 1).then_some(())
    })
    .await;
    scene.site.cut();
    let mut media_server = MediaServer::open(&scene.site).await;
    let again = media_server.asked().await;
    assert_eq!(again.idempotency_key, key);
    let made = KeyValueList::default().with("InteractionId", "message-1");
    assert!(media_server.answer(&again, false, made).await);
    scene.site.seen(&interaction, "created message-1").await;
    scene.site.seen(&interaction, "done").await;
    let data = scene.site.data(&interaction).await;
    assert_eq!(all_texts(&data, "RVQID").len(), 1, "attached once");
    let seen = all_texts(&data, "Seen");
    assert!(seen.iter().all(|line| !line.contains("NotControlled") && !line.starts_with("failed")), "{seen:?}");
    tell(&node, &first, "place", "done").await;
    scene.site.waiting("done", 1).await;
    finish(&node, &first).await;
    assert_eq!((node.status().counters.pulled, node.status().counters.failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_made_and_sent_once_however_often_the_node_dies() {
    let scene = Scene::open().await;
    let mut media_server = MediaServer::open(&scene.site).await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    tell(&node, &first, "create", "").await;
    let create = media_server.asked().await;
    crash(node, journal).await;

    let made = KeyValueList::default().with("InteractionId", "message-1");
    let (node, journal) = scene.start().await;
    let again = media_server.asked().await;
    assert_eq!((again.method.as_str(), &again.idempotency_key), ("Create", &create.idempotency_key));
    assert!(media_server.answer(&again, false, made.clone()).await);
    let send = media_server.asked().await;
    assert_eq!(send.method, "Send");
    crash(node, journal).await;

    let (node, _journal) = scene.start().await;
    let again = media_server.asked().await;
    assert_eq!((again.method.as_str(), &again.idempotency_key), ("Create", &create.idempotency_key));
    assert!(media_server.answer(&again, false, made).await);
    let again = media_server.asked().await;
    assert_eq!((again.method.as_str(), &again.idempotency_key), ("Send", &send.idempotency_key));
    assert!(media_server.answer(&again, false, KeyValueList::default()).await);
    scene.site.seen(&interaction, "created message-1").await;
    let seen = all_texts(&scene.site.data(&interaction).await, "Seen");
    assert_eq!(seen.iter().filter(|line| line.starts_with("created")).count(), 1, "{seen:?}");
    finish(&node, &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_invited_once_while_the_node_dies() {
    for (how, accepts_while_down) in
        [("deliver-agent", false), ("deliver-agent", true), ("route", false), ("route", true)]
    {
        let scene = Scene::open().await;
        let mut anna = Agent::log_in(&scene.site, "anna", 5).await;
        let (node, journal) = scene.start().await;
        let interaction = scene.site.submit("obeys").await;
        let first = session(&node, &interaction).await;
        tell(&node, &first, how, "anna").await;
        let invitation = anna.invited().await;
        crash(node, journal).await;
        if accepts_while_down {
            anna.take(invitation.clone()).await;
        }
        let (node, _journal) = scene.start().await;
        if !accepts_while_down {
            until("it is back", async || (node.status().pulls[0].asked > 0).then_some(())).await;
            anna.take(invitation).await;
        }
        waits_for(&node, &first, "event").await;
        assert!(anna.is_left_alone(), "{how}");
        finish(&node, &first).await;
        let counters = node.status().counters;
        assert_eq!((counters.delivered, counters.finished, counters.failed), (1, 1, 0), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_rejects_after_the_node_came_back_leaves_it_with_the_session() {
    let scene = Scene::open().await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    tell(&node, &first, "deliver-agent", "anna").await;
    let invitation = anna.invited().await;
    crash(node, journal).await;
    let (node, _journal) = scene.start().await;
    until("it is back", async || (node.status().pulls[0].asked > 0).then_some(())).await;
    anna.turn_down(invitation).await;
    scene.site.seen(&interaction, "failed 2008 rejected").await;
    tell(&node, &first, "place", "done").await;
    scene.site.waiting("done", 1).await;
    assert!(anna.is_left_alone());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_target_waits_on() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    tell(&node, &first, "route", "").await;
    waits_for(&node, &first, "target (everyone)").await;
    crash(node, journal).await;
    let (node, _journal) = scene.start().await;
    until("it waits", async || (node.status().links[0].waiting_for_target == 1).then_some(())).await;
    scene.site.cut();
    until("it waits again", async || {
        let link = &node.status().links[0];
        (link.connections == 2 && link.waiting_for_target == 1).then_some(())
    })
    .await;
    let mut anna = Agent::log_in(&scene.site, "anna", 1).await;
    assert_eq!(anna.accept().await, interaction);
    waits_for(&node, &first, "event").await;
    finish(&node, &first).await;
    assert_eq!((node.status().counters.delivered, node.status().counters.failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_has_by_now_is_lost_to_the_session() {
    let timers = Timers { reclaim_window: Duration::from_millis(50), ..Timers::default() };
    let scene = Scene::open_with(timers).await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    turns(&node, &first, 1).await;
    crash(node, journal).await;
    let (other, _events) = scene.site.client(ClientType::RoutingEngine).await;
    until("another has it", async || {
        let pull = RequestPull {
            what: Some(What::ByIds(PullByIds { interaction_ids: vec![interaction.clone()] })),
            count: 1,
            ..Default::default()
        };
        match other.request(Ask::Pull(pull)).await {
            Ok(Event::PulledInteractions(pulled)) => (!pulled.interactions.is_empty()).then_some(()),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let (node, journal) = scene.start().await;
    until("it is lost", async || (node.status().links[0].up && node.status().links[0].interactions == 0).then_some(()))
        .await;
    turns(&node, &first, 2).await;
    finish(&node, &first).await;
    assert_eq!((node.status().counters.finished, node.status().counters.failed), (1, 0));
    node.shutdown(Duration::ZERO).await;
    drop(journal);
    let stored = scene.home.journal().history(&first.id).await.expect("reads").expect("it is there");
    let inputs: Vec<Input> = stored.records.iter().map(|(_, turn)| Turn::decode(turn).expect("a turn").input).collect();
    assert!(inputs.iter().any(|input| format!("{input:?}").contains("InteractionNotControlled")), "{inputs:?}");
    assert_eq!(stored.end.map(|end| end.failed), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_from_outside_is_taken_once_and_survives() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    for _ in 0..2 {
        node.send_event(&first.id, Some("one"), "count", "Subject").await.expect("recorded");
    }
    scene.site.seen(&interaction, "count 1").await;
    crash(node, journal).await;
    let (node, _journal) = scene.start().await;
    node.send_event(&first.id, Some("one"), "count", "Subject").await.expect("recorded before");
    node.send_event(&first.id, Some("two"), "count", "RVQID").await.expect("recorded");
    scene.site.seen(&interaction, "count 0").await;
    let seen = all_texts(&scene.site.data(&interaction).await, "Seen");
    assert_eq!(seen.iter().filter(|line| *line == "count 1").count(), 1, "{seen:?}");
    tell(&node, &first, "place", "done").await;
    scene.site.waiting("done", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_diverges_gives_its_interaction_back_and_says_why() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    tell(&node, &first, "attach", "Billing").await;
    scene.site.seen(&interaction, "done").await;
    node.suspend(Duration::from_secs(5)).await;
    drop(journal);

    // Another past: it was told of another virtual queue.
    let (_folder, journal) = with_another_past(&scene.home, |turn, _| {
        if let Input::Event(jackfield_strategy::SessionEvent::Message { name, data, .. }) = &mut turn.input
            && name == "attach"
        {
            *data = "Sales".into();
        }
    })
    .await;
    let settings = settings(&[&scene.site], &["obeys"]);
    let node = Node::start(settings, scene.engine.clone(), scene.plugins.clone(), Some(journal)).await.expect("a node");
    tell(&node, &first, "place", "done").await;
    let second = until("another session", async || {
        node.status().sessions.into_iter().find(|other| other.interaction == interaction && other.id != first.id)
    })
    .await;
    let data = scene.site.data(&interaction).await;
    assert_eq!(data.integer("JackfieldFailures"), Some(1));
    let reason = data.text("JackfieldFailureReason").unwrap_or_default();
    assert!(reason.contains("diverged") && reason.contains("Sales"), "{reason}");
    tell(&node, &second, "place", "done").await;
    scene.site.waiting("done", 1).await;
    assert_eq!(node.status().counters.failed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_node_goes_on_where_it_was() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let (one, other) = (scene.site.submit("obeys").await, scene.site.submit("obeys").await);
    let (first, second) = (watching(&node, &one).await, session(&node, &other).await);
    turns(&node, &first, 2).await;
    turns(&node, &second, 1).await;
    let report = node.suspend(Duration::from_secs(5)).await;
    drop(journal);
    assert_eq!((report.suspended, report.finished, report.killed, report.given_back), (2, 0, 0, 0));
    assert_eq!(scene.site.queue("inbound.obeys").await.waiting, 2, "kept for the node");
    let (node, _journal) = scene.start().await;
    for session in [&first, &second] {
        tell(&node, session, "place", "done").await;
    }
    scene.site.waiting("done", 2).await;
    for session in [&first, &second] {
        finish(&node, session).await;
    }
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.finished, counters.failed), (0, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_strategy_is_not_configured_any_more_ends_and_says_so() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    turns(&node, &first, 1).await;
    crash(node, journal).await;
    let (node, journal) = scene.home.start(settings(&[&scene.site], &[]), &scene.engine, &scene.plugins).await;
    assert_eq!(node.status().sessions.len(), 0);
    until("the link is up", async || (node.status().links[0].up).then_some(())).await;
    let stored = journal.history(&first.id).await.expect("reads").expect("it is there");
    let outcome = stored.end.map(|end| end.outcome).unwrap_or_default();
    assert!(outcome.contains("strategy `obeys` is not configured any more"), "{outcome}");
    drop(journal);
    node.suspend(Duration::ZERO).await;
    let (node, _journal) = scene.start().await;
    let second = session(&node, &interaction).await;
    assert_ne!(first.id, second.id, "it was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_that_became_due_while_the_node_was_down_fire_in_order() {
    let site = Site::open("email", &["sleeps"], true);
    let (engine, plugins) = plugins(&["sleeps"]).await;
    let home = Home::new();
    let (node, journal) = home.start(settings(&[&site], &["sleeps"]), &engine, &plugins).await;
    let interaction = site.submit("sleeps").await;
    let first = session(&node, &interaction).await;
    // Started in another order than they are due.
    for after in ["4000", "1500", "2700"] {
        tell(&node, &first, "timer", after).await;
    }
    until("three are started", async || {
        let stored = journal.history(&first.id).await.expect("reads")?;
        let turns = stored.records.iter().map(|(_, turn)| Turn::decode(turn).expect("a turn"));
        (turns.map(|turn| turn.timers.len()).sum::<usize>() == 3).then_some(())
    })
    .await;
    let due_at = session(&node, &interaction).await.due_at.expect("it is due");
    crash(node, journal).await;
    let last = due_at + 2_600;
    until("all are due", async || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        (now.as_millis() > u128::from(last)).then_some(())
    })
    .await;
    let (node, journal) = home.start(settings(&[&site], &["sleeps"]), &engine, &plugins).await;
    let fired = until("three have fired", async || {
        let stored = journal.history(&first.id).await.expect("reads").expect("it is there");
        let turns = stored.records.iter().map(|(_, turn)| Turn::decode(turn).expect("a turn").input);
        let fired: Vec<u64> =
            turns.filter_map(|input| if let Input::Timer(timer) = input { Some(timer) } else { None }).collect();
        (fired.len() == 3).then_some(fired)
    })
    .await;
    assert_eq!(fired, [2, 3, 1]);
    finish(&node, &first).await;
}

/// A journal with the sessions of the one at home, whose turns, and messages they send, are changed.
async fn with_another_past(
    home: &Home,
    change: impl Fn(&mut Turn, &mut Vec<MessageRow>),
) -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteJournal::new(folder.path().join("journal.db"));
    let copy = Journal::open(Box::new(store), JournalSettings::new("node_1")).expect("a journal");
    let journal = home.journal();
    let unfinished = journal.unfinished().await.expect("reads");
    for stored in journal.histories(unfinished).await.expect("reads") {
        let row = stored.row;
        let bytes = journal.component(&row.digest).await.expect("reads").expect("the plugin is kept");
        let (digest, name, version) = (row.digest.clone(), row.plugin.clone(), row.version.clone());
        let mut entries = vec![Entry::Component { digest, name, version, bytes }, Entry::Begin(row.clone())];
        for (number, record) in stored.records {
            let mut turn = Turn::decode(&record).expect("a turn");
            turn.session = row.id.clone();
            let mut sends = Vec::new();
            change(&mut turn, &mut sends);
            let (session, record) = (row.id.clone(), turn.encode());
            entries.push(Entry::Turn { session, number, record, due_at: None, checkpoint: None, taken: None, sends });
        }
        copy.append(entries, Urgency::Now).await.await.expect("recorded");
    }
    journal.close().await;
    (folder, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_another_session_that_was_recorded_and_not_told_is_told_once() {
    let scene = Scene::open().await;
    let (node, journal) = scene.start().await;
    // The receiver is the older one, so that it is in the journal when the message is.
    let to = session(&node, &scene.site.submit("obeys").await).await;
    turns(&node, &to, 1).await;
    let from = watching(&node, &scene.site.submit("obeys").await).await;
    turns(&node, &from, 2).await;
    node.suspend(Duration::from_secs(5)).await;
    drop(journal);

    // The sender has asked for it at the end of its last turn.
    let key = format!("{}:1", from.id);
    let (_folder, journal) = with_another_past(&scene.home, |turn, sends| {
        if *turn.session == *from.id && turn.number == 2 {
            let (name, data) = ("place".to_owned(), "done".to_owned());
            let request = Request::SendEvent { session: to.id.clone(), name: name.clone(), data: data.clone() };
            turn.requests.push((1, request));
            sends.push(MessageRow { session: to.id.clone(), key: key.clone(), name, data });
        }
    })
    .await;
    let start = async |journal: Journal| {
        let settings = settings(&[&scene.site], &["obeys"]);
        Node::start(settings, scene.engine.clone(), scene.plugins.clone(), Some(journal)).await.expect("a node")
    };
    let node = start(journal.clone()).await;
    scene.site.waiting("done", 1).await;
    waits_for(&node, &to, "event").await;
    let stored = journal.history(&to.id).await.expect("reads").expect("it is there");
    assert_eq!(stored.messages, []);
    let inputs = stored.records.iter().map(|(_, turn)| Turn::decode(turn).expect("a turn").input);
    let told = inputs.filter(|input| format!("{input:?}").contains(&key)).count();
    assert_eq!(told, 1);
    // The sender is told too; it never asked for that, as far as it can tell.
    until("the sender has diverged", async || (node.status().counters.failed == 1).then_some(())).await;
}
