//! How sessions end.
//!
//! A session is over when its program has ended and everything it asked for was answered. What it
//! still holds then goes back to its queue, with its place in line. When the session failed (a trap, a
//! limit, an error, or an end with the interaction still in hand) the interaction's failures are
//! counted in its user data, and at `poison_limit` it goes into the poison queue instead, with the
//! reason. A session the node itself ended has not failed, and neither has one that was told of a loss.
//!
//! Only then its end is recorded. When the node dies before that, the session is found again, fails
//! again, and its interaction is given back again. The count has a key of its own, so that it is one
//! failure all the same. The giving back has none: the interaction was reclaimed before, and an answer
//! the server remembers from the first time would leave it with us.

use std::sync::Arc;

use jackfield_link::LinkError;
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{KeyValueList, RequestChangeProperties, RequestPlaceInQueue};
use jackfield_strategy::{EndReason, SessionEnd};

use crate::held::{FAILURE_REASON_KEY, FAILURES_KEY};
use crate::link::LinkTask;
use crate::requests::{Leaving, Purpose};
use crate::shared::count;
use crate::status::SessionState;

/// Bytes of a reason that are kept in user data.
const REASON_BYTES: usize = 1_024;
/// What is wrong with a session that ended well and has not finished with its interaction.
pub(crate) const LEFT_BEHIND: &str = "it ended without placing, stopping or delivering its interaction";

impl LinkTask {
    /// The session's program has ended, and every turn of it has been taken.
    pub(crate) fn ended(&mut self, session: &Arc<str>, end: SessionEnd) {
        if self.suspending {
            // It goes on from the journal.
            self.leave_for_later(session);
            return;
        }
        self.forget_waits(session, &end.reason);
        let Some(running) = self.sessions.get_mut(session) else { return };
        running.card.set_state(SessionState::Ending);
        running.end = Some(Box::new(end));
        self.settle(session);
    }

    /// Gives back what an ended session left behind, once nothing is under way for it, and forgets it
    /// once it has nothing left.
    pub(crate) fn settle(&mut self, session: &Arc<str>) {
        let Some(running) = self.sessions.get_mut(session) else { return };
        let Some(end) = &running.end else { return };
        if running.card.unanswered() > 0 {
            return;
        }
        if running.held.is_empty() {
            self.forget_session(session);
            return;
        }
        if !self.phase.is_up() {
            // What it holds is reclaimed first.
            return;
        }
        if running.held.iter().any(|held| self.late.contains(&*held.id)) {
            // It may have gone already.
            return;
        }
        if std::mem::replace(&mut running.settling, true) {
            return;
        }
        let reason = match &end.reason {
            EndReason::Finished => LEFT_BEHIND.to_owned(),
            reason => reason.to_string(),
        };
        let failed =
            !running.stopping && !running.is_excused && (end.reason.is_failure() || end.reason == EndReason::Finished);
        running.card.set_state(SessionState::Ending);
        let strategy = running.card.strategy;
        let held: Vec<(String, i32)> = running.held.iter().map(|held| (held.id.to_string(), held.failures)).collect();
        for (interaction, failures) in held {
            if failed {
                self.leave_failed(session, strategy, interaction, failures, &reason);
            } else {
                tracing::debug!(session = &**session, interaction, reason, "giving back the interaction of a session");
                self.leave(Some(session.clone()), interaction, Leaving::GiveBack);
            }
        }
    }

    fn leave_failed(&mut self, session: &Arc<str>, strategy: usize, interaction: String, failures: i32, reason: &str) {
        let live = self.shared.live();
        let options = &live.options;
        let failures = failures.saturating_add(1);
        let poisoned = i64::from(failures) >= i64::from(options.poison_limit);
        let strategy = self.shared.strategy(strategy).map(|strategy| strategy.name.as_str()).unwrap_or_default();
        tracing::warn!(
            server = self.server,
            strategy,
            interaction,
            failures,
            reason,
            queue = if poisoned { options.poison_queue.as_str() } else { "its own" },
            "a session failed; its interaction goes back to a queue"
        );
        let mut reason = format!("{strategy}: {reason}");
        reason.truncate(reason.floor_char_boundary(REASON_BYTES));
        let changed = KeyValueList::default().with(FAILURES_KEY, failures).with(FAILURE_REASON_KEY, reason);
        let change = RequestChangeProperties {
            interaction_id: interaction.clone(),
            changed: Some(changed),
            ..Default::default()
        };
        let of = Some(session.clone());
        let purpose = Purpose::Leave { session: of.clone(), interaction: interaction.clone(), how: Leaving::Count };
        let key = format!("{session}:leave:count:{interaction}");
        self.send(Ask::ChangeProperties(change), key, purpose, None);
        self.leave(of, interaction, if poisoned { Leaving::Poison } else { Leaving::GiveBack });
    }

