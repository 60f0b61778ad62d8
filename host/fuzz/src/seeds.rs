//! Inputs to begin with: small files of `corpus`, what other tests keep anyway, and frames, which are written here
//! because nobody could read them as files.

use std::io;
use std::path::{Path, PathBuf};

use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{Answer3rdServer, Event};
use jackfield_protocol::v1::{
    ClientFrame, EventAck, EventError, KeyValueList, MediaCapacity, PullByIds, Request, Request3rdServer,
    RequestAccept, RequestAgentLogin, RequestCancelPull, RequestChangeProperties, RequestDeliver,
    RequestDistributeEvent, RequestFindInteractions, RequestGetInteractionProperties, RequestGetWorkbinContent,
    RequestPlaceInQueue, RequestPlaceInWorkbin, RequestPull, RequestReadyForMedia, RequestReclaim, RequestReject,
    RequestServerStatus, RequestStopProcessing, RequestSubmit, RequestUnregisterClient, ServerFrame, Workbin, event,
    request_deliver, request_pull,
};
use prost::Message;

use crate::Target;

/// A name and what it holds.
pub type Seed = (String, Vec<u8>);

/// Of one target.
///
/// # Errors
/// A file cannot be read.
pub fn seeds(target: &Target) -> io::Result<Vec<Seed>> {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Vec::new();
    let own = host.join("fuzz/corpus").join(target.name);
    if own.is_dir() {
        for entry in std::fs::read_dir(own)? {
            seeds.push(read(entry?.path())?);
        }
    }
    match target.name {
        "component" => {
            for entry in std::fs::read_dir(host.join("strategy/tests/fixtures"))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "wasm") {
                    seeds.push(read(path)?);
                }
            }
        }
        "configuration" => seeds.push(read(host.join("../examples/site/jackfield.toml"))?),
        "document" => {
            seeds.push(read(host.join("../examples/miniature/miniature.scxml"))?);
            seeds.push(("composer.txt".to_owned(), application(&host.join("../examples/composer"))?));
        }
        "frame" => seeds.extend(frames()),
        _ => {}
    }
    // Folders are listed in no order.
    seeds.sort();
    Ok(seeds)
}

fn read(path: PathBuf) -> io::Result<Seed> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, std::fs::read(path)?))
}

/// The files of an application in one text, as the target takes them.
fn application(folder: &Path) -> io::Result<Vec<u8>> {
    let mut text = std::fs::read(folder.join("src-gen/IPD_default_Mail.scxml"))?;
    for (name, path) in [
        // From the place that the first file has here.
        ("Mail.scxml", "src-gen/Mail.scxml"),
        ("src/subRoutines/OfferTo.scxml", "src/subRoutines/OfferTo.scxml"),
        ("include/common.js", "include/common.js"),
        ("include/mail.js", "include/mail.js"),
    ] {
        text.extend_from_slice(format!("\n=== {name}\n").as_bytes());
        text.extend(std::fs::read(folder.join(path))?);
    }
    Ok(String::from_utf8_lossy(&text).replace("../", "").into_bytes())
}

const MEDIA_SERVER: u64 = 1;
const ROUTER: u64 = 2;
const AGENT: u64 = 3;
/// What the numbers of clients are apart from each other in reference ids (`frame`).
const APART: u64 = 5;

