//! All chats: whose they are, which go on, and what the Interaction Server has to be told of them.
//!
//! A customer has a *key* to a chat, drawn by chance; the chat is known everywhere else by its *number*, which
//! is a digest of the key. A chat goes on until the customer or the agent ends it, or until the customer has had
//! no connection for the grace. It is submitted with its first line, and set off-line with its end; what could
//! not be told, because the process or a server ended, is told after the next start.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jackfield_link::Link;
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{KeyValueList, RequestChangeProperties, RequestGetInteractionProperties, RequestSubmit};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::blocking;
use crate::server::ChatSettings;
use crate::transcript::{From, Line, NotSaid, State, Transcript};

/// User data key: how many lines there are. It changes when the agent shall look.
pub(crate) const LINES_KEY: &str = "ChatLines";
/// Characters of the first line that become the subject.
const SUBJECT_CHARACTERS: usize = 80;
/// Pause before the Interaction Server is asked again that refused something.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// How often old transcripts are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

pub(crate) struct Chats {
    pub(crate) settings: ChatSettings,
    link: Link,
    known: Mutex<HashMap<String, Arc<Chat>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// One chat.
pub(crate) struct Chat {
    pub(crate) number: String,
    pub(crate) transcript: Transcript,
    presence: Mutex<Presence>,
}

#[derive(Default)]
struct Presence {
    connections: usize,
    /// Goes up with each coming and going, so that an old grace ends nothing.
    changes: u64,
    /// An agent has looked: it is told of what comes.
    agent_looks: bool,
}

/// A customer who is there; not any more once this is dropped.
pub(crate) struct Here {
    pub(crate) chat: Arc<Chat>,
    chats: Arc<Chats>,
}

impl Drop for Here {
    fn drop(&mut self) {
        let changes = {
            let mut presence = self.chat.presence();
            presence.connections -= 1;
            presence.changes += 1;
            presence.changes
        };
        self.chats.wait_for_return(&self.chat, changes);
    }
}

impl Chat {
    /// It has ended, the Interaction Server knows, and no customer looks at it: it need not be in memory. An agent
    /// may still read it there, as long as there is room.
    fn is_over(&self) -> bool {
        let has_ended = self.transcript.look(|state| state.ended && (state.off_line || state.lines.is_empty()));
        has_ended && self.presence().connections == 0
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chats {
    /// Those that go on are there again; their customers have the grace to come back.
    pub(crate) async fn open(settings: ChatSettings, link: Link, stop: CancellationToken) -> io::Result<Arc<Chats>> {
        let chats = Arc::new(Chats { settings, link, known: Mutex::default(), tasks: TaskTracker::new(), stop });
        let reading = Arc::clone(&chats);
        let found = blocking(move || reading.read_all()).await?;
        for chat in found {
            chats.known().insert(chat.number.clone(), Arc::clone(&chat));
            let (submitted, ended) = chat.transcript.look(|state| (state.interaction.is_some(), state.ended));
            if !submitted {
                chats.submit(&chat);
            }
            if ended {
                chats.go_off_line(&chat);
            } else {
                chats.wait_for_return(&chat, 0);
            }
        }
        let forgetting = Arc::clone(&chats);
        chats.spawn(async move {
            loop {
                let chats = Arc::clone(&forgetting);
                if let Err(error) = blocking(move || chats.forget_old(SystemTime::now())).await {
                    tracing::warn!(%error, "old transcripts cannot be forgotten");
                }
                tokio::time::sleep(FORGET_EVERY).await;
            }
        });
        Ok(chats)
    }

    /// The customer with this key is here, or a new one. None: there is no room for another chat, or no such key.
    pub(crate) fn come(self: &Arc<Self>, key: Option<&str>, name: &str) -> Option<(Here, Option<String>)> {
        let mut known = self.known();
        let (chat, new_key) = match key {
            Some(key) => (Arc::clone(known.get(&number_of(key))?), None),
            None => {
                if known.len() >= self.settings.chats {
                    known.retain(|_, chat| !chat.is_over());
                }
                if known.len() >= self.settings.chats {
                    return None;
                }
                let key = hexadecimal(&rand::random::<[u8; 24]>());
                let number = number_of(&key);
                let transcript = Transcript::new(self.path(&number), name.to_owned());
                let chat = Arc::new(Chat { number: number.clone(), transcript, presence: Mutex::default() });
                known.insert(number, Arc::clone(&chat));
                (chat, Some(key))
            }
        };
        drop(known);
        {
            let mut presence = chat.presence();
            if presence.connections >= self.settings.connections_a_chat {
                return None;
            }
            presence.connections += 1;
            presence.changes += 1;
        }
        Some((Here { chat, chats: Arc::clone(self) }, new_key))
    }

    /// The chat that is this interaction.
    pub(crate) async fn of_interaction(&self, interaction: &str) -> Option<Arc<Chat>> {
        let is_it = |chat: &&Arc<Chat>| chat.transcript.look(|state| state.interaction.as_deref() == Some(interaction));
        let found = self.known().values().find(is_it).cloned();
        if found.is_some() {
            return found;
        }
        // An agent may be faster than the acknowledgement that has its id.
        let client = self.link.client()?;
        let asked = RequestGetInteractionProperties { interaction_id: interaction.to_owned() };
        let Ok(Event::Interaction(event)) = client.request(asked).await else { return None };
        let interaction = event.interaction.filter(|interaction| interaction.submitted_by == self.settings.name)?;
        self.known().get(&interaction.external_id).cloned()
    }

    /// Says a line; returns how many there are then.
    pub(crate) async fn say(
        self: &Arc<Self>,
        chat: &Arc<Chat>,
        from: From,
        text: &str,
        key: &str,
    ) -> Result<usize, NotSaid> {
        let line = Line { from, text: text.to_owned(), at: now(), key: key.to_owned() };
        let saying = Arc::clone(chat);
        let said = blocking(move || Ok(saying.transcript.say(line))).await;
        let count = said.map_err(|error| NotSaid::NotStored(error.to_string()))??;
        if from == From::Customer {
            if count == 1 {
                self.submit(chat);
            } else if chat.presence().agent_looks {
                self.tell_agent(chat, count);
            }
        }
        Ok(count)
    }

    /// An agent looks, and is told of what comes from now on.
    pub(crate) fn agent_looks(&self, chat: &Chat) {
        chat.presence().agent_looks = true;
    }

    /// Ends a chat.
    pub(crate) async fn end(self: &Arc<Self>, chat: &Arc<Chat>, why: &'static str) -> io::Result<()> {
        let ending = Arc::clone(chat);
        if blocking(move || ending.transcript.end(why, now())).await? {
            tracing::info!(chat = chat.number, why, "chat ended");
            self.go_off_line(chat);
        }
        Ok(())
    }

    /// After its stop: waits until nothing is under way.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Chat>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, number: &str) -> PathBuf {
        self.settings.folder.join(format!("{number}.jsonl"))
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Ends it when nobody has come within the grace.
    fn wait_for_return(self: &Arc<Self>, chat: &Arc<Chat>, changes: u64) {
        let (chats, chat) = (Arc::clone(self), Arc::clone(chat));
        self.spawn(async move {
            tokio::time::sleep(chats.settings.grace).await;
            let has_come = {
                let presence = chat.presence();
                presence.connections > 0 || presence.changes != changes
            };
            if !has_come && let Err(error) = chats.end(&chat, "The customer has left.").await {
                tracing::warn!(chat = chat.number, %error, "its end cannot be written down");
            }
            // Of one in which nothing was said there is nothing to look at.
            if chat.is_over() && chat.transcript.look(|state| state.lines.is_empty()) {
                chats.known().remove(&chat.number);
            }
        });
    }

    fn submit(self: &Arc<Self>, chat: &Arc<Chat>) {
        let (chats, chat) = (Arc::clone(self), Arc::clone(chat));
        self.spawn(async move {
            let submit = chat.transcript.look(|state| chats.submission(&chat.number, state));
            let key = format!("chat-{}", chat.number);
            let Event::Ack(ack) = chats.ask(&chat, submit.into(), &key).await else { return };
            tracing::info!(chat = chat.number, interaction = ack.interaction_id, "chat submitted");
            chats.note(&chat, move |transcript| transcript.submitted(ack.interaction_id.clone())).await;
            if chat.transcript.look(|state| state.ended) {
                chats.go_off_line(&chat);
            }
        });
    }

    fn submission(&self, number: &str, state: &State) -> RequestSubmit {
        let first = state.lines.first();
        let text = first.map(|line| line.text.clone()).unwrap_or_default();
        let subject: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SUBJECT_CHARACTERS).collect();
        let mut user_data = KeyValueList::default().with("Subject", subject).with("FirstMessage", text);
        if !state.name.is_empty() {
            user_data.push("FromPersonal", state.name.as_str());
            user_data.push("FirstName", state.name.split_whitespace().next().unwrap_or_default());
        }
        RequestSubmit {
            external_id: number.to_owned(),
            media_type: self.settings.media_type.clone(),
            interaction_type: "Inbound".to_owned(),
            interaction_subtype: "InboundNew".to_owned(),
            queue: self.settings.queue.clone(),
            is_online: true,
            received_at: first.map_or(0, |line| line.at),
            user_data: Some(user_data),
            ..RequestSubmit::default()
        }
    }

    fn go_off_line(self: &Arc<Self>, chat: &Arc<Chat>) {
        let (chats, chat) = (Arc::clone(self), Arc::clone(chat));
        self.spawn(async move {
            // Not submitted yet: then whoever submits it comes here again.
            let Some(interaction_id) = chat.transcript.look(|state| state.interaction.clone()) else { return };
            if !chat.transcript.look(|state| state.off_line) {
                let change = RequestChangeProperties { interaction_id, is_online: Some(false), ..Default::default() };
                chats.ask(&chat, change.into(), "").await;
                chats.note(&chat, |transcript| transcript.off_line()).await;
            }
        });
    }

    fn tell_agent(&self, chat: &Chat, count: usize) {
        let Some(interaction_id) = chat.transcript.look(|state| state.interaction.clone()) else { return };
        let changed = KeyValueList::default().with(LINES_KEY, i32::try_from(count).unwrap_or(i32::MAX));
        let change = RequestChangeProperties { interaction_id, changed: Some(changed), ..Default::default() };
        let (client, number) = (self.link.client(), chat.number.clone());
        self.spawn(async move {
            // Without a connection the agent has lost it too, and looks again when it takes it.
            if let Some(client) = client
                && let Err(error) = client.request(change).await
            {
                tracing::debug!(chat = number, %error, "the agent was not told of a line");
            }
        });
    }

    /// Asks until the Interaction Server has done it, or has no such interaction.
    async fn ask(&self, chat: &Chat, message: Ask, key: &str) -> Event {
        let mut warned = false;
        loop {
            let Some(client) = self.link.up().await else {
                // Closed: whoever runs this ends it.
                return std::future::pending().await;
            };
            match client.request_once(message.clone(), key).await {
                Ok(event) => return event,
                // Somebody has stopped it.
                Err(error) if error.code() == Some(ErrorCode::UnknownInteraction) => {
                    return Event::Ack(Default::default());
                }
                Err(error) => {
                    if !error.is_retriable() && !std::mem::replace(&mut warned, true) {
                        tracing::warn!(chat = chat.number, %error, "the Interaction Server does not take it; it is asked again");
                    }
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    async fn note(
        &self,
        chat: &Arc<Chat>,
        work: impl Fn(&Transcript) -> io::Result<()> + Send + Sync + Clone + 'static,
    ) {
        loop {
            let (chat, work) = (Arc::clone(chat), work.clone());
            match blocking(move || work(&chat.transcript)).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(%error, "a transcript cannot be written");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    /// Chats that go on, or whose end the Interaction Server does not know.
    fn read_all(&self) -> io::Result<Vec<Arc<Chat>>> {
        std::fs::create_dir_all(&self.settings.folder)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.settings.folder)? {
            let path = entry?.path();
            let (Some(number), Some("jsonl")) =
                (path.file_stem().and_then(|stem| stem.to_str()), path.extension().and_then(|end| end.to_str()))
            else {
                continue;
            };
            match Transcript::read(&path) {
                Ok(transcript) => {
                    let goes_on = transcript.look(|state| !state.off_line && !state.lines.is_empty());
                    if goes_on && found.len() < self.settings.chats {
                        found.push(Arc::new(Chat { number: number.into(), transcript, presence: Mutex::default() }));
                    }
                }
                Err(error) => tracing::warn!(%error, "a transcript cannot be read, and is left as it is"),
            }
        }
        Ok(found)
    }

    fn forget_old(&self, now: SystemTime) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.settings.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else { continue };
            let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
            if age > self.settings.kept && !self.known().contains_key(number) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn number_of(key: &str) -> String {
    hexadecimal(&Sha256::digest(key.as_bytes())).chars().take(32).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
