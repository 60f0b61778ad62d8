//! A media server that does what the test says.

use std::time::Duration;

use jackfield_link::Client;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    Answer3rdServer, ClientType, Event3rdServerRequest, KeyValueList, RequestChangeProperties, RequestSubmit,
};
use tokio::sync::mpsc;

use crate::support::Site;

/// Longest a test waits to be asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Registered as `MediaServer`, for e-mail.
pub struct MediaServer {
    client: Client,
    events: mpsc::Receiver<Event>,
}

impl MediaServer {
    pub async fn open(site: &Site) -> MediaServer {
        let (client, events) = site.client(ClientType::MediaServer).await;
        MediaServer { client, events }
    }

    /// Submits an interaction of a customer who is there; answers its id.
    pub async fn submit(&self, queue: &str, user_data: KeyValueList) -> String {
        let submit = RequestSubmit {
            media_type: "email".into(),
            interaction_type: "Inbound".into(),
            queue: queue.into(),
            is_online: true,
            user_data: Some(user_data),
            ..Default::default()
        };
        match self.client.request(Ask::Submit(submit)).await {
            Ok(Event::Ack(ack)) => ack.interaction_id,
            other => panic!("{other:?}"),
        }
    }

    /// The next request for it.
    pub async fn asked(&mut self) -> Event3rdServerRequest {
        let asked = async {
            loop {
                match self.events.recv().await {
                    Some(Event::ThirdServerRequest(request)) => return request,
                    Some(_) => {}
                    None => panic!("the media server's connection ended"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("a request")
    }

    /// Whether it was asked for nothing up to now.
    pub fn is_left_alone(&mut self) -> bool {
        std::iter::from_fn(|| self.events.try_recv().ok()).all(|event| !matches!(event, Event::ThirdServerRequest(_)))
    }

    /// Answers one; whether the server took the answer.
    pub async fn answer(&self, request: &Event3rdServerRequest, fault: bool, parameters: KeyValueList) -> bool {
        let answer = Answer3rdServer {
            server_reference_id: request.server_reference_id,
            fault,
            parameters: Some(parameters),
            ..Default::default()
        };
        self.client.request(Ask::ThirdServerAnswer(answer)).await.is_ok()
    }

    /// The customer leaves, and the subject says so.
    pub async fn customer_leaves(&self, interaction: &str) {
        let change = RequestChangeProperties {
            interaction_id: interaction.into(),
            changed: Some(KeyValueList::default().with("Subject", "good-bye")),
            is_online: Some(false),
            ..Default::default()
        };
        self.client.request(Ask::ChangeProperties(change)).await.expect("changed");
    }
}
