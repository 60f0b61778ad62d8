//! The connection of a link: up, down, and what comes over it unasked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jackfield_link::{Client, LinkError, LinkEvent};
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{EventRevoked, RequestStartReporting};
use jackfield_protocol::{ErrorCode, ORCHESTRATION_SYSTEM};

use super::LinkTask;
use crate::reclaim::Phase;
use crate::requests::Purpose;
use crate::shared::count;

/// How long a node stays away from a server where another has taken its name.
const STAYS_AWAY: Duration = Duration::from_secs(120);

impl LinkTask {
    pub(super) fn link_event(&mut self, event: Option<LinkEvent>) {
        match event {
            Some(LinkEvent::Up(client)) => self.up(client),
            Some(LinkEvent::Down { reason, retry_in }) => {
                tracing::warn!(server = self.server, reason, ?retry_in, "the link to the interaction server is down");
                self.down(&reason);
            }
            None => {
                self.down("the link was closed");
                self.is_closed = true;
            }
            Some(LinkEvent::Event(event)) => match event {
                Answer::Delivery(delivery) => self.delivery(delivery),
                Answer::Reporting(event) => self.reporting(event),
                Answer::PropertiesChanged(changed) => self.changed_by_others(changed),
                Answer::Revoked(revoked) if revoked.ticket_id == 0 => self.revoked(&revoked),
                Answer::Error(error) if error.code == ErrorCode::Replaced.number() => self.replaced(),
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
        self.start_reporting();
        self.clean_up.link_up(self.now);
        self.begin_return();
        self.report_again();
    }

    /// For sessions nothing changes yet. What they asked for is asked again, what they hold is reclaimed, when
    /// the link is up again; what has waited for that for too long fails.
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
        self.link_waits.begin(self.now);
        self.clean_up.link_down();
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

    /// Another node has registered there under the name of this one. To come back at once would be to take it from
    /// that one again, and so for ever: this one leaves the server to it for a while, and then looks whether it is a
    /// lasting thing, for it may have been an earlier connection of its own that was late.
    fn replaced(&mut self) {
        let name = &self.shared.settings.name;
        tracing::error!(
            server = self.server,
            "another node has registered at this server as `{name}`: an application name may run once for each server. \
             This node stays away from it for {STAYS_AWAY:?}; give one of the two another name"
        );
        self.link.stop();
        self.down(&format!("another node has registered there as `{name}`"));
        self.is_closed = true;
        self.open_again_at = self.now.checked_add(STAYS_AWAY);
    }

    /// The time is over for which this node has left the server to another.
    pub(super) fn open_again(&mut self) {
        if self.open_again_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.open_again_at = None;
        if let Some((link, events)) = super::open(&self.shared, self.index).filter(|_| self.stopping.is_none()) {
            (self.link, self.events, self.is_closed) = (link, events, false);
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

    /// The tenant of the server, by its number; 0 while there is no connection.
    pub(crate) fn tenant(&self) -> u32 {
        self.client.as_ref().map_or(0, |client| client.registration().tenant_id)
    }

    pub(crate) fn client_is_there(&self) -> bool {
        self.client.is_some()
    }

    /// Agents, and what comes into `orchestration_system` or leaves it.
    fn start_reporting(&mut self) {
        let queues = vec![ORCHESTRATION_SYSTEM.to_owned()];
        let ask = RequestStartReporting { interactions: true, agents: true, queues, ..Default::default() };
        self.asked_agents = true;
        self.send(Ask::StartReporting(ask), String::new(), Purpose::Reporting, None);
    }

    pub(super) fn reporting_answer(&mut self, answer: Result<Answer, LinkError>) {
        self.asked_agents = false;
        match answer {
            Ok(Answer::AgentStates(states)) => self.agent_states(states.agents),
            Err(error) => {
                tracing::error!(server = self.server, %error, "no agent states from this server: nothing can be routed there");
            }
            Ok(_) => tracing::error!(server = self.server, "the answer to a reporting request is no list of agents"),
        }
    }
}
