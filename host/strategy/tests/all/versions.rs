//! The published versions of the contract: their texts never change, and a strategy that was built for any of
//! them runs as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jackfield_strategy::contract::{
    Destination, Failure, HttpHeader, HttpResponse, InteractionState, Outcome, Routed, Waiting, Workbin, WorkbinOwner,
    versions,
};
use jackfield_strategy::{EndReason, Look, Plugin, Request, SessionEvent};
use sha2::{Digest, Sha256};

use crate::support::{Recorder, Run, engine, interaction, resume, start};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// Every file of the published versions, by its path in `wit/`.
fn frozen() -> BTreeMap<String, String> {
    let list = std::fs::read_to_string(wit().join("FROZEN")).expect("the list of what is published");
    let entry = |line: &str| {
        let (hash, file) = line.split_once("  ").expect("a hash and a file");
        (file.to_owned(), hash.to_owned())
    };
    list.lines().map(entry).collect()
}

#[test]
fn what_is_published_is_as_it_was() {
    for (file, hash) in frozen() {
        let text = std::fs::read(wit().join(&file)).unwrap_or_else(|error| {
            panic!("wit/{file} is published, and strategies were built against it; put it back ({error})")
        });
        let is: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            is, hash,
            "wit/{file} is published, and strategies were built against it: undo the change, and publish a new version \
             in a folder of its own (wit/README.md)"
        );
    }
}

#[test]
fn every_folder_is_published_and_served_but_for_the_one_being_drafted() {
    let folders = std::fs::read_dir(wit()).expect("wit/").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        name.strip_prefix("since-").map(str::to_owned)
    });
    let frozen = frozen();
    let is_published = |version: &str| frozen.keys().any(|file| file.starts_with(&format!("since-{version}/")));
    let served: Vec<&str> = versions().collect();
    for version in folders {
        assert!(served.contains(&version.as_str()), "wit/since-{version} is not served");
        let is_newest = served.last() == Some(&version.as_str());
        assert!(is_published(&version) || is_newest, "wit/since-{version} is not in wit/FROZEN, and not the newest");
        for entry in std::fs::read_dir(wit().join(format!("since-{version}"))).expect("a folder") {
            let file = entry.expect("an entry").file_name().into_string().expect("a name");
            let file = format!("since-{version}/{file}");
            assert!(!is_published(&version) || frozen.contains_key(&file), "wit/{file} is not in wit/FROZEN");
        }
    }
    for version in served {
        assert!(wit().join(format!("since-{version}/strategy.wit")).is_file(), "{version} is served and has no text");
    }
}

/// The component that was built for this version when it was published.
async fn fixture(version: &str) -> Plugin {
    let file = format!("tests/fixtures/since-{version}.wasm");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    engine().load(&path).await.expect("the fixture is a plugin")
}

/// Has it do this, and waits until it waits again.
async fn tell(run: &Run, name: &str, data: &str) {
    deliver(run, SessionEvent::Message { key: String::new(), name: name.into(), data: data.into() }).await;
}

async fn deliver(run: &Run, event: SessionEvent) {
    let before = run.recorder.turns().len();
    run.session.deliver(event).expect("a session that takes events");
    run.recorder.wait_for("its turn", |turns| (turns.len() > before).then_some(())).await;
}

/// Waits for the next `event` it tells.
async fn event(run: &Run, count: usize) -> String {
    run.heard("event", count).await
}

