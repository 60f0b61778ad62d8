//! An agent at one server: logs in whenever the connection is up, passes on what comes, sends what the
//! agent does.

use std::time::Duration;

use jackfield_link::{Client, Link, LinkError, LinkEvent};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, EventInvite, Interaction, KeyValueList, MediaCapacity, Request3rdServer, RequestAccept,
    RequestAgentLogin, RequestAgentLogout, RequestGetWorkbinContent, RequestNotReadyForMedia, RequestPlaceInQueue,
    RequestPlaceInWorkbin, RequestPull, RequestReadyForMedia, RequestReject, RequestStopProcessing, Workbin,
    WorkbinOwner, request_pull,
};
use tokio::sync::mpsc;

use super::Login;
use crate::config::Server;
use crate::connect;

/// Pause before another attempt at a login that the server did not let through: whoever stood in the way may be
/// gone then.
const LOGIN_PAUSE: Duration = Duration::from_millis(500);

/// What happens at a desk; the number is the desk's.
#[derive(Debug)]
pub enum Happening {
    /// Logged in and ready.
    LoggedIn,
    /// The server does not let the agent log in.
    NotLoggedIn(String),
    /// The connection was lost, and with it everything the agent held here.
    Lost(String),
    /// An invitation.
    Invited(Box<EventInvite>),
    /// Somebody else changed an interaction that the agent has: this is how it is now.
    Changed(Box<Interaction>),
    /// An invitation has ended, or an interaction was taken back.
    Revoked {
        /// Which interaction.
        interaction: String,
        /// Why.
        reason: String,
    },
}

/// One server.
pub struct Desk {
    /// Name of the server.
    pub server: String,
    link: Link,
    login: Login,
}

impl Desk {
    /// Starts to connect and log in.
    pub fn open(server: &Server, login: &Login, happenings: mpsc::Sender<(String, Happening)>) -> Desk {
        let client_name = format!("agent {}", login.id);
        let register = connect::registration(&client_name, ClientType::AgentApplication);
        let (link, events) = connect::link(server, register);
        let name = server.name.get_ref().clone();
        tokio::spawn(pass_on(name.clone(), login.clone(), events, happenings));
        Desk { server: name, link, login: login.clone() }
    }

    async fn request(&self, request: Request) -> Result<Event, LinkError> {
        let client = self.link.client().ok_or_else(|| LinkError::Down(format!("no connection to {}", self.server)))?;
        client.request(request).await
    }

    /// Accept an invitation: the interaction is the agent's now.
    pub async fn accept(&self, ticket_id: u64, interaction_id: &str) -> Result<Interaction, LinkError> {
        let request = Request::Accept(RequestAccept { ticket_id, interaction_id: interaction_id.into() });
        match self.request(request).await? {
            Event::Interaction(event) => event.interaction.ok_or_else(unexpected),
            _ => Err(unexpected()),
        }
    }

    /// Reject an invitation.
    pub async fn reject(&self, ticket_id: u64, interaction_id: &str) -> Result<(), LinkError> {
        let reject = RequestReject { ticket_id, interaction_id: interaction_id.into(), reason: "rejected".into() };
        self.request(Request::Reject(reject)).await.map(drop)
    }

    /// Mark an interaction done: it leaves the server.
    pub async fn done(&self, interaction_id: &str) -> Result<(), LinkError> {
        let stop = RequestStopProcessing { interaction_id: interaction_id.into(), reason: "done".into() };
        self.request(Request::StopProcessing(stop)).await.map(drop)
    }

    /// Put an interaction into a queue.
    pub async fn transfer(&self, interaction_id: &str, queue: &str) -> Result<(), LinkError> {
        let place = RequestPlaceInQueue {
            interaction_id: interaction_id.into(),
            queue: queue.into(),
            reason: "transfer".into(),
            ..RequestPlaceInQueue::default()
        };
        self.request(Request::PlaceInQueue(place)).await.map(drop)
    }

    /// Put an interaction into the agent's own workbin of type `kind`.
    pub async fn put_into_workbin(&self, interaction_id: &str, kind: &str) -> Result<(), LinkError> {
        let place = RequestPlaceInWorkbin {
            interaction_id: interaction_id.into(),
            workbin: Some(self.workbin(kind)),
            ..RequestPlaceInWorkbin::default()
        };
        self.request(Request::PlaceInWorkbin(place)).await.map(drop)
    }

    /// What is in the agent's own workbin of type `kind`.
    pub async fn workbin_content(&self, kind: &str) -> Result<Vec<Interaction>, LinkError> {
        let get = RequestGetWorkbinContent { workbin: Some(self.workbin(kind)) };
        match self.request(Request::GetWorkbinContent(get)).await? {
            Event::WorkbinContent(content) => Ok(content.interactions),
            _ => Err(unexpected()),
        }
    }

    /// Take an interaction that is known by its id, out of a workbin for example.
    pub async fn take(&self, interaction_id: &str) -> Result<Option<Interaction>, LinkError> {
        let ids = jackfield_protocol::v1::PullByIds { interaction_ids: vec![interaction_id.into()] };
        let pull = RequestPull { what: Some(request_pull::What::ByIds(ids)), count: 1, ..RequestPull::default() };
        match self.request(Request::Pull(pull)).await? {
            Event::PulledInteractions(pulled) => {
                Ok(pulled.interactions.into_iter().next().and_then(|pulled| pulled.interaction))
            }
            _ => Err(unexpected()),
        }
    }

