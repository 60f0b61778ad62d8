//! From a mailbox of an IMAP server, in the order of its messages.
//!
//! Each message has a number (UID) that goes up; how far we are is on disk, so that what was taken is neither
//! looked at again nor passed over, whatever other readers do with their marks. Messages are taken a few at a
//! time: read without marking them, submitted, noted on disk, then marked on the server or moved away. A crash
//! in between repeats only what has no effect the second time.
//!
//! When the server has numbered everything anew (UIDVALIDITY), all that is there is gone through once more: what
//! bears our mark, or is known by its bytes, is not taken again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_imap::types::{Fetch, Flag, UnsolicitedResponse};
use futures_util::{StreamExt, TryStreamExt, future};
use jackfield_link::Reconnect;
use tokio::time::Instant;

use super::imap_connection::{ImapError, ImapSettings, Selected, open, within};
use super::imap_state::{Memory, Place};
use super::{Intake, Taken, write_reason};

/// Keyword of messages that were taken.
const TAKEN: &str = "JackfieldTaken";
/// Keyword of messages that were put aside.
const ASIDE: &str = "JackfieldAside";
/// Bytes of the messages in memory at once; a larger one is alone.
const BYTES_AT_ONCE: u64 = 32 << 20;
/// How long it is remembered which messages were taken.
const TAKEN_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How often old ones are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Longest time in one IDLE (RFC 2177 says below 30 minutes).
const IDLE_MOST: Duration = Duration::from_secs(29 * 60);
/// Pauses between connections that fail.
const RECONNECT: Reconnect = Reconnect { first: Duration::from_secs(1), max: Duration::from_secs(60) };

/// What is known of a message before it is read.
struct Head {
    uid: u32,
    size: u64,
    at: i64,
    marked: bool,
}

