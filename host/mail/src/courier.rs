//! Brings outgoing messages to the SMTP server, again and again until it has them or the time is over.
//!
//! Each message has a task, which waits while another has the connection, while the server is away, or until
//! it may try again after a 4yz. While the server is away all wait together, and one tries. What waits is on
//! disk (`spool`), so the tasks of one process are taken up by the next. They end with the messages, or when the
//! courier is told to stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jackfield_link::Reconnect;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::smtp::{Attempt, Smtp, SmtpSettings};
use crate::spool::{Begun, Ended, Spool};

/// Pause before the end of a message is written down again, after that failed.
const NOTE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often messages are tried that were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Pauses between two attempts.
    pub pauses: Reconnect,
    /// A message that was not taken for this long, since it was to be sent, is given up.
    pub give_up_after: Duration,
    /// Messages that may wait; more are refused until there is room.
    pub waiting: usize,
}

/// Told once a message has ended.
pub(crate) type Told = watch::Receiver<Option<Ended>>;

pub(crate) struct Courier {
    name: String,
    smtp: Smtp,
    spool: Arc<Spool>,
    retry: Retry,
    under_way: Mutex<HashMap<String, Told>>,
    away: Mutex<Away>,
    connections: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Hears of messages that were given up.
    given_up: tokio::sync::mpsc::Sender<(String, String)>,
}

/// Whether the server is there.
#[derive(Default)]
struct Away {
    failures: u32,
    until: Option<Instant>,
}

impl Courier {
    /// One with nothing to do; `given_up` hears the key and the reason of each message that failed. It ends with
    /// `stop`, see [`close`](Self::close).
    pub(crate) fn new(
        name: &str,
        settings: SmtpSettings,
        retry: Retry,
        spool: Arc<Spool>,
        given_up: tokio::sync::mpsc::Sender<(String, String)>,
        stop: CancellationToken,
    ) -> Arc<Courier> {
        Arc::new(Courier {
            name: name.to_owned(),
            connections: Semaphore::new(settings.connections.max(1)),
            smtp: Smtp::new(settings),
            spool,
            retry,
            under_way: Mutex::default(),
            away: Mutex::default(),
            tasks: TaskTracker::new(),
            stop,
            given_up,
        })
    }

    /// Takes on an outgoing message, which was to be sent since then; again is no harm. None: too many wait.
    pub(crate) fn take(self: &Arc<Self>, draft: &str, since: SystemTime) -> Option<Told> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = under_way.get(draft) {
            return Some(told.clone());
        }
        if under_way.len() >= self.retry.waiting {
            return None;
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(draft.to_owned(), told.clone());
        let (courier, draft) = (Arc::clone(self), draft.to_owned());
        self.tasks.spawn(async move {
            let ended = courier.bring(&draft, since).await;
            courier.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&draft);
            if let Some(ended) = ended {
                tell.send_replace(Some(ended.clone()));
                if let Ended::Failed(reason) = ended {
                    // Nobody need listen: it is on disk, and in the log.
                    let _ = courier.given_up.send((draft, reason)).await;
                }
            }
        });
        Some(told)
    }

    /// After its stop: what waits stays on disk; attempts under way are given `grace` to end.
    pub(crate) async fn close(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(media_server = self.name, "leaves with a message under way, which may arrive twice");
        }
        self.smtp.close().await;
    }

    /// None: it was told to stop, and the message stays on disk.
    async fn bring(&self, draft: &str, since: SystemTime) -> Option<Ended> {
        let mut failures = 0;
        let ended = loop {
            let (spool, key) = (Arc::clone(&self.spool), draft.to_owned());
            match crate::blocking(move || spool.begin(&key, since)).await {
                Ok(Begun::Outgoing(_)) | Err(_) => {}
                // It ended just before this task began.
                Ok(Begun::Ended(ended)) => return Some(ended),
                Ok(Begun::Unknown) => return None,
            }
            match self.attempt(draft).await? {
                Attempt::Sent => break Ended::Sent,
                Attempt::Refused(reason) => break Ended::Failed(reason),
                Attempt::Later(reason) | Attempt::NoServer(reason) if self.is_too_late(since) => {
                    let hours = self.retry.give_up_after.as_secs_f64() / 3_600.0;
                    break Ended::Failed(format!("given up after {hours:.1} h; at last: {reason}"));
                }
                // All wait for the server together, before the next attempt.
                Attempt::NoServer(_) => {}
                Attempt::Later(reason) => {
                    failures += 1;
                    let pause = self.retry.pauses.pause(failures, rand::random());
                    tracing::info!(media_server = self.name, message = draft, reason, ?pause, "not taken yet");
                    self.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
                }
            }
        };
        if let Ended::Failed(reason) = &ended {
            tracing::error!(media_server = self.name, message = draft, reason, "a message was not sent");
        }
        // Until it is written down it is not over: without the note it would be sent again.
        loop {
            let (spool, key, outcome) = (Arc::clone(&self.spool), draft.to_owned(), ended.clone());
            match crate::blocking(move || spool.end(&key, &outcome)).await {
                Ok(()) => return Some(ended),
                Err(error) => {
                    tracing::error!(media_server = self.name, message = draft, %error, "its end cannot be written down");
                    self.stop.run_until_cancelled(tokio::time::sleep(NOTE_AGAIN_AFTER)).await?;
                }
            }
        }
    }

    fn is_too_late(&self, since: SystemTime) -> bool {
        SystemTime::now().duration_since(since).is_ok_and(|waited| waited >= self.retry.give_up_after)
    }

    /// Waits for its turn, then tries once. An attempt that has begun is not broken off by a stop.
    async fn attempt(&self, draft: &str) -> Option<Attempt> {
        let _turn = self.stop.run_until_cancelled(self.connections.acquire()).await?.ok()?;
        let until = self.away.lock().unwrap_or_else(PoisonError::into_inner).until;
        if let Some(until) = until {
            self.stop.run_until_cancelled(tokio::time::sleep_until(until)).await?;
        }
        let (spool, key) = (Arc::clone(&self.spool), draft.to_owned());
        let message = match crate::blocking(move || spool.read(&key)).await {
            Ok(message) => message,
            Err(error) => return Some(Attempt::Later(format!("it cannot be read: {error}"))),
        };
        let attempt = self.smtp.attempt(&message).await;
        self.take_note(&attempt);
        Some(attempt)
    }

    fn take_note(&self, attempt: &Attempt) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match attempt {
            Attempt::NoServer(reason) => {
                away.failures += 1;
                let pause = self.retry.pauses.pause(away.failures, rand::random());
                away.until = Some(Instant::now() + pause);
                if away.failures == 1 {
                    tracing::warn!(media_server = self.name, reason, "the SMTP server takes nothing; messages wait");
                } else {
                    tracing::debug!(media_server = self.name, reason, ?pause, "the SMTP server still takes nothing");
                }
            }
            _ => {
                if std::mem::take(&mut away.failures) > 0 {
                    tracing::info!(media_server = self.name, "the SMTP server is back");
                }
                away.until = None;
            }
        }
    }
}
