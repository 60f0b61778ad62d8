//! Everybody else at the site: who submits, the agents, the media server. They use the same client as the
//! node, over the same network, and keep trying.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jackfield_link::{Client, LinkError};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    Answer3rdServer, ClientType, Event3rdServerRequest, EventAgentStates, EventReporting, KeyValueList, MediaCapacity,
    ReportingPosition, RequestAccept, RequestAgentLogin, RequestReadyForMedia, RequestRegisterClient, RequestReject,
    RequestStartReporting, RequestStopProcessing, RequestSubmit,
};
use tokio::sync::mpsc;

use crate::ledger::NUMBER;
use crate::network::Network;
use crate::weather::Weather;

/// Pause before somebody tries again, at most.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long somebody waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long an agent works at an interaction, at most.
const HANDLING: Duration = Duration::from_secs(5);
/// The only media type.
pub(crate) const EMAIL: &str = "email";

/// Somebody's place at the site.
#[derive(Clone)]
pub(crate) struct Seat {
    pub weather: Arc<Weather>,
    pub network: Network,
    pub who: String,
}

impl Seat {
    /// Connects, however long it takes.
    async fn connect(&self, client_type: ClientType) -> (Client, mpsc::Receiver<Event>) {
        loop {
            let register = RequestRegisterClient {
                client_name: self.who.clone(),
                client_type: client_type.into(),
                media_type: if client_type == ClientType::MediaServer { EMAIL.into() } else { String::new() },
                ..Default::default()
            };
            match Client::connect(&self.network.endpoint(&self.who), register).await {
                Ok(connected) => return connected,
                Err(_) => self.weather.sleep(AGAIN_AFTER).await,
            }
        }
    }
}

async fn ask(client: &Client, ask: Ask, key: &str) -> Result<Event, LinkError> {
    let asked = client.request_once(ask, key);
    tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or(Err(LinkError::TimedOut))
}

/// Submits interactions at moments of their own, each until it is acknowledged.
pub(crate) async fn submit(seat: Seat, number: i32, plans: [String; 2]) {
    let weather = &seat.weather;
    weather.sleep(weather.options.stormy).await;
    let [first, second] = plans;
    weather.note(format_args!("submission {number} is to do {first} then {second}"));
    let user_data =
        KeyValueList::default().with(NUMBER, number).with("first", first.as_str()).with("second", second.as_str());
    let submit = RequestSubmit {
        media_type: EMAIL.into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "first".into(),
        user_data: Some(user_data),
        ..Default::default()
    };
    loop {
        let (client, _events) = seat.connect(ClientType::MediaServer).await;
        match ask(&client, Ask::Submit(submit.clone()), &format!("submission-{number}")).await {
            Ok(Event::Ack(ack)) => return weather.ledger().acknowledged(number, ack.interaction_id),
            Ok(other) => weather.ledger().wrong(format!("a submission was answered with {other:?}")),
            Err(LinkError::Refused(error)) => weather.note(format_args!("submission {number} is refused: {error}")),
            Err(_) => {}
        }
        weather.sleep(AGAIN_AFTER).await;
    }
}

/// An agent who comes to work again whenever the connection is lost.
pub(crate) async fn agent(seat: Seat) {
    loop {
        let (client, events) = seat.connect(ClientType::AgentApplication).await;
        let media = vec![MediaCapacity { media_type: EMAIL.into(), capacity: 2 }];
        let login = RequestAgentLogin { agent: seat.who.clone(), place: format!("place-{}", seat.who), media };
        let ready = RequestReadyForMedia { agent: seat.who.clone(), media_types: vec![EMAIL.into()] };
        let logged_in = async {
            ask(&client, Ask::AgentLogin(login), "").await?;
            ask(&client, Ask::ReadyForMedia(ready), "").await
        };
        if logged_in.await.is_ok() {
            work(&seat, &client, events).await;
        }
        client.close();
        seat.weather.sleep(AGAIN_AFTER).await;
    }
}

