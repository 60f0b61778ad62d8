//! What waits for one session that is awake: events, and the wishes that it end, or make room.
//!
//! Written by whoever holds a [`Session`](crate::Session), read by the session's own task. It never
//! blocks a writer: a session that leaves too much unread is ended instead. It
//! goes when the session ends, or falls asleep with nothing in it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::end::EndReason;
use crate::session::{Exchange, Gone, SessionEvent};

pub(crate) struct Inbox {
    content: Mutex<Content>,
    /// One waiter at the most: the session's task.
    changed: Notify,
    /// Events that may wait.
    room: usize,
}

#[derive(Default)]
struct Content {
    events: VecDeque<SessionEvent>,
    ending: Option<Box<EndReason>>,
    /// Others need the room of its instance.
    leaving: bool,
    /// What is to be done between two of its turns.
    exchange: Option<Exchange>,
}

impl Inbox {
    pub fn new(room: usize) -> Inbox {
        Inbox { content: Mutex::default(), changed: Notify::new(), room }
    }

    /// Appends events. A full inbox ends the session as [`EndReason::NotReading`].
    pub fn push(&self, events: impl IntoIterator<Item = SessionEvent>) -> Result<(), Gone> {
        let mut content = self.content();
        if content.ending.is_some() {
            return Err(Gone);
        }
        let mut full = false;
        for event in events {
            full = content.events.len() >= self.room;
            if full {
                content.ending = Some(Box::new(EndReason::NotReading));
                break;
            }
            content.events.push_back(event);
        }
        drop(content);
        self.changed.notify_one();
        if full { Err(Gone) } else { Ok(()) }
    }

    /// Asks the session to end; the first reason stands.
    pub fn end(&self, reason: EndReason) {
        let mut content = self.content();
        if content.ending.is_none() {
            content.ending = Some(Box::new(reason));
            drop(content);
            self.changed.notify_one();
        }
    }

    /// Why the session is to end, when it is.
    pub fn ending(&self) -> Option<EndReason> {
        self.content().ending.as_deref().cloned()
    }

    /// The oldest event, or the reason to end, which goes first.
    pub fn take(&self) -> Result<Option<SessionEvent>, EndReason> {
        let mut content = self.content();
        match &content.ending {
            Some(reason) => Err((**reason).clone()),
            None => Ok(content.events.pop_front()),
        }
    }

    /// Asks the session to let go of its instance, if it has nothing to do.
    pub fn ask_to_leave(&self) {
        self.content().leaving = true;
        self.changed.notify_one();
    }

    /// Whether it was asked to; it is not any more then.
    pub fn is_to_leave(&self) -> bool {
        std::mem::take(&mut self.content().leaving)
    }

    /// Asks the session to let go of its instance after the turn it is in, and to do this then.
    pub fn exchange(&self, exchange: Exchange) -> Result<(), Gone> {
        let mut content = self.content();
        if content.ending.is_some() {
            return Err(Gone);
        }
        content.exchange = Some(exchange);
        drop(content);
        self.changed.notify_one();
        Ok(())
    }

    /// Whether it was asked to.
    pub fn is_to_exchange(&self) -> bool {
        self.content().exchange.is_some()
    }

    /// What it is to do, once.
    pub fn take_exchange(&self) -> Option<Exchange> {
        self.content().exchange.take()
    }

    /// Whether there is nothing to do: no event, no exchange and no reason to end.
    pub fn is_empty(&self) -> bool {
        let content = self.content();
        content.events.is_empty() && content.ending.is_none() && content.exchange.is_none()
    }

    /// Returns once something may have changed since the last [`take`](Self::take). Cancel-safe.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> SessionEvent {
        SessionEvent::Message { key: String::new(), name: name.into(), data: "null".into() }
    }

    #[test]
    fn events_come_in_order_until_there_is_no_room() {
        let inbox = Inbox::new(2);
        assert_eq!(inbox.push([message("a")]), Ok(()));
        assert_eq!(inbox.push([message("b")]), Ok(()));
        assert_eq!(inbox.take(), Ok(Some(message("a"))));
        assert_eq!(inbox.push([message("c")]), Ok(()));
        assert_eq!(inbox.push([message("d")]), Err(Gone));
        assert_eq!(inbox.take(), Err(EndReason::NotReading));
    }

    #[test]
    fn the_first_reason_to_end_stands() {
        let inbox = Inbox::new(2);
        assert!(inbox.is_empty());
        inbox.end(EndReason::Killed("one".into()));
        inbox.end(EndReason::Killed("two".into()));
        assert_eq!(inbox.ending(), Some(EndReason::Killed("one".into())));
        assert!(!inbox.is_empty());
        assert_eq!(inbox.push([message("a")]), Err(Gone));
    }
}