    /// An interaction that was pulled and for which no session can start.
    pub(crate) fn give_back_unstarted(&mut self, interaction: String) {
        self.leave(None, interaction, Leaving::GiveBackUnstarted);
    }

    fn leave(&mut self, session: Option<Arc<str>>, interaction: String, how: Leaving) {
        let mut place = RequestPlaceInQueue { interaction_id: interaction.clone(), ..Default::default() };
        match how {
            Leaving::Poison => {
                place.queue.clone_from(&self.shared.live().options.poison_queue);
                place.reason = "failed too often".to_owned();
            }
            Leaving::Hold => {
                place.queue = self
                    .holder(&interaction)
                    .and_then(|running| running.holds(&interaction))
                    .map(|held| held.queue.to_string())
                    .unwrap_or_default();
                place.hold = true;
                place.reason = "failed too often, and there is no poison queue".to_owned();
            }
            Leaving::Count | Leaving::GiveBack | Leaving::GiveBackUnstarted => place.give_back = true,
        }
        self.leaving += 1;
        self.send(Ask::PlaceInQueue(place), String::new(), Purpose::Leave { session, interaction, how }, None);
    }

    /// A step of giving back was answered.
    pub(crate) fn leave_answer(
        &mut self,
        session: Option<Arc<str>>,
        interaction: String,
        how: Leaving,
        answer: Result<Answer, LinkError>,
    ) {
        if how == Leaving::Count {
            // The next step is under way already, and tells what is wrong where something is.
            return;
        }
        self.leaving = self.leaving.saturating_sub(1);
        match &answer {
            Ok(_) => match how {
                Leaving::Poison | Leaving::Hold => count(&self.shared.counters.poisoned),
                _ => {
                    count(&self.shared.counters.given_back);
                    self.report.given_back += u64::from(self.stopping.is_some());
                }
            },
            Err(error) if how == Leaving::Poison && error.code() == Some(ErrorCode::UnknownQueue) => {
                tracing::error!(
                    server = self.server,
                    interaction,
                    queue = self.shared.live().options.poison_queue,
                    "there is no poison queue on this server: the interaction stays, held, in its own queue; \
                     configure the queue, then release it"
                );
                self.leave(session, interaction, Leaving::Hold);
                return;
            }
            Err(error) => {
                tracing::warn!(server = self.server, interaction, %error, "an interaction could not be given back");
            }
        }
        if let Some(session) = session {
            self.release_from(&session, &interaction);
            self.settle(&session);
        }
    }

    /// The node is suspended: the session goes on when it is started again.
    pub(crate) fn leave_for_later(&mut self, session: &Arc<str>) {
        if let Some(running) = self.sessions.remove(session) {
            self.shared.plugins.left(&running.card.plugin());
            self.shared.directory.remove(session);
            self.report.suspended += 1;
        }
    }

    fn forget_session(&mut self, session: &Arc<str>) {
        let Some(running) = self.sessions.remove(session) else { return };
        self.shared.directory.remove(session);
        self.shared.pulls.tell(|pulls| pulls.session_ended(running.card.strategy));
        let plugin = running.card.plugin();
        let Some(end) = running.end else { return self.shared.plugins.left(&plugin) };
        let (plugins, counters) = (&self.shared.plugins, &self.shared.counters);
        match &end.reason {
            EndReason::Finished if !running.settling || running.stopping || running.is_excused => {
                count(&counters.finished);
                plugins.ended(&plugin, None);
                if self.stopping.is_some() {
                    self.report.finished += 1;
                }
            }
            EndReason::Killed(_) | EndReason::TurnNotRecorded(_) | EndReason::NotRebuilt(_) => {
                count(&counters.ended_by_node);
                plugins.left(&plugin);
                if self.stopping.is_some() {
                    self.report.killed += 1;
                }
            }
            reason => {
                count(&counters.failed);
                let why = if *reason == EndReason::Finished { LEFT_BEHIND.to_owned() } else { reason.to_string() };
                plugins.ended(&plugin, Some(&why));
                tracing::info!(session = &**session, strategy = running.card.strategy, %reason, "session failed");
                if self.stopping.is_some() {
                    self.report.finished += 1;
                }
            }
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            tracing::debug!(session = &**session, reason = %end.reason, turns = end.turns, cpu = ?end.cpu, "session ended");
        }
        if self.shared.book.is_some() {
            let (shared, card) = (self.shared.clone(), running.card);
            let left_behind = running.settling && !running.stopping && !running.is_excused;
            self.recordings.push(Box::pin(async move {
                if let Some(book) = &shared.book {
                    book.end(&shared, card.clone(), *end, left_behind).await;
                }
                if let Some(shadows) = &shared.shadows {
                    shadows.ended(card.id.clone(), &plugin);
                }
            }));
        }
    }
}
