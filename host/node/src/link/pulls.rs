//! The pulls of a link: the pull scheduler says when (`pulling`), here they are sent and answered, and operators are
//! told what is wrong with one, and that it is over.

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
        let settings = &self.shared.settings;
        let Some(strategy) = self.shared.strategy(pull.source.strategy).map(|strategy| strategy.name.clone()) else {
            return;
        };
        let (what, for_strategy) = match settings.view(pull.source) {
            Some(view) => (What::View(view.name.clone()), strategy),
            None => (What::Strategy(strategy), String::new()),
        };
        let ask = RequestPull {
            what: Some(what),
            count: u32::try_from(pull.count).unwrap_or(u32::MAX),
            // 0 would leave it to the server; of a view it asks nothing.
            max_delay_ms: u32::try_from(pull.delay.as_millis()).unwrap_or(u32::MAX).max(1),
            for_strategy,
            ..Default::default()
        };
        let within = pull.delay.saturating_add(self.shared.request_timeout());
        self.send(Ask::Pull(ask), String::new(), Purpose::Pull(pull), Some(within));
    }

    pub(super) fn pull_answer(&mut self, pull: Pull, answer: Result<Answer, LinkError>) {
        self.held_pulls.retain(|(id, _)| *id != pull.id);
        match answer {
            Ok(Answer::PulledInteractions(pulled)) => self.pulled(pull, pulled),
            Ok(_) => {
                let problem = "the answer to a pull is no list of interactions";
                self.pull_failed(pull, &LinkError::Protocol(problem.into()));
            }
            Err(error) => self.pull_failed(pull, &error),
        }
    }

    /// The scheduler is told, and operators, where it is news to them.
    pub(crate) fn pull_failed(&mut self, pull: Pull, error: &LinkError) {
        let rests = error.code().is_some_and(ErrorCode::rests_pull);
        let problem = match error {
            LinkError::Refused(RequestError { code, name, .. }) => format!("{name} ({code})"),
            error => error.to_string(),
        };
        let chance = jackfield_world::chance();
        let news = self.shared.pulls.tell(|pulls| pulls.failed(pull.id, self.now, &problem, rests, chance));
        if let Some(rest) = news {
            let (strategy, view) = self.names_of(pull);
            let (queue, view) = view.unzip();
            let to_do = what_to_do(error);
            tracing::warn!(
                server = self.server,
                strategy,
                queue,
                view,
                %error,
                ?rest,
                to_do,
                "a pull was refused: this one alone rests, and is tried again until it is answered"
            );
        }
    }

    /// For operators who were told that it was refused.
    pub(crate) fn is_pulled_again(&self, pull: Pull) {
        let (strategy, view) = self.names_of(pull);
        let (queue, view) = view.unzip();
        tracing::info!(server = self.server, strategy, queue, view, "is pulled again");
    }

    /// The strategy, and of a pull by view the queue and the view.
    fn names_of(&self, pull: Pull) -> (Option<&str>, Option<(&str, &str)>) {
        let strategy = self.shared.strategy(pull.source.strategy).map(|strategy| strategy.name.as_str());
        let view = self.shared.settings.view(pull.source);
        (strategy, view.map(|view| (view.queue.as_str(), view.name.as_str())))
    }
}

/// What an operator may change so that the pull is answered.
fn what_to_do(error: &LinkError) -> &'static str {
    match error.code() {
        Some(ErrorCode::UnknownView) => {
            "add the view to this server's configuration, or a group of the server's account to the `access` of the view"
        }
        Some(ErrorCode::ViewDefinitionInvalid) => {
            "mend the condition or the order of the view, or add a group of the server's account to the `access` of its queue"
        }
        Some(ErrorCode::StrategyDoesNotExist) => {
            "add the strategy to this server's configuration, or a group of the server's account to the `access` of the \
             strategy"
        }
        Some(ErrorCode::StrategyHasNoViews) => {
            "join a view to the strategy by a submitter for this node's cluster, or add a group of the server's account to \
             the `access` of its submitters and their views"
        }
        Some(ErrorCode::StrategyIsDisabled) => "enable the strategy, or remove its submitters",
        _ => "nothing, where it ends by itself",
    }
}
