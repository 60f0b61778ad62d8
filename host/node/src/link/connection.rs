//! The connection of a link: up, down, and what comes over it unasked.

use std::sync::atomic::Ordering;

use jackfield_link::{Client, LinkError, LinkEvent};
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{EventRevoked, RequestStartReporting};
use jackfield_protocol::{ErrorCode, ORCHESTRATION_SYSTEM};

use super::LinkTask;
use crate::reclaim::Phase;
use crate::requests::Purpose;
use crate::shared::count;

impl LinkTask {
    pub(super) fn link_event(&mut self, event: Option<LinkEvent>) {
        match event {
            Some(LinkEvent::Up(client)) => self.up(client),
            Some(LinkEvent::Down { reason, retry_in }) => {
                tracing::warn!(server = self.server, reason, ?retry_in, "the link to the interaction server is down");
                self.down(&reason);
            }
            None => self.down("the link was closed"),
            Some(LinkEvent::Event(event)) => match event {
                Answer::Delivery(delivery) => self.delivery(delivery),
                Answer::Reporting(event) => self.reporting(event),
                Answer::PropertiesChanged(changed) => self.changed_by_others(changed),
                Answer::Revoked(revoked) if revoked.ticket_id == 0 => self.revoked(&revoked),
                _ => {}
            },
        }
    }

    fn up(&mut self, client: Client) {
        tracing::info!(server = self.server, "the link to the interaction server is up");
        self.down("a new connection");
        self.client = Some(client);
        if let Some(board) = self.shared.boards.get(self.index) {
            board.up.store(true, Ordering::Relaxed);
            board.set_problem("");
            count(&board.connections);
        }
        if self.shared.book.is_some() {
            let shared = self.shared.clone();
            self.recordings.push(Box::pin(async move {
                if let Some(book) = &shared.book {
                    book.check(&shared).await;
                }
            }));
        }
        self.start_reporting(true);
        self.begin_return();
    }

    /// For sessions nothing changes. What they asked for is asked again, what they hold is reclaimed, when
    /// the link is up again.
    fn down(&mut self, reason: &str) {
        if let Some(board) = self.shared.boards.get(self.index) {
            board.up.store(false, Ordering::Relaxed);
            board.set_problem(reason);
        }
        if self.client.take().is_none() {
            return;
        }
        self.shared.pulls.tell(|pulls| pulls.link_down(self.index));
        self.phase = Phase::Down;
        self.asked_agents = false;
        self.forget_sent();
        self.services.clear();
        self.held_pulls.clear();
        self.agents.clear();
        self.overtaken.clear();
        (self.leaving, self.cancelling) = (0, 0);
        self.forget_targets();
        for running in self.sessions.values_mut() {
            running.settling = false;
        }
    }

    /// Ends the connection, so that another one is made.
    pub(crate) fn cut(&self) {
        if let Some(client) = &self.client {
            client.close();
        }
    }

    /// The server took an interaction back; a session that was given it since keeps it.
    fn revoked(&mut self, revoked: &EventRevoked) {
        if !self.overtaken.remove(&revoked.interaction_id) {
            self.lost(&revoked.interaction_id, &revoked.reason);
        }
    }

    fn start_reporting(&mut self, with_clean_up: bool) {
        let queues = if with_clean_up { vec![ORCHESTRATION_SYSTEM.to_owned()] } else { Vec::new() };
        let ask = RequestStartReporting { interactions: with_clean_up, agents: true, queues };
        self.asked_agents = true;
        self.send(Ask::StartReporting(ask), String::new(), Purpose::Reporting { with_clean_up }, None);
    }

    pub(super) fn reporting_answer(&mut self, with_clean_up: bool, answer: Result<Answer, LinkError>) {
        self.asked_agents = false;
        match answer {
            Ok(Answer::AgentStates(states)) => self.agent_states(states.agents),
            Err(error) if with_clean_up && error.code() == Some(ErrorCode::UnknownQueue) => {
                tracing::warn!(
                    server = self.server,
                    "there is no interaction queue `{ORCHESTRATION_SYSTEM}` on this server; configure it where strategies \
                     send messages without a queue"
                );
                self.start_reporting(false);
            }
            Err(error) => {
                tracing::error!(server = self.server, %error, "no agent states from this server: nothing can be routed there");
            }
            Ok(_) => tracing::error!(server = self.server, "the answer to a reporting request is no list of agents"),
        }
    }
}