/// Interaction `i1` goes its ways.
fn frames() -> Vec<Seed> {
    let id = || "i1".to_owned();
    let workbin = || Workbin { r#type: "drafts".into(), owner_type: 0, owner: "kim".into() };
    let submit = (
        MEDIA_SERVER,
        Ask::Submit(RequestSubmit {
            interaction_id: id(),
            media_type: "email".into(),
            queue: "inbound".into(),
            priority: 5,
            user_data: Some(data()),
            ..RequestSubmit::default()
        }),
    );
    let pull = |what| Ask::Pull(RequestPull { what: Some(what), count: 2, ..RequestPull::default() });
    let by_id = || pull(request_pull::What::ByIds(PullByIds { interaction_ids: vec![id()] }));
    let by_strategy = || (ROUTER, pull(request_pull::What::Strategy("Triage".into())));
    let log_in = [
        (
            AGENT,
            Ask::AgentLogin(RequestAgentLogin {
                agent: "kim".into(),
                place: "desk".into(),
                media: vec![MediaCapacity { media_type: "email".into(), capacity: 2 }],
            }),
        ),
        (AGENT, Ask::ReadyForMedia(RequestReadyForMedia { agent: "kim".into(), media_types: vec!["email".into()] })),
    ];
    let deliver = || {
        let target = Some(request_deliver::Target::Agent("kim".into()));
        (ROUTER, Ask::Deliver(RequestDeliver { interaction_id: id(), target, ..RequestDeliver::default() }))
    };
    let [login, ready] = log_in;
    let routed = vec![
        login,
        ready,
        submit.clone(),
        by_strategy(),
        deliver(),
        (AGENT, Ask::Reject(RequestReject { ticket_id: 1, interaction_id: id(), reason: "busy".into() })),
        (ROUTER, by_id()),
        deliver(),
        (AGENT, Ask::Accept(RequestAccept { ticket_id: 2, interaction_id: id() })),
        (
            AGENT,
            Ask::PlaceInWorkbin(RequestPlaceInWorkbin {
                interaction_id: id(),
                workbin: Some(workbin()),
                ..RequestPlaceInWorkbin::default()
            }),
        ),
        (AGENT, Ask::GetWorkbinContent(RequestGetWorkbinContent { workbin: Some(workbin()) })),
        (AGENT, by_id()),
        (AGENT, Ask::StopProcessing(RequestStopProcessing { interaction_id: id(), reason: String::new() })),
    ];
    let moved = vec![
        by_strategy(),
        submit,
        (
            ROUTER,
            Ask::ChangeProperties(RequestChangeProperties {
                interaction_id: id(),
                changed: Some(data()),
                deleted: vec!["Subject".into()],
                priority: Some(-1),
                ..RequestChangeProperties::default()
            }),
        ),
        (ROUTER, Ask::GetInteractionProperties(RequestGetInteractionProperties { interaction_id: id() })),
        (
            ROUTER,
            Ask::PlaceInQueue(RequestPlaceInQueue {
                interaction_id: id(),
                queue: "other".into(),
                hold: true,
                ..RequestPlaceInQueue::default()
            }),
        ),
        (ROUTER, Ask::Reclaim(RequestReclaim { interaction_ids: vec![id(), "i2".into()], more: false })),
        (
            ROUTER,
            Ask::FindInteractions(RequestFindInteractions { queue: "other".into(), after: "i0".into(), count: 1 }),
        ),
        (ROUTER, pull(request_pull::What::View("all".into()))),
        (ROUTER, Ask::UnregisterClient(RequestUnregisterClient {})),
    ];
    let called = vec![
        (
            ROUTER,
            Ask::ThirdServer(Request3rdServer {
                app_type: "email".into(),
                service: "outbox".into(),
                method: "send".into(),
                parameters: Some(data()),
                ..Request3rdServer::default()
            }),
        ),
        (
            MEDIA_SERVER,
            Ask::ThirdServerAnswer(Answer3rdServer { server_reference_id: 1, ..Answer3rdServer::default() }),
        ),
        (
            ROUTER,
            Ask::DistributeEvent(RequestDistributeEvent {
                name: "seen".into(),
                data: Some(data()),
                ..RequestDistributeEvent::default()
            }),
        ),
        (ROUTER, Ask::CancelPull(RequestCancelPull { pull_reference_id: ROUTER })),
        (4, Ask::ServerStatus(RequestServerStatus::default())),
        (0, Ask::ServerStatus(RequestServerStatus::default())),
    ];
    let events = [
        event::Message::Ack(EventAck { interaction_id: id() }),
        event::Message::Error(EventError { code: 42, name: "unknown".into(), description: "no view".into() }),
    ];
    let events = events.map(|message| Event { reference_id: 1, message: Some(message) });
    vec![
        ("routed".into(), asked(routed)),
        ("moved".into(), asked(moved)),
        ("called".into(), asked(called)),
        ("events".into(), ServerFrame { events: events.into() }.encode_to_vec()),
        ("list".into(), data().encode_to_vec()),
        ("list.json".into(), data().to_json().to_string().into_bytes()),
    ]
}

fn data() -> KeyValueList {
    let nested = KeyValueList::default().with("a", vec![0_u8, 255]).with("a", "");
    KeyValueList::default().with("Subject", "hello").with("age", 7).with("list", nested)
}

fn asked(requests: Vec<(u64, Ask)>) -> Vec<u8> {
    let requests = (1..).zip(requests).map(|(number, (client, message))| Request {
        reference_id: number * APART + client,
        message: Some(message),
        ..Request::default()
    });
    ClientFrame { requests: requests.collect() }.encode_to_vec()
}