/// Answers invitations until the connection is lost.
async fn work(seat: &Seat, client: &Client, mut events: mpsc::Receiver<Event>) {
    let mut hands = tokio::task::JoinSet::new();
    while let Some(event) = events.recv().await {
        let Event::Invite(invite) = event else { continue };
        let Some(interaction) = invite.interaction else { continue };
        let (seat, client) = (seat.clone(), client.clone());
        hands.spawn(async move { invited(&seat, &client, invite.ticket_id, interaction.interaction_id).await });
    }
}

async fn invited(seat: &Seat, client: &Client, ticket_id: u64, id: String) {
    let weather = &seat.weather;
    weather.sleep(Duration::from_secs(1)).await;
    // When it is calm everybody takes what they get.
    let mood = if weather.is_calm() { 9 } else { weather.pick(0..=9) };
    match mood {
        0 => return,
        1 | 2 => {
            let reject = RequestReject { ticket_id, interaction_id: id, reason: "not now".into() };
            // Whether it is late does not matter.
            let _ = ask(client, Ask::Reject(reject), "").await;
            return;
        }
        _ => {}
    }
    let accept = RequestAccept { ticket_id, interaction_id: id.clone() };
    match ask(client, Ask::Accept(accept), "").await {
        Ok(_) => {}
        Err(LinkError::Refused(_)) => return,
        // Nobody knows whose it is: it goes back with the connection.
        Err(_) => return client.close(),
    }
    weather.note(format_args!("{} has {id}", seat.who));
    weather.sleep(HANDLING).await;
    let stop = RequestStopProcessing { interaction_id: id.clone(), reason: "done".into() };
    let key = format!("{}-{ticket_id}-{id}", seat.who);
    while !client.is_closed() && ask(client, Ask::StopProcessing(stop.clone()), &key).await.is_err() {
        weather.sleep(AGAIN_AFTER).await;
    }
}

/// The messages a media server has made, by the keys it was asked with; all its connections share it.
pub(crate) type Made = Arc<Mutex<BTreeMap<String, String>>>;

/// One connection of a media server that remembers the keys it was asked with, and makes a message for each once.
/// It serves what it is asked side by side: answers overtake each other.
pub(crate) async fn media_server(seat: Seat, made: Made) {
    loop {
        let (client, mut events) = seat.connect(ClientType::MediaServer).await;
        let mut hands = tokio::task::JoinSet::new();
        while let Some(event) = events.recv().await {
            let Event::ThirdServerRequest(request) = event else { continue };
            let (seat, client, made) = (seat.clone(), client.clone(), made.clone());
            hands.spawn(async move {
                seat.weather.sleep(Duration::from_millis(400)).await;
                if answer(&seat, &client, &made, &request).await.is_none() {
                    client.close();
                }
            });
        }
        client.close();
        // What it has begun is done when somebody asks again.
        hands.shutdown().await;
    }
}

/// None: its connection is gone.
async fn answer(seat: &Seat, client: &Client, made: &Made, request: &Event3rdServerRequest) -> Option<()> {
    let parameters = serve(seat, client, made, request).await?;
    let server_reference_id = request.server_reference_id;
    let answer = Answer3rdServer { server_reference_id, parameters: Some(parameters), ..Default::default() };
    match ask(client, Ask::ThirdServerAnswer(answer), "").await {
        // Refused: whoever asked is gone.
        Ok(_) | Err(LinkError::Refused(_)) => Some(()),
        Err(_) => None,
    }
}