/// What the last request was, for people.
fn asked(run: &Run) -> Vec<String> {
    let turns = run.recorder.turns();
    let requests = turns.iter().flat_map(|turn| &turn.requests).map(|(_, request)| request);
    requests.filter(|request| !matches!(request, Request::SendEvent { .. })).map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_every_version_does_all_it_can() {
    for version in versions() {
        let plugin = fixture(version).await;
        assert_eq!((plugin.name(), plugin.version()), (format!("since-{version}").as_str(), "1.2.3"));
        assert_eq!(plugin.states(), ["everything-1"]);
        let run = start(engine(), plugin, "fixture");
        assert_eq!(event(&run, 0).await, "present i1", "{version}");
        tell(&run, "everything", "").await;
        assert_eq!(
            asked(&run),
            [
                "update-user-data i1: Text=a, Number=-1, Bytes=<2 bytes>, List=[[\"a\", 1]]",
                "delete-user-data i1: Subject",
                "create-message MessageType::AutoResponse over outbox about i1: To=kim@example.com",
                "send-message m1",
                "call-service crm Customers.Find: ",
                "route i1 to Billing >= 5 or Billing",
                "cancel-route of request 8",
                "deliver i1 to workbin drafts of A",
                "attach-virtual-queue i1: VQ",
                "place-in-queue i1: done",
                "stop-processing i1: done",
            ],
            "{version}"
        );
        let told: Vec<String> =
            run.recorder.told().into_iter().map(|(name, data)| format!("{name}: {data}")).skip(1).collect();
        let facts = r#"facts: true {"a":"b"} value"#;
        assert_eq!(told, ["held: i1 new", "timer: 1 true", facts, "session: fixture 1"], "{version}");
        tell(&run, "finish", "").await;
        assert_eq!(run.ended().await.reason, EndReason::Finished);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_is_told_a_component_of_every_version() {
    for version in versions() {
        let run = start(engine(), fixture(version).await, "fixture");
        event(&run, 0).await;
        tell(&run, "everything", "").await;
        let first = run.recorder.asked("a request", |request| matches!(request, Request::UpdateUserData { .. })).await;
        let workbin = Workbin { name: "drafts".into(), owner_type: WorkbinOwner::Place, owner: "P".into() };
        let routed = |destination, virtual_queue: Option<&str>| {
            Outcome::Routed(Routed {
                target: "A".into(),
                destination,
                virtual_queue: virtual_queue.map(str::to_owned),
                virtual_queue_id: Some("0".repeat(32)),
                agent: Some("anna".into()),
                place: None,
            })
        };
        let done = |request, outcome| SessionEvent::RequestDone { request, outcome };
        let failure = Failure { code: 2001, name: "timeout".into(), description: "nobody".into() };
        let changed = jackfield_strategy::contract::Interaction {
            state: InteractionState::Handling,
            is_online: true,
            ..interaction("i1")
        };
        let (lost, deleted) = ("i1".to_owned(), "i2".to_owned());
        for (number, (happens, is_told)) in (1..).zip([
            (done(first, Outcome::Done), format!("done {first} done")),
            (done(first + 1, Outcome::MessageCreated("m".into())), format!("done {} created m", first + 1)),
            (
                done(first + 2, routed(Destination::Workbin(workbin), Some("VQ"))),
                format!("done {} routed A workbin drafts of P VQ", first + 2),
            ),
            (
                done(first + 3, routed(Destination::Agent("anna".into()), None)),
                format!("done {} routed A agent anna ", first + 3),
            ),
            (
                done(first + 4, Outcome::ServiceResponse(changed.user_data.clone())),
                format!("done {} answered 3", first + 4),
            ),
            (
                SessionEvent::RequestFailed { request: first + 5, failure },
                format!("failed {} 2001 timeout nobody", first + 5),
            ),
            (SessionEvent::UserDataChanged(Box::new(changed)), "changed i1".to_owned()),
            (SessionEvent::InteractionPresent(Box::new(interaction("i2"))), "present i2".to_owned()),
            (
                SessionEvent::InteractionNotControlled { interaction: lost, reason: "taken".into() },
                "lost i1 taken".to_owned(),
            ),
            (
                SessionEvent::InteractionDeleted { interaction: deleted, reason: "gone".into() },
                "deleted i2 gone".to_owned(),
            ),
            (SessionEvent::StopRequested("shutdown".into()), "stop shutdown".to_owned()),
        ]) {
            deliver(&run, happens).await;
            assert_eq!(event(&run, number).await, is_told, "{version}");
        }
        tell(&run, "wait", "").await;
        run.heard("timeout", 0).await;
        run.tell("fail", "enough");
        assert_eq!(run.ended().await.reason, EndReason::Failed("enough".into()), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_every_version_is_rebuilt_and_happens_again() {
    for version in versions() {
        let plugin = fixture(version).await;
        let run = start(engine(), plugin.clone(), "fixture");
        event(&run, 0).await;
        tell(&run, "everything", "").await;
        let history = run.recorder.read();
        run.session.kill("the process is gone");
        let look = Look { session: "fixture".into(), plugin: plugin.clone(), history: history.clone(), failed: None };
        let looked = engine().look(look).await;
        assert_eq!((looked.difference, looked.failure, looked.steps.len()), (None, None, 3), "{version}");

        let run = resume(engine(), plugin.clone(), "fixture", Recorder::holding(history));
        deliver(&run, SessionEvent::RequestDone { request: 2, outcome: Outcome::Done }).await;
        event(&run, 1).await;
        tell(&run, "checkpoint", "here").await;
        let history = run.recorder.read();
        run.session.kill("the process is gone");
        assert!(history.checkpoint.is_some() && history.turns.is_empty(), "{version}");

        let run = resume(engine(), plugin, "fixture", Recorder::holding(history));
        tell(&run, "finish", "").await;
        assert_eq!(run.ended().await.reason, EndReason::Finished, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_request_is_recorded_and_its_answer_needs_no_server_again() {
    let plugin = fixture("0.2.0").await;
    let run = start(engine(), plugin.clone(), "fixture");
    event(&run, 0).await;
    tell(&run, "fetch", "https://crm.example.com/customers?id=7").await;
    assert_eq!(asked(&run), ["fetch GET https://crm.example.com/customers"]);
    let asked = run.recorder.asked("a fetch", |request| matches!(request, Request::Fetch(_))).await;
    let headers = vec![HttpHeader { name: "etag".into(), value: "1".into() }];
    let outcome = Outcome::HttpResponse(HttpResponse { status: 404, headers, body: vec![b'n', b'o', 0xff] });
    deliver(&run, SessionEvent::RequestDone { request: asked, outcome }).await;
    assert_eq!(event(&run, 1).await, format!("done {asked} http 404 etag=1 no\u{fffd}"));
    let history = run.recorder.read();
    let look = Look { session: "fixture".into(), plugin, history, failed: None };
    let looked = engine().look(look).await;
    assert_eq!((looked.difference, looked.failure), (None, None));
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_requests_have_bounds() {
    let run = start(engine(), fixture("0.2.0").await, "fixture");
    event(&run, 0).await;
    for _ in 0..17 {
        tell(&run, "fetch", "http://example.com").await;
    }
    let refused = event(&run, 1).await;
    assert!(refused.contains("1017 __we_error_too_many_requests 16 HTTP requests of this session"), "{refused}");
    run.session.kill("the test is over");
    let run = start(engine(), fixture("0.2.0").await, "fixture");
    event(&run, 0).await;
    tell(&run, "fetch", &"x".repeat(9_000)).await;
    let refused = event(&run, 1).await;
    assert!(refused.contains("1000 __we_error_bad_request bytes of the URL: 9000; at most 8192"), "{refused}");
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_up_since_0_3_0_is_recorded_and_answered_from_the_record() {
    let plugin = fixture("0.3.0").await;
    let run = start(engine(), plugin.clone(), "fixture");
    event(&run, 0).await;
    tell(&run, "look up", "Billing@.GA").await;
    assert_eq!(
        run.heard("looked up", 0).await,
        "Some(3) Some(CalendarTime { year: 2026, month: 11, day: 28, weekday: 6, hour: 1, minute: 2, second: 3, offset: \
         3600 }) Some(true) Some(false)"
    );
    tell(&run, "targets", "nonsense").await;
    let told = run.heard("targets", 0).await;
    assert_eq!(told, "Err(TextError { message: \"`nonsense` is none\", start: 0, end: 1 })");
    // Somebody who looks has no facts but those recorded.
    let look = Look { session: "fixture".into(), plugin, history: run.recorder.read(), failed: None };
    let looked = engine().look(look).await;
    assert_eq!((looked.difference, looked.failure), (None, None));
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_since_0_3_0_says_how_to_choose_and_what_is_next() {
    let run = start(engine(), fixture("0.3.0").await, "fixture");
    event(&run, 0).await;
    tell(&run, "relax", "").await;
    let turns = run.recorder.turns();
    let route = turns.iter().flat_map(|turn| &turn.requests).find_map(|(_, request)| match request {
        Request::Route(route) => Some(route.clone()),
        _ => None,
    });
    let route = route.expect("a submit");
    let statistic = route.choice.as_ref().and_then(|choice| choice.statistic.as_deref());
    assert_eq!(statistic, Some("StatTimeInReadyState"));
    assert_eq!(route.relaxation.map(|steps| steps.iter().map(|step| step.after).collect()), Some(vec![30_000]));
    assert_eq!(route.clear_on_timeout, Some(false));
    let target = route.targets.first().expect("a target");
    assert_eq!((target.group.as_deref(), target.workbin.as_deref()), (Some("Night"), Some("drafts")));
    tell(&run, "query", "7").await;
    assert_eq!(asked(&run).last().map(String::as_str), Some("query-route of request 7"));
    let queried = run.recorder.asked("a query", |request| matches!(request, Request::QueryRoute(7))).await;
    let waiting = Outcome::Waiting(Waiting { priority: 5, position: 2, expected: Some(60_000) });
    deliver(&run, SessionEvent::RequestDone { request: queried, outcome: waiting }).await;
    assert_eq!(event(&run, 1).await, format!("done {queried} waiting 5 2 Some(60000)"));
    run.session.kill("the test is over");
}
