//! One submission, from the first attempt until it is answered.

use std::time::Duration;

use jackfield_link::{Client, Link, LinkError, LinkEvent};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{ClientType, RequestSubmit};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Server;
use crate::connect;

/// Pause before a request that the server put off (a full disk, a restart) is sent again.
const PAUSE: Duration = Duration::from_millis(200);

/// Something to submit.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Where it comes from: file, or source and line.
    pub name: String,
    /// What the server remembers its answer by.
    pub key: String,
    /// The request.
    pub request: RequestSubmit,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged: it is on the server's disk.
    Submitted {
        /// Its id.
        interaction: String,
        /// Name of the server.
        server: String,
    },
    /// The server does not take it.
    Refused {
        /// Error number; 0: it was not sent.
        code: u32,
        /// For people.
        text: String,
    },
    /// The server could not be reached for too long. Whether it has the interaction is not known.
    Unreachable(String),
}

/// A server that is submitted to. Clones share the connection.
#[derive(Clone)]
pub struct Target {
    server: Server,
    link: Link,
    retry_for: Duration,
    /// Why there was no connection the last time.
    down_because: watch::Receiver<String>,
}

impl Target {
    /// Starts to connect.
    pub fn open(server: &Server, retry_for: Duration) -> Target {
        // Not as a media server: nobody should send us requests for messages.
        let (link, mut events) = connect::link(server, connect::registration("jackfield submit", ClientType::Proxy));
        let (down_because, receiver) = watch::channel(String::from("no answer"));
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let LinkEvent::Down { reason, .. } = event {
                    down_because.send_replace(reason);
                }
            }
        });
        Target { server: server.clone(), link, retry_for, down_because: receiver }
    }

    /// Sends until there is an answer, or `retry_for` has passed since the last attempt began in vain.
    pub async fn submit(&self, submission: &Submission) -> Outcome {
        let mut give_up_at = Instant::now() + self.retry_for;
        loop {
            let client = match tokio::time::timeout_at(give_up_at, self.link.up()).await {
                Ok(Some(client)) => client,
                Ok(None) => return Outcome::Unreachable("the connection was closed".into()),
                Err(_) => {
                    let waited = LinkError::Down(self.down_because.borrow().clone());
                    return Outcome::Unreachable(connect::unreachable(&self.server, &waited).0);
                }
            };
            match attempt(&client, submission).await {
                Ok(interaction) => {
                    return Outcome::Submitted { interaction, server: self.server.name.get_ref().clone() };
                }
                Err(LinkError::Refused(error)) if !LinkError::Refused(error.clone()).is_retriable() => {
                    return Outcome::Refused { code: error.code, text: error.description };
                }
                Err(error) if error.is_retriable() && Instant::now() < give_up_at => {
                    tracing::debug!(source = %submission.name, %error, "sending again");
                    if client.is_closed() {
                        // Being connected once is a sign of life: patience begins anew.
                        give_up_at = Instant::now() + self.retry_for;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Outcome::Unreachable(connect::unreachable(&self.server, &error).0),
            }
        }
    }
}

async fn attempt(client: &Client, submission: &Submission) -> Result<String, LinkError> {
    let request = Request::Submit(submission.request.clone());
    match client.request_once(request, submission.key.clone()).await? {
        Event::Ack(ack) => Ok(ack.interaction_id),
        _ => Err(LinkError::Protocol("the server answered a submit with something else".into())),
    }
}
