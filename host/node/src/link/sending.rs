//! What a link task sends, and what becomes of the answers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jackfield_link::{LinkError, Reply};
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;

use super::LinkTask;
use crate::requests::Purpose;
use crate::sessions::Boxed;
use crate::shared::count;
use crate::virtual_queues::attached;

/// Requests that wait for the send buffer; at this many no more turns are taken. One turn may exceed it.
const REQUESTS_WAITING: usize = 4_096;
/// Requests that wait for an answer; at this many no more turns are taken.
const REQUESTS_UNANSWERED: usize = 8_192;

/// A request that was sent, or is about to be.
pub(super) struct Sent {
    purpose: Purpose,
    /// Longest time to its answer; what began is in `deadlines`.
    deadline: Option<Instant>,
    /// Its time was over: whoever asked was told.
    late: bool,
}

/// An answer to come.
pub(super) struct Awaiting {
    token: u64,
    reply: Reply,
}

impl Future for Awaiting {
    type Output = (u64, Result<Answer, LinkError>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let token = self.token;
        Pin::new(&mut self.reply).poll(context).map(|answer| (token, answer))
    }
}

impl LinkTask {
    /// Whether there is room for what another turn asks for.
    pub(crate) fn takes_turns(&self) -> bool {
        self.outgoing.len() < REQUESTS_WAITING && self.sent.len() < REQUESTS_UNANSWERED
    }

    /// Queues a request for this link. `within`: how long its answer may take.
    pub(crate) fn send(&mut self, message: Ask, key: String, purpose: Purpose, within: Option<Duration>) {
        self.last_token += 1;
        let token = self.last_token;
        let deadline = within.and_then(|within| self.now.checked_add(within));
        if let Some(at) = deadline {
            self.deadlines.insert((at, token));
        }
        self.sent.insert(token, Sent { purpose, deadline, late: false });
        self.outgoing.push_back((token, message, key));
    }

    /// Sends what is queued, as far as there is room.
    pub(super) fn flush(&mut self) {
        while self.sending.is_none() {
            let Some(client) = self.client.clone() else { return };
            let Some((token, message, key)) = self.outgoing.pop_front() else { return };
            count(&self.shared.counters.requests);
            let mut sending: Boxed<(u64, Result<Reply, LinkError>)> =
                Box::pin(async move { (token, client.send(message, key).await) });
            match sending.as_mut().now_or_never() {
                Some((token, reply)) => self.under_way(token, reply),
                None => self.sending = Some(sending),
            }
        }
    }

    pub(super) fn under_way(&mut self, token: u64, reply: Result<Reply, LinkError>) {
        match reply {
            Err(error) => self.answered(token, Err(error)),
            Ok(reply) => {
                match self.sent.get(&token).map(|sent| &sent.purpose) {
                    Some(Purpose::Pull(pull)) => self.held_pulls.push((pull.id, reply.reference_id())),
                    Some(Purpose::Deliver { interaction, number }) => {
                        if let Some(delivery) = self.deliveries.get_mut(interaction).filter(|it| it.number == *number) {
                            delivery.reference_id = reply.reference_id();
                        }
                    }
                    _ => {}
                }
                self.replies.push(Awaiting { token, reply });
            }
        }
    }

    pub(super) fn answered(&mut self, token: u64, answer: Result<Answer, LinkError>) {
        let Some(Sent { purpose, deadline, late }) = self.sent.remove(&token) else { return };
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, token));
        }
        if let Err(LinkError::Down(_)) = answer {
            // Nobody knows what became of it: it is asked again when the link is up, where it has to be.
            return;
        }
        if late {
            self.late_answer(purpose, answer);
            return;
        }
        match purpose {
            Purpose::Reclaim => self.reclaim_answer(answer),
            Purpose::Probe { session, request, then } => self.probe_answer(&session, request, then, answer),
            Purpose::Strategy { session, request, then } => self.strategy_answer(&session, request, then, answer),
            Purpose::Pull(pull) => self.pull_answer(pull, answer),
            Purpose::CancelPull => self.cancelling = self.cancelling.saturating_sub(1),
            Purpose::Refresh { session, interaction } => self.refreshed(&session, &interaction, answer),
            Purpose::Reporting => self.reporting_answer(answer),
            Purpose::Deliver { interaction, number } => self.deliver_answer(interaction, number, answer),
            Purpose::TakeBack { interaction, number } => self.taken_back(interaction, number, answer),
            Purpose::Leave { session, interaction, how } => self.leave_answer(session, interaction, how, answer),
            Purpose::Report(number) => self.reported(number, &answer),
            Purpose::AttachTargets => attached(&self.server, answer),
            Purpose::CleanUp(asked) => self.clean_up_answer(asked, answer),
        }
    }

    /// The connection is gone, and with it what was sent and what was about to be.
    pub(super) fn forget_sent(&mut self) {
        self.outgoing.clear();
        self.sending = None;
        self.sent.clear();
        self.replies.clear();
        self.deadlines.clear();
        self.late.clear();
    }

    /// Answers that are overdue: who asked is told. They may still come.
    pub(super) fn expire(&mut self) {
        while let Some((at, token)) = self.deadlines.first().copied()
            && at <= self.now
        {
            self.deadlines.pop_first();
            if let Some(mut sent) = self.sent.remove(&token) {
                sent.deadline = None;
                sent.late = true;
                self.unanswered(&sent.purpose);
                self.sent.insert(token, sent);
            }
        }
    }
}
