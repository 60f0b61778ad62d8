//! How many wait in interaction queues: asked of the server, once a second, from the moment on at which a target or a
//! strategy wants to know it of a queue. Nothing that is reported of all interactions would tell it for less.

use std::time::{Duration, Instant};

use jackfield_link::LinkError;
use jackfield_protocol::v1::RequestServerStatus;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;

use crate::link::LinkTask;
use crate::requests::Purpose;

const EVERY: Duration = Duration::from_secs(1);

/// When they are asked for.
#[derive(Debug, Default)]
pub(crate) struct QueueLengths {
    asked: bool,
    next: Option<Instant>,
}

impl LinkTask {
    /// When they are to be asked for; none: nobody wants to know, or it was asked already.
    pub(crate) fn queue_lengths_at(&self) -> Option<Instant> {
        let asks = self.phase.is_up() && !self.queue_lengths.asked;
        let asks = asks && self.selection().wanted_queues(self.link_id()).next().is_some();
        asks.then(|| self.queue_lengths.next.unwrap_or(self.now))
    }

    pub(crate) fn ask_queue_lengths(&mut self) {
        if self.queue_lengths_at().is_none_or(|at| at > self.now) {
            return;
        }
        let queues = self.selection().wanted_queues(self.link_id()).map(str::to_owned).collect();
        self.queue_lengths = QueueLengths { asked: true, next: Some(self.now + EVERY) };
        self.send(Ask::ServerStatus(RequestServerStatus { queues }), String::new(), Purpose::QueueLengths, None);
    }

    pub(crate) fn queue_lengths_answer(&mut self, answer: Result<Answer, LinkError>) {
        self.queue_lengths.asked = false;
        if let Ok(Answer::ServerStatus(status)) = answer {
            let link = self.link_id();
            let mut selection = self.selection();
            for queue in status.queues {
                selection.queue_length(link, &queue.queue, queue.waiting);
            }
        }
    }
}
