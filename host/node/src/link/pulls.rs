//! The held pulls of a link: the pull scheduler says when (`pulling`), here they are sent and answered.

use std::time::Duration;

use jackfield_link::LinkError;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{RequestPull, request_pull::What};
use jackfield_protocol::{ErrorCode, RequestError};

use super::LinkTask;
use crate::pulling::Pull;
use crate::requests::Purpose;

impl LinkTask {
    pub(super) fn pull(&mut self, pull: Pull) {
        if !self.phase.is_up() {
            // Of the connection before; the scheduler knows.
            return;
        }
        let Some(strategy) = self.shared.strategy(pull.strategy) else { return };
        let ask = RequestPull {
            what: Some(What::Strategy(strategy.name.clone())),
            count: u32::try_from(pull.count).unwrap_or(u32::MAX),
            max_delay_ms: u32::try_from(pull.delay.as_millis()).unwrap_or(u32::MAX).max(1),
            ..Default::default()
        };
        let within = pull.delay.saturating_add(self.shared.request_timeout());
        self.send(Ask::Pull(ask), String::new(), Purpose::Pull(pull), Some(within));
    }

    pub(super) fn pull_answer(&mut self, pull: Pull, answer: Result<Answer, LinkError>) {
        self.held_pulls.retain(|(id, _)| *id != pull.id);
        let error = match answer {
            Ok(Answer::PulledInteractions(pulled)) => return self.pulled(pull, pulled),
            Ok(_) => LinkError::Protocol("the answer to a pull is no list of interactions".into()),
            Err(error) => error,
        };
        let rests = error.code().is_some_and(ErrorCode::rests_pull);
        let strategy = self.shared.strategy(pull.strategy).map(|strategy| strategy.name.as_str());
        let rest = if rests { self.shared.live().options.mcr_pull_after_error_timeout } else { Duration::ZERO };
        tracing::warn!(server = self.server, strategy, %error, ?rest, "a pull was refused; it rests, others go on");
        let problem = match &error {
            LinkError::Refused(RequestError { code, name, .. }) => format!("{name} ({code})"),
            error => error.to_string(),
        };
        let chance = jackfield_world::chance();
        self.shared.pulls.tell(|pulls| pulls.failed(pull.id, self.now, &problem, rests, chance));
    }
}