impl Intake {
    pub(super) async fn take_from_imap(&self, mailbox: &ImapSettings) {
        let mut failures: u32 = 0;
        let mut last_told = String::new();
        loop {
            let Err(error) = self.work(mailbox, &mut failures).await;
            let text = error.to_string();
            failures = failures.saturating_add(1);
            // A wrong password is not tried often: some servers lock the account.
            let pause = match error {
                ImapError::Login(_) => RECONNECT.max,
                _ => RECONNECT.pause(failures, rand::random()),
            };
            if text == last_told {
                tracing::debug!(
                    media_server = self.media_server,
                    host = mailbox.host,
                    reason = text,
                    "still no mailbox"
                );
            } else {
                tracing::warn!(
                    media_server = self.media_server,
                    host = mailbox.host,
                    reason = text,
                    ?pause,
                    "no mailbox"
                );
                last_told = text;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// One connection, for as long as it lasts.
    async fn work(&self, mailbox: &ImapSettings, failures: &mut u32) -> Result<std::convert::Infallible, ImapError> {
        let folder = mailbox.memory.clone();
        let memory = Arc::new(crate::blocking(move || Memory::open(&folder)).await?);
        let mut selected = open(mailbox).await?;
        let mut place = kept(&memory, |memory| memory.place()).await?;
        if place.uid_validity != selected.uid_validity {
            if place.uid_validity != 0 {
                let (old, new) = (place.uid_validity, selected.uid_validity);
                tracing::warn!(
                    media_server = self.media_server,
                    old,
                    new,
                    "the mailbox was numbered anew (UIDVALIDITY)"
                );
            }
            place = Place { uid_validity: selected.uid_validity, next: 1, ..Place::default() };
        }
        if *failures > 0 {
            tracing::info!(media_server = self.media_server, host = mailbox.host, "the mailbox is there");
        }
        *failures = 0;
        // What the last connection did not come to.
        self.mark(mailbox, &mut selected, &memory, &mut place).await?;
        let mut forget_at = Instant::now();
        loop {
            if Instant::now() >= forget_at {
                forget_at = Instant::now() + FORGET_EVERY;
                kept(&memory, |memory| memory.forget(SystemTime::now(), TAKEN_KEPT)).await?;
            }
            self.take_what_is_there(mailbox, &mut selected, &memory, &mut place).await?;
            selected = self.wait(mailbox, selected).await?;
        }
    }

    async fn take_what_is_there(
        &self,
        mailbox: &ImapSettings,
        selected: &mut Selected,
        memory: &Arc<Memory>,
        place: &mut Place,
    ) -> Result<(), ImapError> {
        loop {
            while selected.session.unsolicited_responses.try_recv().is_ok() {}
            let query = format!("UID {}:*", place.next);
            let found = within(mailbox.answer_within, selected.session.uid_search(query)).await?;
            // The last message always counts as within a range that ends with `*`.
            let mut uids: Vec<u32> = found.into_iter().filter(|uid| *uid >= place.next).collect();
            uids.sort_unstable();
            if uids.is_empty() {
                // Came in while we looked.
                let mut more = false;
                while let Ok(news) = selected.session.unsolicited_responses.try_recv() {
                    more |= matches!(news, UnsolicitedResponse::Exists(_));
                }
                if more {
                    continue;
                }
                return Ok(());
            }
            for some in uids.chunks(self.settings.at_once.max(1)) {
                self.take_some(mailbox, selected, memory, place, some).await?;
            }
        }
    }

    async fn take_some(
        &self,
        mailbox: &ImapSettings,
        selected: &mut Selected,
        memory: &Arc<Memory>,
        place: &mut Place,
        uids: &[u32],
    ) -> Result<(), ImapError> {
        let mut heads = heads(mailbox, selected, uids).await?;
        let missing: Vec<u32> = uids.iter().filter(|uid| heads.iter().all(|head| head.uid != **uid)).copied().collect();
        for uid in still_there(mailbox, selected, &missing).await? {
            heads.push(Head { uid, size: 0, at: 0, marked: false });
        }
        heads.sort_unstable_by_key(|head| head.uid);
        while !heads.is_empty() {
            let mut bytes = 0;
            let count = heads.iter().take_while(|head| {
                let first = bytes == 0;
                bytes += head.size.max(1);
                first || bytes <= BYTES_AT_ONCE
            });
            let now: Vec<Head> = heads.drain(..count.count()).collect();
            let last = now.last().map_or(place.next, |head| head.uid);
            let mut read = Vec::new();
            for head in now.into_iter().filter(|head| !head.marked) {
                if let Some(aside) = self.too_large(head.size) {
                    read.push((head, None, Some(aside)));
                } else if let Some(message) = body(mailbox, selected, head.uid).await? {
                    read.push((head, Some(message), None));
                } else if !still_there(mailbox, selected, &[head.uid]).await?.is_empty() {
                    let aside = Taken::Aside("the server has it, and does not hand it out".to_owned());
                    read.push((head, None, Some(aside)));
                }
            }
            let taken = read.into_iter().map(|(head, message, known)| self.take_one(memory, head, message, known));
            for (uid, taken) in future::try_join_all(taken).await? {
                match taken {
                    Taken::In => place.taken_unmarked.push(uid),
                    Taken::Aside(_) => place.aside_unmarked.push(uid),
                }
            }
            place.next = last.saturating_add(1);
            keep(memory, place).await?;
            self.mark(mailbox, selected, memory, place).await?;
        }
        // Those that were gone before we asked.
        if let Some(last) = uids.last() {
            place.next = place.next.max(last.saturating_add(1));
        }
        Ok(())
    }

    async fn take_one(
        &self,
        memory: &Arc<Memory>,
        head: Head,
        message: Option<Vec<u8>>,
        known: Option<Taken>,
    ) -> Result<(u32, Taken), ImapError> {
        let key = message.as_deref().map(|message| self.key(message));
        let taken = match (known, &message, &key) {
            (None, Some(message), Some(key)) => {
                let looked = key.clone();
                if kept(memory, move |memory| Ok(memory.was_taken(&looked))).await? {
                    Taken::In
                } else {
                    let taken = self.hand_in(message, head.at).await;
                    let key = key.clone();
                    if taken == Taken::In {
                        kept(memory, move |memory| memory.note_taken(&key)).await?;
                    }
                    taken
                }
            }
            (known, ..) => known.unwrap_or(Taken::In),
        };
        if let Taken::Aside(reason) = &taken {
            let (name, reason) = (format!("{}.eml", head.uid), reason.clone());
            self.put_aside(&name, &reason);
            kept(memory, move |memory| {
                write_reason(&memory.aside(), &name, &reason)?;
                message.map_or(Ok(()), |message| std::fs::write(memory.aside().join(&name), message))
            })
            .await?;
        }
        Ok((head.uid, taken))
    }

    /// Marks on the server what is over. A server that refuses keeps nothing from going on.
    async fn mark(
        &self,
        mailbox: &ImapSettings,
        selected: &mut Selected,
        memory: &Arc<Memory>,
        place: &mut Place,
    ) -> Result<(), ImapError> {
        if place.taken_unmarked.is_empty() && place.aside_unmarked.is_empty() {
            return Ok(());
        }
        let keyword = |word: &str| if selected.takes_keywords { format!(" {word}") } else { String::new() };
        let (taken, aside) = (set(&place.taken_unmarked), set(&place.aside_unmarked));
        let mut marks = Vec::new();
        if !taken.is_empty() {
            marks.push((&taken, format!("+FLAGS.SILENT (\\Seen{})", keyword(TAKEN))));
        }
        if !aside.is_empty() {
            marks.push((&aside, format!("+FLAGS.SILENT (\\Flagged{})", keyword(ASIDE))));
        }
        for (uids, mark) in marks {
            let stored = within(mailbox.answer_within, async {
                selected.session.uid_store(uids, &mark).await?.try_collect::<Vec<_>>().await
            });
            self.tolerated(stored.await.map(drop), "messages cannot be marked")?;
        }
        if let (Some(move_to), false) = (&mailbox.move_to, taken.is_empty()) {
            if selected.can_move {
                let moved = within(mailbox.answer_within, selected.session.uid_mv(&taken, move_to)).await;
                self.tolerated(moved, "messages cannot be moved")?;
            } else {
                tracing::warn!(media_server = self.media_server, "the server cannot MOVE; messages are only marked");
            }
        }
        (place.taken_unmarked, place.aside_unmarked) = Default::default();
        keep(memory, place).await
    }

    fn tolerated(&self, done: Result<(), ImapError>, what: &str) -> Result<(), ImapError> {
        match done {
            Err(ImapError::Imap(error @ (async_imap::error::Error::No(_) | async_imap::error::Error::Bad(_)))) => {
                tracing::warn!(media_server = self.media_server, %error, "{what}");
                Ok(())
            }
            other => other,
        }
    }

    /// Until the server tells of something, or it is time to look.
    async fn wait(&self, mailbox: &ImapSettings, mut selected: Selected) -> Result<Selected, ImapError> {
        if !selected.can_idle {
            tokio::time::sleep(self.settings.look_every).await;
            within(mailbox.answer_within, selected.session.noop()).await?;
            return Ok(selected);
        }
        let mut idle = selected.session.idle();
        within(mailbox.answer_within, idle.init()).await?;
        let (news, _interrupt) = idle.wait_with_timeout(IDLE_MOST);
        // Some servers send signs of life that say nothing, so the time is ours to keep.
        if let Ok(news) = tokio::time::timeout(self.settings.look_every.min(IDLE_MOST), news).await {
            drop(news?);
        }
        selected.session = within(mailbox.answer_within, idle.done()).await?;
        Ok(selected)
    }
}

/// Size, time and marks of messages that are still there, by their numbers.
async fn heads(mailbox: &ImapSettings, selected: &mut Selected, uids: &[u32]) -> Result<Vec<Head>, ImapError> {
    let fetched: Vec<Fetch> = within(mailbox.answer_within, async {
        let query = "(UID RFC822.SIZE INTERNALDATE FLAGS)";
        selected.session.uid_fetch(set(uids), query).await?.try_collect().await
    })
    .await?;
    let mut heads = BTreeMap::new();
    for one in &fetched {
        // Others are told of when their marks change.
        let (Some(uid), Some(size)) = (one.uid, one.size) else { continue };
        let marked = one.flags().any(|flag| matches!(&flag, Flag::Custom(word) if *word == TAKEN || *word == ASIDE));
        let at = one.internal_date().map_or(0, |date| date.timestamp_millis());
        heads.insert(uid, Head { uid, size: u64::from(size), at, marked });
    }
    heads.retain(|uid, _| uids.contains(uid));
    Ok(heads.into_values().collect())
}

/// A whole message, without marking it as read; none: it is gone.
async fn body(mailbox: &ImapSettings, selected: &mut Selected, uid: u32) -> Result<Option<Vec<u8>>, ImapError> {
    within(mailbox.answer_within, async {
        let mut fetched = selected.session.uid_fetch(uid.to_string(), "(UID BODY.PEEK[])").await?;
        let mut message = None;
        while let Some(one) = fetched.next().await {
            let one = one?;
            if one.uid == Some(uid) && one.body().is_some() {
                message = one.body().map(<[u8]>::to_vec);
            }
        }
        Ok::<_, async_imap::error::Error>(message)
    })
    .await
}

/// Which of these are there. A server that fails, or goes away, answers a FETCH with less than was asked for:
/// what is missing is passed over only when it says that it has no such message.
async fn still_there(mailbox: &ImapSettings, selected: &mut Selected, missing: &[u32]) -> Result<Vec<u32>, ImapError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let found = within(mailbox.answer_within, selected.session.uid_search(format!("UID {}", set(missing)))).await?;
    // An error, where the answer was cut off with the connection.
    within(mailbox.answer_within, selected.session.noop()).await?;
    Ok(missing.iter().filter(|uid| found.contains(uid)).copied().collect())
}

fn set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

async fn keep(memory: &Arc<Memory>, place: &Place) -> Result<(), ImapError> {
    let place = place.clone();
    kept(memory, move |memory| memory.keep(&place)).await
}

async fn kept<T: Send + 'static>(
    memory: &Arc<Memory>,
    work: impl FnOnce(&Memory) -> std::io::Result<T> + Send + 'static,
) -> Result<T, ImapError> {
    let memory = Arc::clone(memory);
    Ok(crate::blocking(move || work(&memory)).await?)
}