    /// Asks the media server that an interaction came from (ESP). The same key has its effect once.
    pub async fn ask_media_server(
        &self,
        interaction: &Interaction,
        service: &str,
        method: &str,
        parameters: KeyValueList,
        key: String,
    ) -> Result<KeyValueList, ServiceError> {
        let interaction_id = interaction.interaction_id.clone();
        let request = Request3rdServer {
            app_name: interaction.submitted_by.clone(),
            service: service.into(),
            method: method.into(),
            parameters: Some(parameters.with("InteractionId", interaction_id.as_str())),
            interaction_id,
            ..Request3rdServer::default()
        };
        let client = self.link.client().ok_or_else(|| LinkError::Down(format!("no connection to {}", self.server)))?;
        match client.request_once(Request::ThirdServer(request), key).await? {
            Event::ThirdServerResponse(response) => Ok(response.parameters.unwrap_or_default()),
            Event::ThirdServerFault(fault) => {
                Err(ServiceError::Fault { code: fault.fault_code, text: fault.fault_string })
            }
            _ => Err(unexpected().into()),
        }
    }

    /// Be ready, or not, for the media types of the login.
    pub async fn set_ready(&self, ready: bool) -> Result<(), LinkError> {
        let (agent, media_types) = (self.login.id.clone(), self.login.media.clone());
        let request = if ready {
            Request::ReadyForMedia(RequestReadyForMedia { agent, media_types })
        } else {
            Request::NotReadyForMedia(RequestNotReadyForMedia { agent, media_types, reason: "break".into() })
        };
        self.request(request).await.map(drop)
    }

    /// Log out, and close the connection.
    pub async fn leave(&self) {
        if let Some(client) = self.link.client() {
            // The end of the connection logs the agent out too.
            let _ = client.request(Request::AgentLogout(RequestAgentLogout { agent: self.login.id.clone() })).await;
            client.leave().await;
        }
        self.link.close().await;
    }

    fn workbin(&self, kind: &str) -> Workbin {
        let owner_type = WorkbinOwner::Agent.into();
        Workbin { r#type: kind.into(), owner_type, owner: self.login.id.clone() }
    }
}

/// Why a media server did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// It was not reached, or did not answer.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It refused.
    #[error("{text}")]
    Fault {
        /// Its number.
        code: i32,
        /// Its words.
        text: String,
    },
}

fn unexpected() -> LinkError {
    LinkError::Protocol("the server answered with something else".into())
}

/// Until the link is closed or nobody listens.
async fn pass_on(
    server: String,
    login: Login,
    mut events: mpsc::Receiver<LinkEvent>,
    happenings: mpsc::Sender<(String, Happening)>,
) {
    let mut was_up = false;
    // Why the last login failed: attempts go on, but it is told once.
    let mut told: Option<String> = None;
    while let Some(event) = events.recv().await {
        let happening = match event {
            LinkEvent::Up(client) => match log_in(&client, &login).await {
                Ok(()) => {
                    was_up = true;
                    told = None;
                    Happening::LoggedIn
                }
                Err(error) => {
                    let reason = error.to_string();
                    if told.as_ref() != Some(&reason) {
                        told = Some(reason.clone());
                        if happenings.send((server.clone(), Happening::NotLoggedIn(reason))).await.is_err() {
                            return;
                        }
                    }
                    tokio::time::sleep(LOGIN_PAUSE).await;
                    // The link comes again, and with it another attempt.
                    client.close();
                    continue;
                }
            },
            LinkEvent::Down { reason, .. } if std::mem::take(&mut was_up) => Happening::Lost(reason),
            LinkEvent::Down { reason, .. } => {
                tracing::debug!(server, reason, "no connection");
                continue;
            }
            LinkEvent::Event(Event::Invite(invite)) => Happening::Invited(Box::new(invite)),
            LinkEvent::Event(Event::PropertiesChanged(changed)) => match changed.interaction {
                Some(interaction) => Happening::Changed(Box::new(interaction)),
                None => continue,
            },
            LinkEvent::Event(Event::Revoked(revoked)) => {
                Happening::Revoked { interaction: revoked.interaction_id, reason: revoked.reason }
            }
            LinkEvent::Event(_) => continue,
        };
        if happenings.send((server.clone(), happening)).await.is_err() {
            return;
        }
    }
}

async fn log_in(client: &Client, login: &Login) -> Result<(), LinkError> {
    let media = login.media.iter().map(|media| MediaCapacity { media_type: media.clone(), capacity: 0 }).collect();
    let request = RequestAgentLogin { agent: login.id.clone(), place: login.place.clone(), media };
    client.request(Request::AgentLogin(request)).await?;
    let ready = RequestReadyForMedia { agent: login.id.clone(), media_types: login.media.clone() };
    client.request(Request::ReadyForMedia(ready)).await.map(drop)
}