/// None: its connection is gone.
async fn serve(seat: &Seat, client: &Client, made: &Made, request: &Event3rdServerRequest) -> Option<KeyValueList> {
    let asked = request.parameters.clone().unwrap_or_default();
    let key = &request.idempotency_key;
    if request.method == "Send" {
        let id = asked.text("InteractionId").unwrap_or_default();
        seat.weather.note(format_args!("the media server sends {id} for {key}"));
        seat.weather.ledger().sent(id, key);
        return Some(KeyValueList::default());
    }
    let known = made.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
    if let Some(id) = known {
        return Some(KeyValueList::default().with("InteractionId", id));
    }
    let mut user_data = request.user_data.clone().unwrap_or_default();
    user_data.push("Subject", asked.text("Subject").unwrap_or_default());
    let submit = RequestSubmit {
        media_type: EMAIL.into(),
        interaction_type: "Outbound".into(),
        interaction_subtype: "Acknowledgement".into(),
        parent_id: asked.text("ParentInteractionId").unwrap_or_default().into(),
        queue: asked.text("Queue").unwrap_or_default().into(),
        user_data: Some(user_data),
        ..Default::default()
    };
    match ask(client, Ask::Submit(submit), &format!("made:{key}")).await {
        Ok(Event::Ack(ack)) => {
            made.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), ack.interaction_id.clone());
            Some(KeyValueList::default().with("InteractionId", ack.interaction_id))
        }
        Ok(_) => None,
        Err(LinkError::Refused(error)) => {
            seat.weather.ledger().wrong(format!("the media server may not submit: {error}"));
            None
        }
        Err(_) => None,
    }
}

/// Looks on, and sees that reporting keeps its order, and that over one life of a server nothing is missing that it
/// does not call missing: it goes on after the event it heard last.
pub(crate) async fn auditor(seat: Seat) {
    let mut last = ReportingPosition::default();
    let mut waits = Waits::default();
    loop {
        let (client, mut events) = seat.connect(ClientType::ReportingEngine).await;
        let resume_after = (!last.stream_id.is_empty()).then(|| last.clone());
        let start = RequestStartReporting {
            interactions: true,
            agents: true,
            resumable: true,
            resume_after,
            ..Default::default()
        };
        if let Ok(Event::AgentStates(EventAgentStates { position: Some(position), gap, .. })) =
            ask(&client, Ask::StartReporting(start), "").await
        {
            let is_the_same = position.stream_id == last.stream_id;
            let goes_on_after = gap.map_or(last.sequence, |gap| gap.to);
            if is_the_same && (position.sequence != goes_on_after || gap.is_some_and(|gap| gap.from <= last.sequence)) {
                let wrong = format!("reporting goes on after {position:?} with the gap {gap:?}; {last:?} was heard");
                seat.weather.ledger().wrong(wrong);
            }
            last = position;
            while let Some(event) = events.recv().await {
                let Event::Reporting(event) = event else { continue };
                if event.previous != last.sequence || event.sequence != last.sequence + 1 {
                    let (sequence, heard) = (event.sequence, last.sequence);
                    seat.weather.ledger().wrong(format!("reporting event {sequence} follows on {heard}"));
                }
                last.sequence = event.sequence;
                if let Some(wrong) = waits.heard(&event) {
                    seat.weather.ledger().wrong(wrong);
                }
            }
        }
        client.close();
        seat.weather.sleep(AGAIN_AFTER).await;
    }
}

/// Waits in virtual queues, each by its id: the events of one.
#[derive(Default)]
struct Waits(BTreeMap<String, Vec<String>>);

impl Waits {
    /// A wait begins once and ends once, whatever fails; its beginning may have been lost with a server. What is wrong.
    fn heard(&mut self, event: &EventReporting) -> Option<String> {
        let id = event.extensions.as_ref()?.text("VQID")?.to_owned();
        let name = &event.custom_name;
        let before = self.0.entry(id.clone()).or_default();
        let is_wrong = match name.as_str() {
            "EventQueued" => !before.is_empty(),
            _ => before.iter().any(|before| before != "EventQueued"),
        };
        before.push(name.clone());
        is_wrong.then(|| format!("the wait {id} in a virtual queue was told {before:?}"))
    }
}
